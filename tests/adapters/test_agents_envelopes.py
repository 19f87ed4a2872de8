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
    (["gemini", "-p", "{{ prompt }}", "--output-format", "stream-json"], "gemini_stream.jsonl", (8200, 174, None)),
    (["claude", "--output-format", "json", "-p"], "claude_helpers.json", (19910, 100, 0.0523)),
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
    name = f"{command[0]}_stream" if "_stream" in sample else command[0]
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


NOISE = '{"level": "warn", "error": "an update is there"}'


@pytest.mark.parametrize(("command", "sample", "spent"), PRINTS)
@pytest.mark.parametrize("noise", ["[WARN] {x} [1]", NOISE, f"{NOISE}\n[DEBUG] {NOISE}"])
async def test_noise_around_an_envelope_is_passed_over(
    programs: Programs, command: list[str], sample: str, spent: Any, noise: str
) -> None:
    printed = f"{noise}\n{(SAMPLES / sample).read_text().strip()}\n{noise}\n"
    programs.write(command[0], f"print({printed!r})")
    reply = await ask(programs.agent(command))
    assert (reply.text, reply.usage.input, reply.usage.output, reply.usage.cost) == (SAID, *spent)


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
        (["gemini", "-o", "stream-json"], "gemini_stream.jsonl", SAID),
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
        (["gemini", "-p", "-o", "json"], "gemini_failed.json", "API key not valid.", True),
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


@pytest.mark.parametrize(
    ("script", "settings"),
    [
        ("print('no JSON')", {"parse": "json"}),
        ("print('no envelope')", {"envelope": "claude"}),
        ("import sys\nwhile True: sys.stdout.write('x' * 65536)", {}),
        ("import time; time.sleep(600)", {"timeout": "50ms"}),
    ],
)
async def test_what_a_program_spent_that_gave_no_answer_is_unknown_not_free(
    programs: Programs, script: str, settings: dict[str, Any]
) -> None:
    programs.write("odd", script)
    meter = Meter()
    await refused(programs.agent(["odd"], **settings), meter=meter)
    assert meter.read() == Usage(requests=1)


@pytest.mark.parametrize(
    ("told", "kind", "final"),
    [
        ({"is_error": True, "result": "API Error: 529 overloaded"}, "agent", False),
        ({"is_error": True, "result": "API Error: 404 no such model"}, "agent", True),
        ({"is_error": True, "result": "API Error: Rate limit reached"}, "rate_limit", False),
        ({"is_error": True, "result": "Invalid API key · Fix external API key"}, "agent", True),
        ({"is_error": True, "result": "x", "api_error_status": 504}, "timeout", False),
        ({"is_error": False, "subtype": "error_max_turns"}, "agent", False),
    ],
)
async def test_what_claude_says_in_words_counts_where_it_gives_no_status(
    programs: Programs, told: dict[str, Any], kind: str, final: bool
) -> None:
    programs.write("claude", f"print({json.dumps({'type': 'result', **told})!r})")
    found = await refused(programs.agent(["claude", "--output-format", "json"]))
    assert (found.type, found.final) == (kind, final)
    assert told.get("result", "error_max_turns") in found.message


@pytest.mark.parametrize(
    ("said", "kind", "final"),
    [
        ("exceeded retry limit, last status: 429 Too Many Requests, request id: 1", "rate_limit", False),
        ("You've hit your usage limit. Try again at 4 PM.", "rate_limit", False),
        ("unexpected status 401 Unauthorized: Missing bearer", "agent", True),
        ("stream disconnected before completion", "agent", False),
    ],
)
async def test_what_codex_says_in_words_tells_whether_to_try_again(
    programs: Programs, said: str, kind: str, final: bool
) -> None:
    lines = [
        json.dumps({"type": "error", "message": said}),
        json.dumps({"type": "turn.failed", "error": {"message": said}}),
    ]
    programs.write("codex", f"print({chr(10).join(lines)!r}); raise SystemExit(1)")
    meter = Meter()
    found = await refused(programs.agent(["codex", "exec", "--json"], price={"input": 1, "output": 1}), meter=meter)
    assert (found.type, found.final) == (kind, final)
    assert meter.read() == Usage(requests=1)


@pytest.mark.parametrize(
    ("code", "kind", "final"), [(41, "agent", True), (53, "agent", False), (429, "rate_limit", False)]
)
async def test_the_codes_of_gemini_tell_whether_to_try_again(
    programs: Programs, code: int, kind: str, final: bool
) -> None:
    printed = json.dumps({"error": {"type": "E", "message": "no", "code": code}})
    programs.write("gemini", f"import sys; sys.stderr.write({printed!r}); sys.exit({code % 256})")
    found = await refused(programs.agent(["gemini", "-o", "json"]))
    assert (found.type, found.final) == (kind, final)
    assert found.message.endswith(": no")


@pytest.mark.parametrize("sample", ["codex.jsonl", "gemini_stream.jsonl"])
async def test_lines_that_end_too_early_are_no_answer(programs: Programs, sample: str) -> None:
    cut = (SAMPLES / sample).read_text()[:-30]
    programs.write("cut", f"import sys; sys.stdout.write({cut!r})")
    found = await refused(programs.agent(["cut"], envelope=sample.removesuffix(".jsonl")))
    assert "it ended before its" in found.message


@pytest.mark.parametrize("printed", ["", "plain text", "[]", '{"other": 1}', "[" * 100_000, '{"result": null}'])
async def test_output_without_the_envelope_says_so(programs: Programs, printed: str) -> None:
    programs.write("claude", f"print({printed!r})")
    found = await refused(programs.agent(["claude", "--output-format", "json"]))
    told = "printed no answer in the form of envelope 'claude'" if printed else "printed nothing"
    assert told in found.message
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
