"""The frozen model of a workflow: what `spec.build` makes of a checked document and what planner and engine read.

A `Workflow` holds graphs by key (the root, subgraphs by name and by file). A `Graph` holds nodes by name and cuts them
into regions: the nodes of one scope (the graph's own, each branch's, each body's). Nothing here changes after
it was built, and nothing is compared but by identity: generated comparisons would take half as long again to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from magent.expressions import Condition, Expression, ShellText, Template, Value

EdgeKind = Literal["normal", "conditional", "loop_back"]
DEFAULT_LOOP_BACK_MAX = 100
MAX_CHAINS = 16  # within one another
ERROR_TYPES = ("timeout", "rate_limit", "agent", "tool", "exit", "output", "call")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Edge:
    """A way out of a node. `max` bounds the uses of a loop_back; `index` is its place in `next` (elsewhere:
    -1, 99 …)."""

    kind: EdgeKind
    target: str
    when: Condition | None = None
    max: Value | None = None
    index: int = 0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OnError:
    """What follows a node's final failure: fail outwards, continue with null, or go to a node by `edge`."""

    action: Literal["fail", "continue", "go"] = "fail"
    edge: Edge | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Retry:
    """How often an attempt is made anew; delays in seconds; `errors` are the types worth another attempt."""

    max_attempts: int = 1
    backoff: Literal["exponential", "linear", "constant"] = "exponential"
    delay: float = 1.0
    max_delay: float = 30.0
    jitter: float = 0.2
    errors: tuple[str, ...] = ERROR_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What all nodes have. `region` names the entry of the scope that the node belongs to; `place` is `file:line`."""

    name: str
    description: str = ""
    when: Condition | None = None
    next: tuple[Edge, ...] = ()
    set: Mapping[str, Value] = field(default_factory=dict)
    on_error: OnError = OnError()
    timeout: Value | None = None
    region: str = ""

    @property
    def type(self) -> str:
        return TYPE_NAMES[type(self)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(Node):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class End(Node):
    status: Literal["success", "failed"] = "success"
    reason: Template | None = None
    outputs: Value | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Prompt:
    """Ask an agent. `agent` is a name, or a template checked when reached; `role`, `route` likewise."""

    prompt: Template
    agent: Value | None = None
    role: Value | None = None
    route: Value | None = None
    system: Template | None = None
    tools: tuple[str, ...] = ()
    session: str | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Run:
    """A child process: a shell text, or a list whose elements are one argument each."""

    shell: ShellText | None = None
    words: tuple[Value, ...] = ()
    ok_exit_codes: tuple[int, ...] | None = (0,)  # None: any
    parse: Literal["text", "lines", "json"] = "text"
    env: Value | None = None
    cwd: Template | None = None
    stdin: Template | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call:
    """A Python function `module:name`, imported from `home` (the directory of the file that names it) first."""

    target: str
    home: str
    arguments: Value | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tool:
    tool: Value
    arguments: Value | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Chain:
    chain: Value
    arguments: Value | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Wait:
    duration: Value


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SetOnly:
    pass


Work = Prompt | Run | Call | Tool | Chain | Wait | SetOnly


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Node):
    """Does one thing. `output` is a JSON Schema (an object schema) that the result must fit, or None."""

    work: Work
    output: Mapping[str, Any] | None = None
    retry: Retry = Retry()
    external: bool = False
    calls_out: bool = False  # a prompt, a tool or a chain, where tools may have effects outside
    consents: bool = False  # `retry` is written on the task itself: also work with effects outside is done again


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Case:
    text: str
    edge: Edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Node):
    """A condition node: by `next` alone, or by `switch` over `cases` with a `default`."""

    switch: Expression | None = None
    cases: tuple[Case, ...] = ()
    default: Edge | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Branch:
    to: str
    when: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel(Node):
    """Either `branches` or `for_each` + `body`. `wait_for` gives all, any or a number."""

    branches: tuple[Branch, ...] = ()
    for_each: Expression | None = None
    item: str = "item"
    body: str | None = None
    max_concurrency: Value | None = None
    wait_for: Value | None = None
    collect: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop(Node):
    body: str
    condition: Condition | None = None
    kind: Literal["while", "until", "for_each"] = "while"
    for_each: Expression | None = None
    item: str = "item"
    max_iterations: Value | None = None
    go_on: bool = False  # on_exhausted: continue


@dataclass(frozen=True, slots=True, kw_only=True)
class Subgraph(Node):
    """`uses` is the key of a graph in `Workflow.graphs`."""

    uses: str
    arguments: Value | None = None


InputKind = Literal["approval", "feedback", "choice", "rating", "review", "validation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanInput(Node):
    """Asks a person. The templates are rendered into a `Question` when the node is reached."""

    input: InputKind
    prompt: Template | None = None
    context: Value | None = None
    content: Value | None = None
    options: Value | None = None
    multiple: bool = False
    multiline: bool = False
    scale: tuple[int, int] = (1, 5)
    form: Value | None = None
    default: Value | None = None
    on_timeout: Literal["default", "fail"] = "fail"
    assignee: Template | None = None


TYPE_NAMES: dict[type[Node], str] = {
    Start: "start",
    End: "end",
    Task: "task",
    Choice: "condition",
    Parallel: "parallel",
    Loop: "loop",
    Subgraph: "subgraph",
    HumanInput: "human_input",
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StateKey:
    """A declared key: JSON Schema, first value, reducer."""

    name: str
    schema: Mapping[str, Any]
    default: Any = None
    reduce: Literal["replace", "append", "extend", "merge", "sum", "min", "max", "union"] = "replace"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AgentSpec:
    """An agent as written. `settings`: the whole mapping, templates not yet rendered; `home`: its file's directory."""

    name: str
    kind: Literal["model", "command", "call", "replies"]
    settings: Mapping[str, Any]
    home: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ToolSpec:
    name: str
    kind: Literal["builtin", "mcp", "call", "run", "uses"]
    settings: Mapping[str, Any]
    home: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Step:
    """A call of a tool in a chain, or of another chain. `name` is that of `as`; on_error: `continue` gives null and
    goes on."""

    callee: Value
    arguments: Value | None = None
    name: str | None = None
    when: Condition | None = None
    retry: Retry = Retry()
    goes_on: bool = False
    is_chain: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ChainSpec:
    """Tools in sequence. `inputs`: name → JSON Schema; the result is the last step's."""

    name: str
    steps: tuple[Step, ...]
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Region:
    """The nodes of one scope. `entry`: its first node; `owner`: the composite that opens it, None for the
    graph's own."""

    entry: str
    owner: str | None
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Graph:
    """One graph: the root, or a subgraph. `home`: the directory of its file; agents and tools are those it may name."""

    key: str
    home: str
    nodes: Mapping[str, Node]
    entry: str
    regions: Mapping[str, Region]  # by entry
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # name → JSON Schema
    state: Mapping[str, StateKey] = field(default_factory=dict)
    written: frozenset[str] = frozenset()  # keys that some `set` writes
    outputs: Value | None = None
    agents: Mapping[str, AgentSpec] = field(default_factory=dict)
    roles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tools: Mapping[str, ToolSpec] = field(default_factory=dict)
    chains: Mapping[str, ChainSpec] = field(default_factory=dict)
    default_agent: Value | None = None
    predefined: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # roles of magent's own, as of the start


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Limits:
    """Bounds of a run; `timeout` in seconds of running time, `usd` in dollars. None: no bound."""

    max_steps: int | None = 10000
    max_concurrency: int = 16
    timeout: float | None = None
    tokens: int | None = None
    usd: float | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Checkpoints:
    every: int = 500
    interval: float = 60.0
    keep: int = 5


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Workflow:
    """A whole workflow. `frozen` is the JSON it can be built from again without its files."""

    name: str
    file: str
    home: str
    root: str
    graphs: Mapping[str, Graph]
    frozen: Mapping[str, Any]
    description: str = ""
    limits: Limits = Limits()
    secrets: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    workspace: Mapping[str, Any] | None = None
    checkpoints: Checkpoints = Checkpoints()
    notify: Mapping[str, Any] | None = None

    @property
    def graph(self) -> Graph:
        return self.graphs[self.root]
