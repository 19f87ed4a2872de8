"""Who answers to an agent's name: the agent of the file that asks, with the inputs of that file, or who stands in."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.cli.helpers import magent

CALLED = """
    magent: 1
    name: called
    inputs: {lang: {type: string}}
    env: [PLACE]
    agents:
      sayer: {command: [echo, "{{ inputs.lang }}", "{{ run.home | split('/') | last }}"]}
      other: {command: [echo, "{{ run.key | split('/') | first }}", "{{ env.PLACE }}"]}
      shell: {command: [sh, -c, 'echo "$L"'], env: {L: "{{ inputs.lang }}"}, tools: [speak]}
    tools:
      speak: {run: "echo {{ word }} {{ inputs.lang }}", parameters: {word: {type: string}}}
    nodes:
      said: {prompt: hi, agent: sayer, next: shown}
      shown: {prompt: hi, agent: shell, next: spoken}
      spoken: {tool: speak, with: {word: so}, next: inner}
      inner: {type: subgraph, uses: deeper, with: {lang: none}, next: run}
      run: {prompt: hi, agent: other}
    subgraphs:
      deeper: {inputs: {lang: {type: string}}, nodes: {asked: {prompt: hi, agent: sayer}}}
    outputs: {all: "{{ state.said }}, {{ state.shown }}, {{ state.spoken }}, {{ state.inner.asked }}, {{ state.run }}"}
"""
CALLS = """
    magent: 1
    name: calls
    env: [PLACE]
    inputs: {lang: {type: string, default: top}}
    nodes:
      each: {type: parallel, for_each: [de, fr], body: sub}
      sub: {type: subgraph, uses: ./there/called.yaml, with: {lang: "{{ item }}"}}
    outputs: {all: "{{ state.each | map(attribute='all') | join('; ') }}"}
"""


def written(here: Path, **files: str) -> None:
    here.joinpath(".magent").mkdir(exist_ok=True)
    here.joinpath("there").mkdir(exist_ok=True)
    for name, text in files.items():
        folder = here / "there" if name == "called" else here
        (folder / f"{name}.yaml").write_text(dedent(text), "utf-8")


def test_settings_of_a_called_file_see_the_inputs_that_it_was_called_with(
    here: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", "sea")
    written(here, workflow=CALLS, called=CALLED)
    outcome = magent(capsys, "run", "-q", "--id", "r1")
    assert outcome.out == 'all: "de there, de, so de, de there, r1 sea; fr there, fr, so fr, fr there, r1 sea"\n', (
        outcome.err
    )


def test_one_that_reads_inputs_is_known_too_late_to_be_refused_at_the_start(here: Path, capsys: Any) -> None:
    wrong = """sayer: {model: "{{ inputs.lang }}"}"""
    text = "\n".join(f"      {wrong}" if "sayer: {" in line else line for line in CALLED.splitlines())
    written(here, workflow=CALLS, called=text)
    outcome = magent(capsys, "run", "-q", "--output", "json")
    assert outcome.code == 1
    assert "'de' names no model" in json.loads(outcome.out)["error"]["message"]


@pytest.mark.parametrize(
    ("setting", "known"),
    [
        ('agents: {a: {model: "{{ inputs.topik }}"}}', "topic"),
        ('agents: {a: {model: local, system: "{{ inputs.inerr }}"}}', "inner"),
        ('tools: {a: {run: "echo {{ inputs.inner }}"}}', "topic"),
    ],
)
def test_an_input_that_a_setting_cannot_read_is_told_by_validate(
    here: Path, capsys: Any, setting: str, known: str
) -> None:
    nodes = "nodes: {s: {type: subgraph, uses: sub, with: {inner: x}}}"
    sub = "subgraphs: {sub: {inputs: {inner: {type: string}}, nodes: {x: {set: {y: 1}}}}}"
    text = f"magent: 1\nname: w\ninputs: {{topic: {{type: string, default: x}}}}\n{nodes}\n{sub}\n"
    written(here, workflow=text + setting, library=f"magent: 1\n{setting}", including=f"{text}{INCLUDES}")
    for file in ("workflow.yaml", "including.yaml"):
        outcome = magent(capsys, "validate", file)
        assert outcome.code == 2
        assert "there is no input" in outcome.out + outcome.err
        assert known in outcome.out + outcome.err
    assert magent(capsys, "validate", "library.yaml").code == 0


INCLUDES = "include: [./library.yaml]"

CASTED = """
    magent: 1
    name: casted
    agents:
      first: {command: [sh, -c, 'echo "$0"; exit "$1"', "{{ system }}", "0"], system: of first, fallback: [third]}
      second: {command: [sh, -c, 'echo "$0"; exit "$1"', "{{ system }}", "EXIT"], system: of second}
      third: {replies: [{reply: the third}]}
    nodes: {ask: {prompt: hi, agent: first}}
