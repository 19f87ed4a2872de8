"""What is fed with hostile input. A target takes bytes, and raises what is not magent's own error."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import shlex
import shutil
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from magent import api, draw, events, loading
from magent.agents import calls, spoken
from magent.agents.base import find_json
from magent.agents.envelope import Envelope
from magent.agents.wire import WIRE, NoAnswer, Wire, _answered
from magent.answers import check_document, normalise
from magent.answers.flags import command, describe, from_flags
from magent.cli.console import Console, Globals
from magent.cli.inputs import gather
from magent.cli.main import main
from magent.durations import parse
from magent.errors import MagentError
from magent.events import WorkFailed
from magent.expressions import Condition, EvaluationError, Expression, ExpressionProblem, ShellText, Template, Value
from magent.forecast import forecast
from magent.ports import Message, Question, Record, Request, ToolOffer
from magent.spec.build import build
from magent.spec.catalogue import predefined_envelopes
from magent.spec.checks import check
from magent.spec.loader import load, load_yaml
from magent.spec.schema import Kind, check_schema, check_value, validate
from magent.stores import codec, ids, open_store
from magent.tools.calculator import calculate
from magent.tools.http_connect import read_url
from magent.tools.http_hosts import read_hosts
from magent.tools.json_query import query
from magent.tools.mcp_values import listed, value_of
from magent.tools.web_search import _results

ROOT = Path(__file__).parent.parent.parent
OWN = (MagentError, WorkFailed, ExpressionProblem, EvaluationError)
_CASES = ROOT / "tests" / "spec" / "cases"


@dataclass(frozen=True)
class Target:
    """`words` are what its language is made of. `files`: it works on files of the current directory."""

    feed: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    words: Sequence[bytes] = ()
    files: bool = False


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def parsed(data: bytes) -> Any:
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(data)
    return text_of(data)


# ---- files


def _yaml(data: bytes) -> None:
    """A workflow: read, checked, built, drawn, foretold."""
    with contextlib.suppress(*OWN):
        bundle = load("/nowhere/workflow.yaml", text=data)
        problems = [*bundle.problems, *check(bundle)]
        for problem in problems:
            assert problem.message
            assert problem.position.line >= 1
        if (
            any(problem.severity == "error" for problem in problems)
            or "nodes" not in bundle.documents[bundle.root].data
        ):
            return  # a library is sound, and is not built
        workflow = build(bundle)
        loading.workflow_of(_record(json.loads(json.dumps(workflow.frozen))))
        for line in draw.text(workflow, 80):
            draw.plain(line)
        draw.dot(workflow)
        draw.mermaid(workflow)
        json.dumps(draw.as_json(workflow))
        forecast(workflow, {name: field.get("default") for name, field in workflow.graph.inputs.items()})


def _record(frozen: Any) -> Any:
    return Record({}, frozen, None, [])


def _documents(data: bytes) -> None:
    """A settings file, answers, a library: YAML, held against their schemas."""
    kinds: tuple[Kind, ...] = ("settings", "answers", "library")
    for kind in kinds:
        found, _, _ = load_yaml(data, "x.yaml")
        if found is not None:
            validate(found, kind)


def _yaml_seeds() -> list[bytes]:
    files = [*sorted((ROOT / "workflows").glob("*.yaml")), *sorted(_CASES.glob("*/*.yaml"))]
    return [file.read_bytes() for file in files if file.stat().st_size < 20_000]


# ---- expressions

NAMES: dict[str, Any] = {
    "inputs": {"a": 1, "b": "text", "c": [1, 2, {"d": None}], "e": {"items": 1, "": 2}},
    "state": {"x": "line\nline", "y": [3, "a", None, 1.5], "z": {"k": {"k": {"k": []}}}},
    "output": "42",
    "item": "é\u202e\0",
    "run": {"id": "r", "dir": "/"},
}


def _evaluate(data: bytes) -> None:
    text = text_of(data)
    for make in (Expression, Condition):
        with contextlib.suppress(*OWN):
            json.dumps(make(text).evaluate(NAMES))


def _template(data: bytes) -> None:
    text = text_of(data)
    with contextlib.suppress(*OWN):
        Template(text).value(NAMES)
    with contextlib.suppress(*OWN):
        Value({"a": [text]}).evaluate(NAMES)


def _shell(data: bytes) -> None:
    with contextlib.suppress(*OWN):
        ShellText(text_of(data)).render(NAMES)


# ---- answers


KINDS = ("approval", "feedback", "choice", "rating", "review", "validation")
_FORM = {"name": {"type": "string", "pattern": "^[^!]"}, "age": {"type": "integer", "default": None}}


def _questions() -> list[Question]:
    made = [Question("ask", "each[0]/ask", 1, kind, content={"a": 1}) for kind in KINDS]
    choice = replace(made[2], options=({"value": "red", "label": "Red"}, {"value": 2, "label": "Two"}))
    return [
        *made,
        choice,
        replace(choice, multiple=True),
        replace(made[0], form=_FORM),
        replace(made[4], content="text"),
    ]


def _answers(data: bytes) -> None:
    value = parsed(data)
    found, _, _ = load_yaml(data, "answers.yaml")
    for question in _questions():
        for given in (value, found):
            with contextlib.suppress(*OWN):
                normalise(question, given)
    with contextlib.suppress(*OWN):
        check_document(found, _asking())
        validate(found, "answers")


@cache
def _asking() -> Any:
    text = (ROOT / "workflows" / "translate.yaml").read_bytes()
    return build(load(str(ROOT / "workflows" / "translate.yaml"), text=text))


def _answer_flags(data: bytes) -> None:
    """`name=value` a line."""
    flags: dict[str, Any] = {}
    for line in text_of(data).split("\n"):
        name, _, value = line.partition("=")
        flags[name] = True if name in ("approve", "reject", "valid", "invalid") else value
        if name in ("choose", "error"):
            flags[name] = [value]
    for question in _questions():
        with contextlib.suppress(*OWN):
            answer = from_flags(question, flags)
            normalise(question, answer)
        describe(question)
        command(question, "run-1")


# ---- records


@cache
def lived() -> dict[str, bytes]:
    """The files of a run with all that a record can hold, which was really run."""
    text = """
