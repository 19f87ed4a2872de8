"""`magent agents` and `magent doctor`: who there is, whether they can be reached, a question to one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.adapters.fake_provider import FakeProvider
from tests.cli.helpers import magent, several
from tests.terminal import Golden, Terminal

KEY = "key-of-the-house-0123456789"
TEAM = """
    magent: 1
    name: team
    secrets: [HOUSE_KEY]
    inputs: {place: {type: string}}
    limits: {max_steps: 500}
    agents:
      scripted:
        description: Says what it was told.
        replies: [{call: calculator, with: {expression: "6*7"}}, "it is {{ result }}"]
        tools: [calculator]
      echo: {command: [cat]}
      gone: {command: [no-such-program, -p, "{{ prompt }}"]}
      house: {model: "openai:MODEL", base_url: "URL/v1", api_key: "{{ secrets.HOUSE_KEY }}", max_tokens: 9}
      tired: {command: [no-such-program], fallback: [echo]}
      markup: {replies: ["[bold]x[/bold] \\x1b[31mred"]}
    tools: {calculator: {builtin: calculator}}
    nodes: {ask: {prompt: hi, agent: scripted}}
"""


@pytest.fixture
def team(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`workflow.yaml` in an empty current directory; nobody answers at its server."""
    monkeypatch.setenv("HOUSE_KEY", KEY)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    here.joinpath(".magent").mkdir()
    return written(here, "http://127.0.0.1:9", "ok")


def written(here: Path, url: str, model: str) -> Path:
    text = dedent(TEAM).replace("URL", url).replace("MODEL", model).replace("\\x1b", "\\e")
    here.joinpath("workflow.yaml").write_text(text, "utf-8")
    return here


class _Lists(BaseHTTPRequestHandler):
    """A list of models, for those who have the key."""

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        allowed = self.headers.get("authorization") == f"Bearer {KEY}"
        body = json.dumps({"data": [{"id": "qwen3"}, {"id": "phi4"}]} if allowed else {"error": KEY}).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def lists() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Lists) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


# ---- list and show


def test_agents_alone_lists_those_of_the_workflow_here(team: Path, capsys: Any) -> None:
    done = magent(capsys, "agents")
    assert done.code == 0
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["AGENT", "KIND", "WHAT"]
    assert [row[:2] for row in rows[1:4]] == [["scripted", "replies"], ["echo", "command"], ["gone", "command"]]


def test_check_says_of_each_whether_it_is_reached(team: Path, capsys: Any) -> None:
    done = magent(capsys, "agents", "list", "--check", "--output", "json")
    assert done.code == 1
    found = {row["name"]: row for row in json.loads(done.out)}
    assert [name for name, row in found.items() if not row["reachable"]] == ["gone", "house", "tired"]
    assert found["house"]["says"] == "127.0.0.1:9 cannot be reached"
    assert found["house"]["settings"]["api_key"] == "***"
    assert KEY not in done.out + done.err


@pytest.mark.parametrize(
    ("model", "key", "code", "said"),
    [
        ("qwen3", KEY, 0, "answers, has the model"),
        ("qwen4", KEY, 1, "has no model 'qwen4'"),
        ("qwen3", "wrong-key-of-the-house", 1, "refuses the key (401)"),
    ],
)
def test_a_server_is_asked_for_its_models(
    team: Path, capsys: Any, lists: str, monkeypatch: pytest.MonkeyPatch, model: str, key: str, code: int, said: str
) -> None:
    written(team, lists, model)
    monkeypatch.setenv("HOUSE_KEY", key)
    done = magent(capsys, "agents", "show", "house", "--check")
    assert done.code == code
    assert said in done.out
    assert key not in done.out + done.err


def test_show_tells_what_an_agent_is(team: Path, capsys: Any) -> None:
    done = magent(capsys, "agents", "show", "scripted")
    assert done.code == 0
    assert done.out.splitlines()[:2] == ["scripted  replies", "Says what it was told."]
    assert "yes: scripted: 2 replies" in done.out
    told = magent(capsys, "agents", "show", "openai:gpt-5-mini", "--output", "json")
    assert json.loads(told.out)["what"] == "openai:gpt-5-mini"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["agents", "show", "scriptd"], "did you mean 'scripted'?"),
        (["agents", "show"], "which agent?"),
        (["agents", "ask"], "which agent, and what?"),
        (["agents", "ask", "echo"], "what is 'echo' to be asked?\n  such as: magent agents ask echo "),
        (["agents", "show", "locl"], "did you mean 'local'?"),
        (["agents", "ask", "echo", "  "], "the prompt is empty"),
        (["agents", "ask", "echo", "x", "--agent", "ecko=local"], "no agent is named 'ecko'"),
        (["agents", "list", "-f", "nowhere.yaml"], "nowhere.yaml"),
        (["agents", "ask", "gpt-5", "x"], "no agent is named 'gpt-5'"),
    ],
)
def test_wrong_words_are_bad_usage(team: Path, capsys: Any, words: list[str], told: str) -> None:
    done = magent(capsys, *words)
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_without_a_file_one_is_asked_for(here: Path, capsys: Any) -> None:
    done = magent(capsys, "agents")
    assert done.code == 2
    assert "-f FILE" in done.err


