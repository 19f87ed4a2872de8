"""Agent CLIs: their envelopes are opened, their output is bounded, their children ended. Programs here are scripts that
print what the real ones print (`envelopes/`)."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from magent.agents import make
from magent.agents.base import Unusable
from magent.events import Failure, WorkFailed
from magent.ports import Agent, Meter, Reply, Usage
from magent.spec.catalogue import predefined_envelopes
from tests.adapters.fake_provider import environment, request, spec_of

SAMPLES = Path(__file__).parent / "envelopes"
SAID = "Tides follow the moon."
SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}
PRINTS = [
    (["claude", "-p", "--output-format", "json", "{{ prompt }}"], "claude.json", (10204, 27, 0.0123)),
    (["claude", "-p", "--output-format=json", "--verbose"], "claude_verbose.json", (10204, 27, 0.0123)),
    (["claude", "-p", "--verbose", "--output-format", "stream-json"], "claude_stream.jsonl", (10204, 27, 0.0123)),
    (["codex", "exec", "--sandbox", "read-only", "--json", "{{ prompt }}"], "codex.jsonl", (24763, 122, None)),
    (["gemini", "-p", "{{ prompt }}", "-o", "json"], "gemini.json", (9000, 176, None)),
]


class Programs:
    """A directory of programs that print a sample and end with a code."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def add(self, name: str, sample: str, *, code: int = 0, stream: str = "stdout") -> None:
        self.write(name, f"import sys\nsys.{stream}.write(open({str(SAMPLES / sample)!r}).read())\nsys.exit({code})\n")

    def write(self, name: str, script: str) -> None:
        file = self.directory / name
        file.write_text(f"#!{sys.executable}\n{script}")
        file.chmod(0o755)

    def agent(self, command: list[str], **settings: Any) -> Agent:
        path = str(self.directory / command[0])
        spec = spec_of("command", command=[path, *command[1:]], **settings)
        return make(*spec, environment(child_environ={"PATH": os.environ["PATH"]}))


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


async def ask(made: Agent, prompt: str = "Why tides?", **more: Any) -> Reply:
    return await made.ask(request(prompt, **more), lambda _: None)


async def refused(made: Agent, **more: Any) -> Failure:
    with pytest.raises(WorkFailed) as caught:
        await ask(made, **more)
    return caught.value.failure


# ---- what is in an envelope


@pytest.mark.parametrize(("command", "sample", "spent"), PRINTS)
async def test_a_command_that_is_recognised_is_unwrapped(
    programs: Programs, command: list[str], sample: str, spent: tuple[int, int, float | None]
) -> None:
    programs.add(command[0], sample)
    reply = await ask(programs.agent(command))
    assert reply.text == SAID
    assert (reply.usage.input, reply.usage.output, reply.usage.cost) == spent
    assert reply.usage.requests == 1


@pytest.mark.parametrize(("command", "sample", "spent"), PRINTS)
async def test_an_envelope_can_be_named_under_whatever_command(
    programs: Programs, command: list[str], sample: str, spent: Any
) -> None:
    programs.add("wrapper", sample)
    name = command[0] if not sample.startswith("claude_stream") else "claude_stream"
    assert (await ask(programs.agent(["wrapper"], envelope=name))).text == SAID


async def test_the_model_is_told(programs: Programs) -> None:
    programs.add("gemini", "gemini.json")
    assert (await ask(programs.agent(["gemini", "-o", "json"]))).model == "gemini-2.5-flash-lite+gemini-2.5-pro"


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        (["claude", "-p", "{{ prompt }}"], {}),
        (["claude", "-p", "--output-format", "text"], {}),
        (["claude", "-p", "--output-format", "json"], {"envelope": "none"}),
        (["claude", "-p", "--output-format", "json"], {"parse": "text"}),
        (["other", "-p", "--output-format", "json"], {}),
        (["claude", "say {{ prompt }} --output-format json"], {}),
    ],
)
async def test_what_is_not_recognised_or_not_wanted_stays_as_it_is(
    programs: Programs, command: list[str], settings: dict[str, Any]
) -> None:
    programs.add(command[0], "claude.json")
    assert (await ask(programs.agent(command, **settings))).text.startswith('{"type": "result"')