"""
BESIDE = """
from magent.ports import Reply
from magent.events import Failure, WorkFailed
class Told:
    async def ask(self, request, on_text):
        return Reply(f"{request.system}, {request.max_tokens}")
class Broken:
    async def ask(self, request, on_text):
        raise WorkFailed(Failure("agent", "no"))
"""


def test_another_agent_takes_the_place_wholly(here: Path, capsys: Any) -> None:
    """Its system, and nobody stands in for it who stood in for the other."""
    written(here, workflow=CASTED.replace("EXIT", "0"))
    assert magent(capsys, "run", "-q", "--agent", "first=second").out == "ask: of second\n"
    written(here, workflow=CASTED.replace("EXIT", "3"))
    assert magent(capsys, "run", "-q", "--agent", "first=second").code == 1
    assert magent(capsys, "run", "-q", "--agent", "second=first").out == "ask: of first\n"


def test_a_model_leaves_an_agent_what_is_not_of_its_own(here: Path, capsys: Any) -> None:
    here.joinpath("beside.py").write_text(dedent(BESIDE))
    first = 'command: [sh, -c, \'echo "$0"; exit "$1"\', "{{ system }}", "0"]'
    written(here, workflow=CASTED.replace(first, "model: local, max_tokens: 7"))
    outcome = magent(capsys, "run", "-q", "--agent", "first=beside:Told")
    assert outcome.out == 'ask: "of first, 7"\n', outcome.err
    assert magent(capsys, "run", "-q", "--agent", "first=beside:Broken").out == "ask: the third\n"


def test_an_agent_that_lacks_its_tools_in_a_called_file_cannot_stand_in_there(here: Path, capsys: Any) -> None:
    own = "    agents: {own: {replies: [x], tools: [calculator]}}\n    tools: {calculator: {builtin: calculator}}\n"
    written(here, workflow=CALLS + own, called=CALLED)
    outcome = magent(capsys, "run", "--agent", "sayer=own")
    assert outcome.code == 2
    assert "--agent sayer=own: 'own' needs 'calculator', which the called file" in outcome.err


DEEP = """
    magent: 1
    name: called
    inputs: {lang: {type: string}}
    agents: {a: {command: [echo, "{{ inputs.lang }}"]}, b: {command: [echo, b]}}
    nodes: {s: {type: subgraph, uses: deep}}
    subgraphs: {deep: {nodes: {x: {prompt: hi, agent: b, next: y}, y: {prompt: hi, agent: a}}}}
"""


def test_a_fork_knows_that_an_agent_reads_another_input_of_its_file_now(here: Path, capsys: Any) -> None:
    calls = 'magent: 1\nname: calls\nnodes: {sub: {type: subgraph, uses: ./there/called.yaml, with: {lang: "de"}}}\n'
    written(here, workflow=calls, called=DEEP, edited=calls.replace('"de"', '"fr"'))
    assert magent(capsys, "run", "--id", "r", "-q").code == 0
    told = json.loads(magent(capsys, "resume", "r", "--workflow", "edited.yaml", "--plan", "--output", "json").out)
    fates = {visit["path"]: (visit["fate"], visit["why"]) for visit in told["visits"]}
    assert fates["sub/s/x"][0] == "kept"
    assert fates["sub/s/y"] == ("again", "what agent 'a' reads has changed")