magent: 1
name: lived
inputs: {n: {type: integer, default: 3}}
state: {found: {type: array, default: [], reduce: extend}}
agents: {writer: {replies: [{call: calculator, with: {expression: "1 + 1"}}, "two", "three", "four"]}}
tools: {calculator: {builtin: calculator}}
chains: {sums: {steps: [{tool: calculator, with: {expression: "2 * 3"}, as: six}]}}
nodes:
  ask: {prompt: Well?, agent: writer, tools: [calculator], next: each}
  each: {type: parallel, for_each: "range(inputs.n) | list", body: add, next: rounds, on_branch_error: collect}
  add: {set: {found: "{{ [item] }}"}, next: odd}
  odd: {type: condition, next: [{to: even, when: item == 1}, {to: other}]}
  even: {wait: 0}
  other: {tool: calculator, with: {expression: "1 / {{ item }}"}}
  rounds: {type: loop, while: round.index < 2, max_iterations: 4, body: step, next: fan}
  step: {chain: sums}
  fan: {type: parallel, branches: [left, right], next: inner}
  left: {set: {l: 1}}
  right: {when: inputs.n > 5, set: {r: 2}, next: gone}
  gone: {wait: 0}
  inner: {type: subgraph, uses: small, with: {}, next: sign}
  sign: {type: human_input, input: choice, options: [red, blue], prompt: "Well?", next: done}
  done: {set: {z: 1}}