async def test_an_envelope_of_ones_own(programs: Programs) -> None:
    programs.write("mine", 'print(\'{"a": {"said": "hey"}, "t": {"in": 3, "out": [1, 2]}, "usd": 0.5}\')')
    described = {
        "format": "json",
        "text": "answer.a.said | upper",
        "usage": {"input": "answer.t.in", "output": ["answer.t.out | sum", "answer.t.nothing"]},
        "cost": "answer.usd",
    }
    reply = await ask(programs.agent(["mine"], envelope=described))
    assert (reply.text, reply.usage.input, reply.usage.output, reply.usage.cost) == ("HEY", 3, 3, 0.5)


async def test_a_price_counts_where_the_envelope_tells_tokens_alone(programs: Programs) -> None:
    programs.add("codex", "codex.jsonl")
    made = programs.agent(["codex", "exec", "--json"], price={"input": 1, "output": 10})
    assert (await ask(made)).usage.cost == pytest.approx((24763 + 1220) / 1e6)


async def test_structured_output_is_found_in_the_text_or_beside_it(programs: Programs) -> None:
    programs.write("claude", 'print(\'{"type": "result", "result": "Sure: {\\\\"score\\\\": 7}"}\')')
    reply = await ask(programs.agent(["claude", "--output-format", "json"]), schema=SCHEMA)
    assert (reply.data, reply.has_data) == ({"score": 7}, True)
    programs.write("claude", 'print(\'{"type": "result", "result": "", "structured_output": {"score": 8}}\')')
    assert (await ask(programs.agent(["claude", "--output-format", "json"]), schema=SCHEMA)).data == {"score": 8}


async def test_parse_is_of_what_is_in_the_envelope(programs: Programs) -> None:
    programs.write("claude", 'print(\'{"type": "result", "result": "a\\\\nb"}\')')
    reply = await ask(programs.agent(["claude"], envelope="claude", parse="lines"))
    assert (reply.data, reply.has_data) == (["a", "b"], True)


@pytest.mark.parametrize(
    ("command", "sample", "shown"),
    [
        (["claude", "-p", "--output-format", "stream-json"], "claude_stream.jsonl", f"I look it up.\n{SAID}\n"),
        (["codex", "exec", "--json"], "codex.jsonl", f"I have read it.\n{SAID}\n"),
        (["claude", "-p", "--output-format", "json"], "claude.json", ""),
    ],
)
async def test_text_streams_while_lines_come(programs: Programs, command: list[str], sample: str, shown: str) -> None:
    programs.add(command[0], sample)
    pieces: list[str] = []
    await programs.agent(command).ask(request("x"), pieces.append)
    assert "".join(pieces) == shown


# ---- what goes wrong


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize(
    ("command", "sample", "said", "final"),
    [
        (
            ["claude", "-p", "--output-format", "json"],
            "claude_turns.json",
            "Reached maximum number of turns (1)",
            False,
        ),
        (["claude", "-p", "--output-format", "json"], "claude_refused.json", "Invalid API key", True),
        (["codex", "exec", "--json"], "codex_failed.jsonl", "The model is not supported with this account.", False),
        (["gemini", "-p", "-o", "json"], "gemini_failed.json", "API key not valid.", False),
    ],
)
async def test_an_error_in_an_envelope_is_told_in_its_words(
    programs: Programs, command: list[str], sample: str, said: str, final: bool, code: int
) -> None:
    programs.add(command[0], sample, code=code)
    found = await refused(programs.agent(command))
    assert (found.type, found.final) == ("agent", final)
    assert said in found.message
    assert ("(exit code 1)" in found.message) is bool(code)