def test_a_library_will_do(here: Path, capsys: Any) -> None:
    here.joinpath("crew.yaml").write_text("magent: 1\nagents: {one: {replies: [hello]}}\n")
    assert magent(capsys, "agents", "ask", "one", "x", "-f", "crew.yaml").out == "hello\n"


# ---- ask


TAKES = """
magent: 1
name: takes
inputs: {who: {type: string}, size: {type: integer, default: 2}}
agents:
  named: {model: "openai:{{ inputs.who }}", base_url: "http://127.0.0.1:9/v1"}
  spoken: {command: [printf, "%s", "{{ inputs.who }} {{ inputs.size }}"]}
nodes: {t: {prompt: x, agent: named}}
"""


def test_an_agent_whose_settings_read_an_input_is_no_fault_and_is_asked_with_one(here: Path, capsys: Any) -> None:
    here.joinpath("workflow.yaml").write_text(TAKES)
    shown = magent(capsys, "agents", "show", "named")
    assert (shown.code, "a run gives what its settings read: inputs.who" in shown.out) == (0, True)
    asked = magent(capsys, "agents", "ask", "spoken", "x")
    assert (asked.code, asked.err) == (2, "magent: input 'who' (text) is missing\n  write -i who=…\n")
    assert magent(capsys, "agents", "ask", "spoken", "x", "-i", "who=Ada", "-i", "size=3").out == "Ada 3\n"
    assert "did you mean 'who'?" in magent(capsys, "agents", "ask", "spoken", "x", "-i", "wo=Ada").err


def test_the_answer_alone_is_on_stdout(team: Path, capsys: Any) -> None:
    done = magent(capsys, "agents", "ask", "echo", "what about {{ this }}?")
    assert (done.code, done.out) == (0, "what about {{ this }}?\n")


def test_its_tools_are_called(team: Path, capsys: Any) -> None:
    assert magent(capsys, "agents", "ask", "scripted", "x").out == "it is 42\n"


def test_a_server_is_asked_and_its_tokens_are_told(team: Path, capsys: Any) -> None:
    with FakeProvider() as server:
        written(team, server.url, "ok")
        done = magent(capsys, "agents", "ask", "house", "hi", "--output", "json")
        assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"
        assert server.bodies[0]["messages"] == [{"role": "user", "content": "hi"}]
        assert server.bodies[0]["max_tokens"] == 9
    shown = json.loads(done.out)
    assert (shown["answer"], shown["cost_usd"]) == ("Hello, world", None)
    assert (shown["tokens"]["input"], shown["tokens"]["output"]) == (11, 5)


def test_another_model_can_stand_in(team: Path, capsys: Any) -> None:
    assert magent(capsys, "agents", "ask", "house", "hi", "--agent", "house=echo").out == "hi\n"


def test_who_stands_in_answers_where_the_agent_cannot(team: Path, capsys: Any) -> None:
    assert magent(capsys, "agents", "ask", "tired", "hi").out == "hi\n"


def test_a_failure_is_told_and_is_1(team: Path, capsys: Any) -> None:
    done = magent(capsys, "agents", "ask", "gone", "hi")
    assert (done.code, done.out) == (1, "")
    assert "'no-such-program' was not found" in done.err


def test_a_limit_is_4(team: Path, capsys: Any) -> None:
    with FakeProvider() as server:
        written(team, server.url, "ok")
        assert magent(capsys, "agents", "ask", "house", "hi", "--limit", "tokens=3").code == 4


def test_nothing_is_kept_of_a_question(team: Path, capsys: Any) -> None:
    magent(capsys, "agents", "ask", "echo", "hi")
    assert list(team.joinpath(".magent").iterdir()) == []


# ---- doctor


def checks(done: Any) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(done.out)["checks"]}