subgraphs: {small: {nodes: {one: {set: {q: 1}}}, outputs: {q: "{{ state.q }}"}}}
"""
    place = Path("lived")
    place.mkdir(exist_ok=True)
    (place / "w.yaml").write_text(text, "utf-8")
    result = api.run(str(place / "w.yaml"), store=f"file:{place}/.magent", run_id="r1", interactive=False)
    assert result.status == "waiting", result.error
    home = place / ".magent" / "runs" / "r1"
    kept = {file.relative_to(home).as_posix(): file.read_bytes() for file in home.rglob("*") if file.is_file()}
    shutil.rmtree(place)
    return {name: data for name, data in kept.items() if "lock" not in name}


def unsummed(record: bytes) -> bytes:
    """A journal without its sums: JSON, a line an event."""
    return b"\n".join(line.rpartition(b',"sum":')[0] + b"}" for line in record.splitlines())


def summed(lines: bytes) -> bytes:
    """The inverse, for whatever the lines hold."""
    out = []
    for line in lines.split(b"\n"):
        body = line.rstrip()[:-1]
        out.append(b'%b,"sum":"%08x"}\n' % (body, zlib.crc32(body)))
    return b"".join(out)


LOOKS = (
    "runs list", "runs show r1", "runs show r1 --output json", "runs history r1", "explain r1", "diff r1 r1",
    "graph r1 --text", "graph r1 --json", "checkpoints list r1", "checkpoints show r1 5", "respond r1",
    "respond --list", "resume r1 --plan", "resume r1 --from each --plan", "trace r1", "trace r1 --output json", "stats",
    "report r1 -o report.html", "runs clean --older-than 1d --dry-run", "complete-words respond r1 ''",
)  # fmt: skip


def looked_at(changed: dict[str, bytes]) -> None:
    """Some of what only looks, at a run of which some files were changed: it ends as it should, and changes nothing."""
    home = Path("store/.magent/runs/r1")
    if not home.exists():
        for name, data in lived().items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_bytes(data)
        (home / "workspace").mkdir()
    for name, data in changed.items():
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_bytes(data)
    try:
        first = zlib.crc32(b"".join(changed.values()))
        for line in (LOOKS[first % len(LOOKS)], LOOKS[first // 97 % len(LOOKS)]):
            said(f"{line} --store file:store/.magent" if not line.startswith("complete") else line)
    finally:
        for name in changed:
            if name in lived():
                (home / name).write_bytes(lived()[name])
            else:
                (home / name).unlink()


def said(line: str) -> int:
    """A command line, which ends as it should: its exit code."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*shlex.split(line), *(["--verbose"] if not line.startswith("complete") else [])])
    if "internal error" in err.getvalue():
        places = re.findall(r'/magent/(.+)", line (\d+)', err.getvalue())
        raise AssertionError(f"{places[-1] if places else '?'}: {line}: {err.getvalue()[-3000:]}")
    assert code in (0, 1, 2, 3, 4, 5, 130), f"{line}: {code}"
    return code


def _journal_bytes(data: bytes) -> None:
    looked_at({"journal.jsonl": data})


def _journal(data: bytes) -> None:
    looked_at({"journal.jsonl": summed(data)})


def _checkpoint(data: bytes) -> None:
    names = [name for name in lived() if name.startswith("checkpoints/")]
    body = data.rstrip()[:-1]
    looked_at(dict.fromkeys(names, b'%b,"sum":"%08x"}\n' % (body, zlib.crc32(body))))


def _header(data: bytes) -> None:
    looked_at({"run.json": data})


def _frozen(data: bytes) -> None:
    looked_at({"workflow.json": data})


def _checkpoint_seeds() -> list[bytes]:
    found = [data for name, data in lived().items() if name.startswith("checkpoints/")]
    return [data.rpartition(b',"sum":')[0] + b"}" for data in found] or [b"{}"]


# ---- names


def _names(data: bytes) -> None:
    """An id where one is wanted: of a new run, of one there is; in the three stores that need no server."""
    name = text_of(data)
    with contextlib.suppress(*OWN):
        ids.check_new(name)
        assert os.path.basename(name) == name
        assert name not in ("", ".", "..")
    asyncio.run(_sought(name))


async def _sought(name: str) -> None:
    for url in ("file:names/.magent", "sqlite:///names/runs.db", "memory:"):
        store = open_store(url)
        for ask in (store.resolve, store.read, store.info, store.result, store.checkpoints, store.open, store.remove):
            with contextlib.suppress(*OWN):
                await ask(name)
                raise AssertionError(f"{ask} found {name!r}")
        with contextlib.suppress(*OWN):
            await store.leave(name, "cancel", {"by": name})


