"""Agents as a run is outfitted with them: what their settings see, and what they may cost."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.adapters.fake_provider import FakeProvider
from tests.cli.helpers import magent

SHOWS = """
    magent: 1
    name: shows
    secrets: [HOUSE_KEY]
    env: [PLACE]
    inputs: {word: {type: string, default: tides}}
    agents:
      shell:
        command: [sh, -c, 'echo "$SHOWN"']
        env: {SHOWN: "SETTING"}
    nodes: {ask: {prompt: hello, agent: shell}}
    outputs: {said: "{{ state.ask }}"}
"""

PRICED = """
    magent: 1
    name: priced
    agents:
      unknown: {model: "openai:nobody-sells-this"}
      named: {model: "openai:nobody-sells-this", price: {input: 1, output: 2}}
      scripted: {replies: [fine], fallback: [FALLBACK]}
    nodes: {ask: {prompt: hello, agent: AGENT, on_error: continue}}
"""


def written(here: Path, text: str) -> None:
    here.joinpath(".magent").mkdir(exist_ok=True)  # no store that stands above it is found
    here.joinpath("workflow.yaml").write_text(dedent(text), "utf-8")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("{{ inputs.word }}", "tides"),
        ("{{ env.PLACE }}", "sea"),
        ("{{ run.id }} {{ run.name }}", "r1 shows"),
        ("{{ secrets.HOUSE_KEY }}", "***"),
    ],
)
def test_settings_of_agents_see_inputs_env_run_and_secrets(
    here: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, setting: str, said: str
) -> None:
    monkeypatch.setenv("PLACE", "sea")
    monkeypatch.setenv("HOUSE_KEY", "key-of-the-house")
    written(here, SHOWS.replace("SETTING", setting))
    outcome = magent(capsys, "run", "--id", "r1", "--output", "json", "-q")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["outputs"] == {"said": said}


def test_a_resumed_run_gives_agents_the_env_that_it_began_with(
    here: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", "sea")
    first = "nodes: {first: {set: {x: 1}, next: ask}, ask:"
    written(here, SHOWS.replace("SETTING", "{{ env.PLACE }}").replace("nodes: {ask:", first))
    assert magent(capsys, "run", "--stop-after", "first", "-q").code == 0
    monkeypatch.setenv("PLACE", "land")
    assert magent(capsys, "resume", "-q").out == "said: sea\n"


def test_a_secret_that_is_not_set_is_named(here: Path, capsys: Any) -> None:
    written(here, SHOWS.replace("SETTING", "{{ secrets.HOUSE_KEY }}"))
    outcome = magent(capsys, "run", "-q")
    assert outcome.code == 2
    assert "the secret HOUSE_KEY is not set in the environment" in outcome.err
    assert "export HOUSE_KEY=" in outcome.err


@pytest.mark.parametrize(("agent", "fallback"), [("unknown", "named"), ("scripted", "unknown"), ('"{{ x }}"', "named")])
def test_a_budget_in_dollars_with_a_model_of_unknown_price_is_an_error_at_the_start(
    here: Path, capsys: Any, agent: str, fallback: str
) -> None:
    text = PRICED.replace("AGENT", agent.replace("x", "'unknown'")).replace("FALLBACK", fallback)
    written(here, text)
    for words in (("run", "--limit", "usd=5"), ("run", "--limit", "usd=5", "--dry-run")):
        outcome = magent(capsys, *words)
        assert outcome.code == 2
        assert "the price of openai:nobody-sells-this (agent 'unknown') is not known" in outcome.err
        assert "price: {input: 0.4, output: 1.6}" in outcome.err
    assert not here.joinpath(".magent", "runs").exists()


def test_a_price_on_the_agent_or_one_that_is_known_mends_it(here: Path, capsys: Any) -> None:
    written(here, PRICED.replace("AGENT", "named").replace("FALLBACK", "named"))
    assert magent(capsys, "run", "--limit", "usd=5", "--dry-run").code == 0
    written(here, PRICED.replace("AGENT", "unknown").replace("FALLBACK", "named"))
    assert magent(capsys, "run", "--limit", "usd=5", "--dry-run", "--agent", "unknown=openai:gpt-4o-mini").code == 0
    assert magent(capsys, "run", "--limit", "usd=5", "--dry-run", "--agent", "unknown=local").code == 0


def test_a_budget_in_dollars_that_resume_brings_is_checked_as_well(here: Path, capsys: Any) -> None:
    first = "nodes: {first: {set: {x: 1}, next: ask}, ask:"
    written(here, PRICED.replace("AGENT", "unknown").replace("FALLBACK", "named").replace("nodes: {ask:", first))
    assert magent(capsys, "run", "--stop-after", "first", "-q").code == 0
    assert magent(capsys, "resume", "--limit", "usd=5").code == 2


def test_an_agent_to_replace_that_is_not_there_is_told_with_those_that_are(here: Path, capsys: Any) -> None:
    written(here, PRICED.replace("AGENT", "unknown").replace("FALLBACK", "named"))
    outcome = magent(capsys, "run", "--agent", "x=local")
    assert outcome.code == 2
    assert "there are: unknown, named, scripted" in outcome.err


def test_a_function_that_ends_the_program_fails_as_an_agent(here: Path, capsys: Any) -> None:
    here.joinpath("leaves.py").write_text("import sys\ndef now(prompt, context): sys.exit(7)\n")
    written(here, 'magent: 1\nname: leaves\nagents: {a: {call: "leaves:now"}}\nnodes: {x: {prompt: hi, agent: a}}\n')
    outcome = magent(capsys, "run", "-q", "--output", "json")
    assert outcome.code == 1
    assert json.loads(outcome.out)["error"]["type"] == "agent"


def test_an_agent_is_replaced_by_one_of_the_top_file_everywhere(here: Path, capsys: Any) -> None:
    here.joinpath("inner.yaml").write_text(
        "magent: 1\nname: inner\nagents: {writer: {replies: [own]}}\nnodes: {w: {prompt: hi, agent: writer}}\n"
    )
    written(
        here,
        """
        magent: 1
        name: outer
        agents: {other: {replies: [{reply: other}]}}
        nodes:
          sub: {type: subgraph, uses: ./inner.yaml, next: own}
          own: {prompt: hi, agent: other, on_error: continue}
        outputs: {said: "{{ state.sub.w }}"}
        """,
    )
    assert magent(capsys, "run", "-q").out == "said: own\n"
    assert magent(capsys, "run", "-q", "--agent", "writer=other").out == "said: other\n"


FALLS_BACK = """
    magent: 1
    name: falls_back
    agents:
      first: {command: [sh, -c, "echo gone >&2; exit 3"], fallback: [second]}
      second: SECOND
    nodes: {ask: {prompt: hi, agent: first}}