async def test_what_a_failed_program_spent_is_told(programs: Programs) -> None:
    programs.add("claude", "claude_turns.json", code=1)
    meter = Meter()
    await refused(programs.agent(["claude", "--output-format", "json"]), meter=meter)
    assert meter.read() == Usage(10, 5, 0.002, 1)


async def test_what_a_program_spent_that_ended_badly_is_unknown_unless_it_never_began(programs: Programs) -> None:
    programs.add("claude", "claude_turns.json", code=1)
    began, never = Meter(), Meter()
    await refused(programs.agent(["claude"]), meter=began)
    await refused(programs.agent(["no-such-program"]), meter=never)
    assert (began.read(), never.read()) == (Usage(requests=1), None)


async def test_an_error_on_stderr_is_read_too(programs: Programs) -> None:
    programs.add("gemini", "gemini_failed.json", code=1, stream="stderr")
    found = await refused(programs.agent(["gemini", "-o", "json"]))
    assert "API key not valid." in found.message


async def test_a_rate_limit_in_an_envelope_is_one(programs: Programs) -> None:
    programs.add("claude", "claude_limited.json")
    found = await refused(programs.agent(["claude", "--output-format", "json"]))
    assert (found.type, found.final) == ("rate_limit", False)


@pytest.mark.parametrize("printed", ["", "plain text", "[]", '{"other": 1}', "[" * 100_000, '{"result": null}'])
async def test_output_without_the_envelope_says_so(programs: Programs, printed: str) -> None:
    programs.write("claude", f"print({printed!r})")
    found = await refused(programs.agent(["claude", "--output-format", "json"]))
    assert "printed no answer in the form of envelope 'claude'" in found.message
    assert "envelope: none" in (found.hint or "")
    assert len(found.message) < 400


@pytest.mark.parametrize(
    ("envelope", "told"),
    [("cloud", "no envelope is named 'cloud'"), ({"format": "json", "text": "answer. | x"}, "`text` is no expression")],
)
def test_an_envelope_that_cannot_be_is_found_before_anything_is_asked(
    programs: Programs, envelope: Any, told: str
) -> None:
    made = programs.agent(["x"], envelope=envelope)
    assert isinstance(made, Unusable)
    assert told in made.why.failure.message


def test_every_envelope_that_ships_has_what_it_needs() -> None:
    for name, described in predefined_envelopes().items():
        assert {"description", "recognised", "format", "text", "usage", "error"} <= described.keys(), name


# ---- bounds and ends


async def test_an_answer_that_is_too_long_is_an_error_that_says_so(programs: Programs, tmp_path: Path) -> None:
    programs.write("endless", "import sys\nwhile True: sys.stdout.write('x' * 65536)\n")
    found = await refused(programs.agent(["endless"]))
    assert "printed more than 8 MB" in found.message
    assert "file" in (found.hint or "")


async def test_an_answer_within_the_bound_is_whole(programs: Programs) -> None:
    programs.write("long", "print('x' * 7_900_000)")
    assert len((await ask(programs.agent(["long"]))).text) == 7_900_000


async def test_children_that_will_not_hear_are_ended_hard(programs: Programs, tmp_path: Path) -> None:
    """The agent and a child of its own ignore the polite request."""
    pids = tmp_path / "pids"
    programs.write(
        "deaf",
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "code = 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)'\n"
        "code += '; print(1, flush=True); time.sleep(600)'\n"
        "child = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n",
    )
    ready = asyncio.Event()
    task = asyncio.ensure_future(programs.agent(["deaf"]).ask(request("x"), lambda _: ready.set()))
    await ready.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for pid in pids.read_text().split():
        assert not _lives(int(pid))


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


async def test_its_own_keys_do_not_reach_a_program(programs: Programs) -> None:
    programs.write("shows", "import json, os\nprint(json.dumps(dict(os.environ)))")
    seen = json.loads((await ask(programs.agent(["shows"]))).text)
    assert not [name for name in seen if name.endswith("_API_KEY")]
