"""The Protocols that adapters fill, all in one place. The docstrings are the contracts.

Failures of work are raised as `events.WorkFailed`; anything else that an adapter raises is a bug, shown as such.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from magent.errors import StoreError
from magent.events import Event
from magent.spans.ids import Trace
from magent.spans.span import Span


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call used: tokens, and dollars where the price is known (None: unknown, never free). `estimated`: nobody
    counted the tokens, so they were reckoned from the text."""

    input: int = 0
    output: int = 0
    cost: float | None = None
    requests: int = 0
    estimated: bool = False


@dataclass(slots=True)
class Meter:
    """What a call has used so far, for when it fails or is cancelled. An agent that knows puts `read` in; None: nothing
    that is known of."""

    read: Callable[[], Usage | None] = lambda: None


@dataclass(frozen=True, slots=True)
class ToolOffer:
    """A tool that an agent may call, in OpenAI's form: `name` is of `[A-Za-z0-9_-]{1,64}`, `parameters` a JSON Schema
    of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What an agent wants called. `arguments` are JSON, or the text that it wrote where that is none."""

    id: str
    name: str
    arguments: Any


@dataclass(frozen=True, slots=True)
class Message:
    """A piece of a conversation. An assistant's may hold `calls`, and `opaque`, the `Reply.opaque` that it was made of;
    one of role `tool` is the result of the call `call_id` of the tool `name`."""

    role: Literal["user", "assistant", "tool"]
    text: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    name: str = ""
    opaque: Any = None