"""


def test_the_agent_that_stood_in_is_told(here: Path, capsys: Any) -> None:
    written(here, FALLS_BACK.replace("SECOND", "{replies: [fine]}"))
    outcome = magent(capsys, "run")
    assert outcome.code == 0
    assert "by agent second" in outcome.err


def test_where_nobody_can_stand_in_every_reason_is_told(here: Path, capsys: Any) -> None:
    written(here, FALLS_BACK.replace("SECOND", "{replies: [{match: no, reply: fine}]}"))
    outcome = magent(capsys, "run", "-q")
    assert outcome.code == 1
    assert "no scripted reply left" in outcome.err
    assert "(before that, first: sh ended with exit code 3: gone)" in outcome.err


def test_an_agent_that_cannot_be_asked_is_no_error_where_another_stands_in(here: Path, capsys: Any) -> None:
    text = FALLS_BACK.replace(
        'command: [sh, -c, "echo gone >&2; exit 3"]', 'model: "openai:x", api_key: "{{ secrets.HOUSE_KEY }}"'
    )
    text = text.replace("name: falls_back", "name: falls_back\n    secrets: [HOUSE_KEY]")
    written(here, text.replace("SECOND", "{replies: [fine]}"))
    assert magent(capsys, "run", "-q").out == "ask: fine\n"
    written(here, text.replace("SECOND", """{model: "{{ 'opnai:x' }}"}"""))
    outcome = magent(capsys, "run", "-q")
    assert outcome.code == 2
    assert "agent 'first': the secret HOUSE_KEY is not set" in outcome.err


EACH_KIND = """
    magent: 1
    name: each_kind
    agents:
      openai: {model: "openai:cut", base_url: "URL/v1", fallback: [OTHERS]}
      anthropic: {model: "anthropic:claude-cut", base_url: "URL", api_key: k}
      google: {model: "google:gemini-limited", base_url: "URL", api_key: k}
      slow: {model: "openai:slow", base_url: "URL/v1", timeout: 300ms}
      command: {command: [sh, -c, "printf half; exit 3"]}
      call: {call: "beside:fails"}
      canned: {replies: [{match: never, reply: x}]}
      local: {model: "local:/nowhere/there/is/none.gguf"}
      last: {replies: [fine]}
    nodes: {ask: {prompt: hi, agent: openai}}
"""


def test_whoever_cannot_answer_is_passed_over_whatever_kind_of_agent_it_is(here: Path, capsys: Any) -> None:
    here.joinpath("beside.py").write_text("def fails(prompt, context): raise RuntimeError('no')\n")
    names = ["openai", "anthropic", "google", "slow", "command", "call", "canned", "local"]
    with FakeProvider() as server:
        written(here, EACH_KIND.replace("URL", server.url).replace("OTHERS", ", ".join((*names[1:], "last"))))
        outcome = magent(capsys, "run", "-q", "--output", "jsonl")
    told = [json.loads(line) for line in outcome.out.splitlines()]
    assert [each["outputs"] for each in told if each["type"] == "run.completed"] == [{"ask": "fine"}]
    passed = [(each["agent"], each["error"]["type"]) for each in told if each["type"] == "agent.fallback"]
    assert [agent for agent, _ in passed] == names
    assert {agent: kind for agent, kind in passed if kind != "agent"} == {"google": "rate_limit", "slow": "timeout"}
    withdrawn = [each["agent"] for each in told if each["type"] == "text.withdrawn"]
    assert withdrawn == ["openai", "anthropic", "slow", "command"]