def test_doctor_finds_what_is_wrong_and_where_settings_come_from(
    team: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    team.joinpath(".magent.yaml").write_text("durability: async\nlimits: {timeout: 1h, max_steps: 4}\n")
    monkeypatch.setenv("MAGENT_CHECKPOINTS_KEEP", "3")
    done = magent(capsys, "doctor", "--output", "json")
    assert done.code == 1
    found = checks(done)
    origins = {name: found[name]["origin"].rpartition("/")[2] for name in ("store", "limits.max_steps", "durability")}
    assert origins == {"store": "built in", "limits.max_steps": "the workflow file", "durability": ".magent.yaml"}
    assert (found["checkpoints.keep"]["says"], found["checkpoints.keep"]["origin"]) == ("3", "MAGENT_CHECKPOINTS_KEEP")
    assert found["limits.timeout"]["says"] == "1h"
    assert [name for name, each in found.items() if each["state"] == "no"] == ["gone", "house", "tired"]
    assert found["magent"]["group"] == "Versions"
    assert KEY not in done.out + done.err


def test_doctor_is_content_where_all_is_well(here: Path, capsys: Any) -> None:
    here.joinpath(".magent").mkdir()
    here.joinpath("workflow.yaml").write_text(
        "magent: 1\nname: a\nagents: {one: {replies: [x]}}\nnodes: {ask: {prompt: x, agent: one}}\n"
    )
    done = magent(capsys, "doctor")
    assert (done.code, done.err) == (0, "")
    assert "writable" in done.out


@pytest.mark.parametrize(("settings", "said"), [("durability: never\n", "durability"), ("store: [\n", ".magent.yaml")])
def test_settings_that_cannot_be_are_one_of_its_findings(here: Path, capsys: Any, settings: str, said: str) -> None:
    here.joinpath(".magent.yaml").write_text(settings)
    done = magent(capsys, "doctor", "--output", "json", "--offline")
    assert done.code == 1
    assert said in checks(done)[".magent.yaml"]["says"]


def test_a_store_that_cannot_be_written_is_found(here: Path, capsys: Any) -> None:
    here.joinpath("file").write_text("no directory")
    done = magent(capsys, "doctor", "--store", "file:file/below", "--output", "json", "--offline")
    assert done.code == 1
    assert checks(done)["file:file/below"]["state"] == "no"


def test_doctor_offline_asks_no_server(team: Path, capsys: Any) -> None:
    found = checks(magent(capsys, "doctor", "--offline", "--output", "json"))
    assert (found["house"]["state"], found["house"]["says"]) == ("ok", "its key is set")


# ---- screens


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_agents_in_a_terminal(team: Path, golden: Golden, columns: int) -> None:
    lines = (
        "agents",
        "agents list --check",
        "agents show scripted",
        "agents show gone",
        "agents ask scripted 'what is it?'",
        "agents ask markup x",
        "agents ask gone x",
    )
    with Terminal(several(*lines), columns=columns, rows=60, cwd=team) as terminal:
        assert terminal.end() == 0
        golden(f"agents-{columns}", terminal.history)


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_doctor_in_a_terminal(team: Path, golden: Golden, columns: int) -> None:
    """What is of this machine is not kept: the part about settings and agents is."""
    with Terminal(several("doctor --offline"), columns=columns, rows=70, cwd=team) as terminal:
        assert terminal.end() == 0
        shown = terminal.history
    start = next(at for at, line in enumerate(shown) if line.startswith("Settings"))
    golden(f"doctor-{columns}", shown[start:])


def test_a_model_that_stands_in_no_file_is_asked(here: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeProvider() as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")
        assert magent(capsys, "agents", "ask", "openai:ok", "hi").out == "Hello, world\n"
        done = magent(capsys, "agents", "ask", "openai:refused", "hi")
        assert (done.code, done.out) == (1, "")
        assert "401" in done.err
        assert KEY not in done.err
    assert magent(capsys, "agents", "show", "local").out.startswith("local  model")


def test_a_wrong_key_is_not_tried_again_but_falls_back_and_what_may_pass_is(here: Path, capsys: Any) -> None:
    """The first is limited, which may pass; who stands in has a wrong key, which will not."""
    text = """
        magent: 1
        name: tries
        agents:
          first: {model: "openai:FIRST", base_url: "URL/v1", api_key: a-key-of-the-first, fallback: [second]}
          second: {model: "openai:refused", base_url: "URL/v1", api_key: a-key-of-the-second}
        nodes: {ask: {prompt: hi, agent: first, retry: {max_attempts: 2, delay: 1ms}}}
    """
    for first, asked in (("forbidden", 2), ("broken", 4)):
        with FakeProvider() as server:
            written = dedent(text).replace("URL", server.url).replace("FIRST", first)
            here.joinpath("workflow.yaml").write_text(written, "utf-8")
            done = magent(capsys, "run", "--no-input", "-q")
            assert (done.code, len(server.seen)) == (1, asked)


def test_one_that_is_interrupted_says_so(here: Path, capsys: Any) -> None:
    code = "import asyncio, os, signal\nclass Asked:\n    async def ask(self, request, on_text):\n"
    code += "        os.kill(os.getpid(), signal.SIGINT)\n        await asyncio.Event().wait()\n"
    here.joinpath("beside.py").write_text(code)
    here.joinpath("crew.yaml").write_text('magent: 1\nagents: {a: {model: "beside:Asked"}}\n')
    done = magent(capsys, "agents", "ask", "a", "hi", "-f", "crew.yaml")
    assert (done.code, done.out, done.err) == (130, "", "magent: interrupted\n")