def _words(data: bytes) -> None:
    """A command line of a verb that runs nothing."""
    try:
        words = shlex.split(text_of(data).replace("\0", " "))[:12]
    except ValueError:
        return
    if (
        words[:1]
        and words[0] in SAFE
        and not {"-o", "--call", "--store", "--to", "--check"} & {w.partition("=")[0] for w in words}
    ):
        said(shlex.join(words))


SAFE = ("validate", "graph", "runs", "checkpoints", "respond", "roles", "help", "schema", "complete-words", "resume")


# ---- inputs


SCHEMAS: dict[str, dict[str, Any]] = {
    "text": {"type": "string", "default": "", "pattern": "^[a-z]*$"},
    "n": {"type": "integer", "minimum": 1, "default": 1},
    "list": {"type": "array", "items": {"type": ["number", "null"]}, "default": []},
    "any": {"default": None},
    "map": {"type": "object", "properties": {"a": {"enum": [1, "b"]}}, "additionalProperties": False, "default": {}},
}


def _inputs(data: bytes) -> None:
    """`-i` words, a line each."""
    console = Console(Globals(), io.StringIO(), io.StringIO())
    words = [word for word in text_of(data).split("\n") if not word.partition("=")[2].startswith(("@", "-"))]
    with contextlib.suppress(*OWN):
        json.dumps(gather(SCHEMAS, words, None, console))


def _inputs_file(data: bytes) -> None:
    console = Console(Globals(), io.StringIO(), io.StringIO())
    for name in ("inputs.json", "inputs.yaml"):
        Path(name).write_bytes(data)
        with contextlib.suppress(*OWN):
            json.dumps(gather(SCHEMAS, [], name, console))


def _schema(data: bytes) -> None:
    """A schema and a value that it is to hold: `{schema, value}`."""
    found = parsed(data)
    schema, value = (found.get("schema"), found.get("value")) if isinstance(found, dict) else (found, found)
    if isinstance(schema, (dict, bool)) and not check_schema(schema):
        check_value(schema, value)


# ---- what agents and tools say


REQUEST = Request("Well?", (Message("user", "Well?"),), tools=(ToolOffer("files_read", "", {"type": "object"}),))