@dataclass(frozen=True, slots=True)
class Request:
    """One question to an agent.

    `messages` ends with the user's latest, or with results of tools; what stands before it is earlier talk (of the
    session, of this attempt). `prompt` is the task's own prompt. `tools` are what the agent may call. `schema` asks
    for JSON that fits it; the caller validates. `max_tokens` bounds the answer where set. `path` and `key` name the
    visit (`key` is stable over attempts). `meter` is read where no reply comes.
    """

    prompt: str
    messages: tuple[Message, ...]
    system: str | None = None
    schema: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    timeout: float | None = None
    path: str = ""
    key: str = ""
    cwd: str = "."
    context: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[ToolOffer, ...] = ()
    meter: Meter = field(default_factory=Meter, compare=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `text`, and with a schema `data` where the agent could parse it (else the caller parses `text`).
    Where there are `calls`, it is no answer yet: the agent wants their results first. `cut`: it ended at
    `max_tokens`."""

    text: str
    data: Any = None
    has_data: bool = False
    usage: Usage = Usage()
    model: str = ""
    mark: Any = None  # JSON that `recall` takes on resume, for agents with a memory of what they gave
    calls: tuple[ToolCall, ...] = ()
    opaque: Any = None  # JSON that the agent wants back in the `Message` made of this reply, such as signed thoughts
    cut: bool = False


class Agent(Protocol):
    async def ask(self, request: Request, on_text: Callable[[str], None]) -> Reply:
        """Answers; hands text on as it arrives. Raises WorkFailed: `agent`, `rate_limit` (with retry_after),
        `timeout`."""
        ...

    async def close(self) -> None:
        """Idempotent; frees servers, connections, children."""
        ...


@runtime_checkable
class Prepares(Protocol):
    """An agent that must fetch or load something before its first answer."""

    async def prepare(self) -> None:
        """Idempotent; raises WorkFailed as `ask` does."""
        ...


@runtime_checkable
class Paced(Protocol):
    """An agent that is not asked by too many at once, or too often. Whoever asks it takes a turn first, and asks whom
    the turn gives."""

    @property
    def span(self) -> float | None:
        """For how many seconds a turn that was taken counts; None: once it is over, no more."""
        ...

    @property
    def busy(self) -> bool:
        """Whether who takes a turn now has to wait for it."""
        ...

    def turn(self) -> AbstractAsyncContextManager[Agent]:
        """Waits until the agent may be asked."""
        ...

    def recall_turns(self, ages: Sequence[float]) -> None:
        """On resume: so many seconds ago turns were taken in earlier lives, the earliest first."""
        ...


@runtime_checkable
class Reachable(Protocol):
    """An agent that can say, without being asked anything, whether it could be."""

    async def reach(self, online: bool) -> str:
        """In a few words how it is reached. Sends nothing unless `online`, and never what costs money. Raises
        WorkFailed that says what is missing."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """An agent whose answers depend on those it gave before (scripted replies)."""

    def recall(self, mark: Any) -> None:
        """On resume: an answer with this `Reply.mark` was recorded in an earlier life."""
        ...


@dataclass(frozen=True, slots=True)
class ToolContext:
    """Who calls a tool, and what the call may touch.

    `path` and `key` name the visit (`key` is stable over attempts); `cwd` is where the run was first started;
    `workspace` is the directory that files may be read in, and written in where `write` says so. `on_text` gets what
    the tool prints while it works.
    """

    path: str
    key: str
    cwd: str
    workspace: Path
    write: bool = False
    on_text: Callable[[str], None] = lambda _text: None


class Tool(Protocol):
    """What a task or an agent can use. `parameters` is the JSON Schema of an object; `external`: a call must not be
    made twice for the same purpose; `confirm`: a person is asked before each call that an agent makes.

    One of your own is handed over (`workflow.run(tools={"dice": …})`) or named in the workflow, `{uses: dice}` by an
    entry point of the group `magent.tools`, `{uses: "mypkg.tools:Dice"}` by its path: a class, made with the `settings`
    that stand there as its arguments, or a function that gives a tool, or a mapping of several. It may leave out
    `name` (the workflow gives it one), `description`, `external` and `confirm`, and have a `close` that ends it.
    """

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def parameters(self) -> Mapping[str, Any]: ...

    @property
    def external(self) -> bool: ...

    @property
    def confirm(self) -> bool: ...

    async def call(self, arguments: Mapping[str, Any], context: ToolContext, /) -> Any:
        """A JSON value. `arguments` were validated. Raises WorkFailed of type `tool`."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked: the `human_input` node rendered. `schema` is the JSON Schema of a whole answer
    (see `answers`)."""

    node: str
    path: str
    visit: int
    input: str
    prompt: str = ""
    context: Any = None
    content: Any = None
    options: tuple[Mapping[str, Any], ...] = ()  # {value, label}
    multiple: bool = False
    multiline: bool = False
    scale: tuple[int, int] = (1, 5)
    form: Mapping[str, Any] = field(default_factory=dict)
    default: Any = None
    has_default: bool = False
    assignee: str | None = None
    deadline: float | None = None
    ordinal: int = 0  # how many visits of this node, by name, the run had before, everywhere
    address_ordinal: int = 0  # the same for this address

    def as_json(self) -> dict[str, Any]:
        from dataclasses import asdict

        data = asdict(self)
        data["options"] = [dict(option) for option in self.options]
        data["scale"] = list(self.scale)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Question:
        return cls(**{**data, "options": tuple(data["options"]), "scale": (data["scale"][0], data["scale"][1])})


class CannotAsk(Exception):
    """Raised by a `Human` that should have asked somebody and could not: it says why. The question stays open."""


class Human(Protocol):
    """Asks people. One of your own is handed over (`workflow.run(human=…)`, a function of the question will do) or
    named in `MAGENT_HUMAN`: by an entry point of the group `magent.humans`, or as `module:name`; a settings file's
    `human` takes the former alone. It may be sync as well."""

    async def ask(self, question: Question) -> Mapping[str, Any] | None:
        """A whole, validated answer (with `via`, `by`, `at`), or None: nobody here answers now. Cancelled when too
        late, or answered from elsewhere: then the message of the CancelledError says by whom. Raises CannotAsk: it
        is told, and the run waits."""
        ...


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as a listing shows it. `status` is as recorded, but `interrupted` where it says running and nobody
    holds it."""

    id: str
    workflow: str
    status: str
    created: float
    updated: float
    file: str = ""
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """A fold that is kept: of events 1 to `seq`, the last of which happened at `time`; `size` in bytes. An unsound
    one is passed over when the run is read."""

    seq: int
    time: float
    size: int
    sound: bool


CANCEL = "cancel"
"""The name of the note that asks for the end of a run."""


class Journal(Protocol):
    """The record of one run, held by this process alone until `close`."""

    run_id: str
    directory: Path  # of the record, or of what stands for it: `run.dir`
    workspace: Path
    lasting: bool  # whether it outlives the process; else checkpoints are of no use

    async def append(self, events: Sequence[Event], *, sync: bool) -> None:
        """Writes the events in order; with `sync` they are on the disk when this returns. Raises StoreError."""
        ...

    async def checkpoint(self, seq: int, fold: Mapping[str, Any], *, keep: int = 5) -> None:
        """Keeps a fold of events 1..seq; drops the oldest beyond the newest `keep`."""
        ...

    async def finish(self, result: Mapping[str, Any]) -> None:
        """Writes the result of this life (replaces an earlier one)."""
        ...

    def notes(self) -> Mapping[str, Mapping[str, Any]]:
        """What `RunStore.leave` left for whoever holds the run, by name; one that cannot be read is empty. Cheap enough
        to be asked every second. Raises StoreError where the run is another's by now."""
        ...

    async def close(self) -> None:
        """Syncs and lets the run go. Idempotent."""
        ...


@runtime_checkable
class Examined(Protocol):
    """A store that can say how it is."""

    async def examine(self) -> str:
        """In a few words, having looked whether runs can be kept there; leaves nothing behind. Raises StoreError,
        UsageError."""
        ...


@runtime_checkable
class Hears(Protocol):
    """A journal that may be told at once when somebody leaves something for whoever holds the run."""

    def on_notice(self, heard: Callable[[], None]) -> None:
        """`heard` is called then, in any thread, until `close`: it is time to look. Looking each second stays needed:
        not every store can tell, and a connection can be lost."""
        ...


class Unsealed(dict[str, Any]):
    """A header in the clear though a key is given: anybody may have written it."""


@dataclass(frozen=True, slots=True)
class Record:
    """A run as read: header (`run.json`), the frozen workflow, newest sound checkpoint (seq, fold) or None,
    events after it. The header is the very one that the codec gave, which says whether the run is sealed."""

    header: Mapping[str, Any]
    workflow: Mapping[str, Any]
    checkpoint: tuple[int, Mapping[str, Any]] | None
    events: Sequence[Event]

    @property
    def unsealed(self) -> bool:
        """Whether it is in the clear though a key is given, so that anybody may have written it."""
        return isinstance(self.header, Unsealed)


class RunStore(Protocol):
    url: str

    async def create(self, run_id: str, header: Mapping[str, Any], workflow: Mapping[str, Any]) -> Journal:
        """A new run, held by this process. Raises UsageError where the id exists or cannot be a name,
        StoreError else."""
        ...

    async def open(self, run_id: str) -> tuple[Journal, Record]:
        """Holds an existing run and reads it. A half-written last line is dropped. Raises UsageError (unknown
        id), RunLocked, RunDamaged."""
        ...

    async def read(self, run_id: str, *, checkpoint: bool = True) -> Record:
        """Reads without holding; `checkpoint=False` gives all events from the first. Raises as `open`, but
        never RunLocked."""
        ...

    async def events(
        self, run_ids: Sequence[str], types: Collection[str], having: str
    ) -> Mapping[str, Sequence[Event] | StoreError]:
        """The events of these types of several runs at once, for readers of many: no more is read of a record than that
        takes. A run is left out where it is not there, or no event of them has the member `having`; one that cannot be
        read has its error."""
        ...

    async def list(self) -> Iterable[RunInfo]:
        """Every run, newest first; a damaged one has status `damaged`, one under a key that is not given `sealed`."""
        ...

    async def info(self, run_id: str) -> RunInfo:
        """One run, as `list` shows it, without looking at the others. Raises UsageError (unknown id)."""
        ...

    async def resolve(self, text: str) -> str:
        """The id that `text` means: `latest`, an id, a unique prefix or suffix. Raises UsageError with the
        nearest or the candidates."""
        ...

    async def result(self, run_id: str) -> Mapping[str, Any] | None: ...

    async def workspace(self, run_id: str) -> Path:
        """Where the run's files are, whoever holds it: `Journal.workspace`. Raises UsageError (unknown id)."""
        ...

    async def leave(self, run_id: str, name: str, note: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Leaves a note for whoever holds the run, now or next; kept until it is taken away, whatever becomes of the
        holder. The name is of `[a-z0-9-]`: `cancel` asks for the end of the run (`by`, `at`, `reason`), one that begins
        with `answer-` answers a question. Of several under one name the first stays: that one is returned, and None
        where this one is it. Raises UsageError (unknown id), StoreError."""
        ...

    async def take_away(self, run_id: str, name: str) -> None:
        """The note is gone, if it was there. Raises UsageError (unknown id), StoreError."""
        ...

    async def notes(self, run_id: str) -> Mapping[str, Mapping[str, Any]]:
        """What was left and not yet taken away: `Journal.notes`, for everybody. Raises UsageError (unknown id)."""
        ...

    async def checkpoints(self, run_id: str) -> Sequence[CheckpointInfo]:
        """Those that are kept, the oldest first. Raises UsageError (unknown id)."""
        ...

    async def checkpoint(self, run_id: str, seq: int) -> Mapping[str, Any] | None:
        """The fold of events 1..seq; None where no sound one is kept. Raises UsageError (unknown id)."""
        ...

    async def forget(self, run_id: str, seqs: Sequence[int]) -> None:
        """Drops the checkpoints of these numbers, whoever holds the run: nothing but time is lost. Raises UsageError
        (unknown id), StoreError."""
        ...

    async def remove(self, run_id: str, *, updated: float | None = None) -> bool:
        """The run is gone, with all that was kept of it: at once, for whoever looks. Where `updated` is given, only if
        that is still the time of its last event (`RunInfo.updated`); False where it is not. Raises UsageError (unknown
        id), RunLocked, StoreError."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is kept of a run: `checkpoints` by number, `notes` by name. The files of its workspace stand beside."""

    header: Mapping[str, Any]
    workflow: Mapping[str, Any]
    events: Sequence[Event]
    checkpoints: Mapping[int, Mapping[str, Any]]
    result: Mapping[str, Any] | None
    notes: Mapping[str, Mapping[str, Any]]


@runtime_checkable
class Puts(Protocol):
    """A store that can take over a run in one piece. To others it is written bit by bit."""

    async def put(self, run_id: str, kept: Kept, fill: Callable[[Path, Path], None]) -> None:
        """The run is there, all of it or nothing, and nobody holds it. `fill` is called, in any thread and before
        anybody can see the run, with a directory to put the files of its workspace in, and where that will be when the
        run is there. Raises UsageError where the id exists, StoreError."""
        ...


@runtime_checkable
class Tended(Protocol):
    """A store that can be kept in order without looking at every run."""

    async def size(self, run_id: str) -> int:
        """The bytes that the run takes, the files of its workspace included. Raises UsageError (unknown id)."""
        ...

    async def older(self, before: float, keep: int) -> Sequence[str]:
        """The ids of all runs but the newest `keep` that may have been begun before that moment; costs little, be there
        10,000."""
        ...


@dataclass(frozen=True, slots=True)
class ProcessResult:
    exit_code: int
    stdout: str
    stderr: str


class Executor(Protocol):
    """Runs child processes."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        stdin: str | None,
        on_output: Callable[[str, str], None],
    ) -> ProcessResult:
        """Runs to the end; `on_output(stream, text)` gets what is printed, without secrets, which the result still has.
        Cancelled: the whole process group is ended, politely, then hard, within 2 seconds. Raises WorkFailed (`exit`)
        where the program cannot be started."""
        ...


class Sink(Protocol):
    """Sees every event after it was recorded, and text chunks. Must not block and must not raise."""

    def __call__(self, event: Event, /) -> None: ...


class Exporter(Protocol):
    """Gets what runs did, as spans. It has a thread of its own, may block and may raise: no run waits for it, none is
    harmed, and a line at the end says what was not sent.

    One of your own is handed over (`workflow.run(exporters=[Mine()])`), or named in MAGENT_EXPORTERS, by an entry point
    of the group `magent.exporters`: a class that is made without arguments, or a function that gives one.
    """

    def export(self, trace: Trace, spans: Sequence[Span], /) -> None:
        """Spans of one run, in the order in which they ended; `Span.content` is what was said and given. Each comes
        once, as a rule: one that comes again has the same id."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


EventStream = AsyncIterator[Event]