def _envelope(data: bytes) -> None:
    printed = data.decode("utf-8", "replace")
    for name, described in predefined_envelopes().items():
        envelope = Envelope(name, described)
        envelope.open(printed)
        if take := envelope.stream(lambda _: None):
            take(printed[: len(printed) // 2])
            take(printed[len(printed) // 2 :])
    find_json(printed)
    with contextlib.suppress(*OWN):
        spoken.calls_in(printed, REQUEST)
    show = spoken.held(lambda _: None)
    show(printed)
    with contextlib.suppress(ValueError):
        found = parsed(data)
        calls.written_calls(found if isinstance(found, dict) else {"calls": found})
        calls.arguments_of(printed)


def _mcp(data: bytes) -> None:
    """What a server lists, and what its tools give."""
    from mcp_types import CallToolResult, Tool
    from pydantic import ValidationError

    found = parsed(data)
    with contextlib.suppress(*OWN, ValidationError):
        tool = listed("the server", Tool.model_validate(found))
        if not tool.fault:
            check_value(tool.parameters, {"a": found})
    with contextlib.suppress(*OWN, ValidationError):
        value_of("docs.x", CallToolResult.model_validate(found), {"type": "object", "properties": {"result": {}}})


class _Answer:
    """An answer of a model's server, as httpx has it."""

    def __init__(self, data: bytes) -> None:
        self.text = data.decode("utf-8", "replace")
        self.headers = {"content-type": "application/json"}
        self.status_code = 200

    async def aread(self) -> bytes:
        return b""


def _wire(data: bytes) -> None:
    WIRE.set(Wire())
    with contextlib.suppress(NoAnswer):
        asyncio.run(_answered(_Answer(data)))


def _jmespath(data: bytes) -> None:
    with contextlib.suppress(*OWN):
        json.dumps(query(text_of(data), {"a": [{"b": 1}, {"b": "x"}, None], "c": {"d": [[1, 2], [3]]}, "e": "text"}))


def _calculator(data: bytes) -> None:
    with contextlib.suppress(*OWN):
        json.dumps(calculate(text_of(data)), allow_nan=False)


def _small(data: bytes) -> None:
    """Durations, addresses, hosts, results of a search."""
    text = text_of(data)
    with contextlib.suppress(ValueError):
        parse(text)
    with contextlib.suppress(*OWN):
        read_url(text)
    with contextlib.suppress(*OWN):
        read_hosts([text])
    found = parsed(data)
    list(_results(found if isinstance(found, list) else [found]))


def _event(data: bytes) -> None:
    with contextlib.suppress(events.BadLine):
        events.decode(data)
    kinds: tuple[codec.Kind, ...] = ("header", "workflow", "checkpoint", "result", "note")
    for kind in kinds:
        with contextlib.suppress(ValueError):
            codec.plain("r").decode(kind, data)


# ---- all of them

_SEEDS = Path(__file__).parent / "seeds"


def seeds_of(name: str) -> list[bytes]:
    """Those of a file, between lines of `%%`."""
    return _SEEDS.joinpath(f"{name}.txt").read_bytes().removesuffix(b"\n").split(b"\n%%\n")


def vocabulary(*names: str) -> list[bytes]:
    """One a line, with Python's escapes."""
    lines = [line for name in names for line in _SEEDS.joinpath(f"{name}.words").read_text("ascii").splitlines()]
    return [line.encode().decode("unicode_escape").encode("utf-8", "surrogatepass") for line in lines]


def target(feed: Callable[[bytes], None], name: str, *words: str, files: bool = False) -> Target:
    return Target(feed, lambda: seeds_of(name), vocabulary(*words), files)


def _kept(name: str) -> Callable[[], list[bytes]]:
    return lambda: [lived()[name]]


def _template_seeds() -> list[bytes]:
    return [*seeds_of("templates"), *(b"a {{ %b }}" % each for each in seeds_of("expressions"))]


def _envelope_seeds() -> list[bytes]:
    printed = sorted((ROOT / "tests" / "adapters" / "envelopes").iterdir())
    return [*(file.read_bytes() for file in printed), *seeds_of("envelopes")]


JSON = vocabulary("json")

TARGETS: dict[str, Target] = {
    "yaml": Target(_yaml, _yaml_seeds, vocabulary("yaml")),
    "documents": target(_documents, "documents", "yaml"),
    "expressions": target(_evaluate, "expressions", "jinja"),
    "templates": Target(_template, _template_seeds, vocabulary("jinja")),
    "shell": target(_shell, "shell", "shell", "jinja"),
    "answers": target(_answers, "answers", "json"),
    "flags": target(_answer_flags, "flags", "json"),
    "journal": Target(_journal, lambda: [unsummed(lived()["journal.jsonl"])], JSON, files=True),
    "journal-bytes": Target(_journal_bytes, _kept("journal.jsonl"), JSON, files=True),
    "checkpoints": Target(_checkpoint, _checkpoint_seeds, JSON, files=True),
    "header": Target(_header, _kept("run.json"), JSON, files=True),
    "frozen": Target(_frozen, _kept("workflow.json"), JSON, files=True),
    "events": target(_event, "events", "json"),
    "names": target(_names, "names", "names", files=True),
    "words": target(_words, "words", "words", files=True),
    "inputs": target(_inputs, "inputs", "json"),
    "inputs-file": target(_inputs_file, "inputs-file", "json", "yaml", files=True),
    "schemas": target(_schema, "schemas", "json", "schemas"),
    "envelopes": Target(_envelope, _envelope_seeds, JSON),
    "mcp": target(_mcp, "mcp", "json"),
    "wire": target(_wire, "wire", "json"),
    "jmespath": target(_jmespath, "jmespath", "jmespath"),
    "calculator": target(_calculator, "calculator", "calculator"),
    "small": target(_small, "small", "small"),
}
