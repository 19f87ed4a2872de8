"""`magent explain`: for people and as JSON, of runs that are over, failed, waiting and forked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magent.cli.main import main
from tests.cli.helpers import magent, waiting

FLOW = """\
magent: 1
name: tides
agents: {bot: {replies: [It rises., It falls.]}}
roles:
  sailor: {agent: bot, skills: [boats]}
  diver: {agent: bot, skills: [boats], expertise: [reefs]}
nodes:
  draft: {prompt: tides, route: {skills: [boats], expertise: [reefs]}, next: [{loop_back: draft, max: 1}, {to: each}]}
  each: {type: parallel, for_each: "range(30) | list", body: check, on_branch_error: collect, next: ask}
  check: {type: condition, next: [{when: "item % 2 == 0", to: even}, {to: odd}]}
  even: {set: {x: "{{ ([] | first).y if item == 28 else 1 }}"}}
  odd: {set: {x: 2}}
  ask: {type: human_input, input: approval, prompt: "Go?", next: [{when: output.approved, to: end}, {to: draft2}]}
  draft2: {set: {y: 1}}
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a run of it that waits, r1."""
    return waiting(tmp_path_factory.mktemp("tides"), FLOW)


@pytest.fixture
def tides(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(recorded)
    return recorded


def test_of_many_items_a_few_are_told_and_all_that_failed(tides: Path, capsys: Any) -> None:
    told = magent(capsys, "explain", "r1")
    lines = told.out.splitlines()
    assert (told.code, told.err, "\x1b" in told.out) == (0, "", False)
    assert any("each[28]/even  failed" in line for line in lines)
    assert sum("]/check" in line for line in lines) == 7  # and the line that says how to see the others
    assert "  … 41 more visits of the same nodes" in told.out
    assert "open end when output.approved — not decided yet" in told.out
    assert "each[29]/odd" in magent(capsys, "explain", "r1", "-v").out


def test_one_node_is_told_with_the_candidates_of_its_route(tides: Path, capsys: Any) -> None:
    lines = magent(capsys, "explain", "r1", "draft#2").out.splitlines()
    assert [line.strip() for line in lines[2:]] == [
        "7  draft#2 → each",
        "route led to role diver (agent bot)",
        "taken diver 6.50 — skill 'boats' (+2); expertise 'reefs' (+4); nothing unrelated (+0.50)",
        "refused sailor 2.50 — no expertise 'reefs'; skill 'boats' (+2); nothing unrelated (+0.50)",
        "refused loop_back draft — used up: 1 of 1",
        "taken each — none before it held",
    ]
    (item,) = json.loads(magent(capsys, "explain", "r1", "each[3]/check", "--output", "json").out)["visits"]
    assert item["edges"][0]["when"] == {
        "expression": "item % 2 == 0",
        "held": False,
        "values": {"item": 3},
        "error": None,
    }


def test_a_node_that_was_not_come_to_is_bad_usage(tides: Path, capsys: Any) -> None:
    told = magent(capsys, "explain", "r1", "chek")
    assert (told.code, told.out, "did you mean 'check'?" in told.err) == (2, "", True)


def test_a_fork_says_what_it_took_over_and_tells_all_of_it(tides: Path, capsys: Any) -> None:
    assert main(["resume", "r1", "--from", "ask", "--no-input", "-q"]) == 3
    told = magent(capsys, "explain", "latest").out
    assert "forked from run r1: what stands before event" in told
    assert "refused loop_back draft — used up: 1 of 1" in told


def test_an_answer_that_no_life_has_taken_up_yet_is_told(tides: Path, capsys: Any) -> None:
    assert main(["run", "tides.yaml", "--no-input", "--id", "r2", "-q"]) == 3
    assert main(["respond", "r2", "ask", "--approve", "--by", "ann"]) == 0
    capsys.readouterr()
    told = magent(capsys, "explain", "r2", "ask").out
    assert "ask  interrupted" in told
    assert "answered by ann (command), which the run has not taken up yet" in told


def test_where_no_edge_holds_the_values_stand_with_each_in_text_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("stuck.yaml").write_text(
        "magent: 1\nname: stuck\nnodes:\n"
        "  rate: {run: [echo, '3'], parse: json, on_error: {goto: mend}, next: [{to: mend, when: output.data > 5}]}\n"
        "  mend: {run: [echo, '4'], parse: json, next: [{to: end, when: output.data > 5}]}\n"
    )
    magent(capsys, "run", "stuck.yaml", "--id", "s1")
    assert magent(capsys, "explain", "s1").out.splitlines()[2:13] == [
        "    3  rate → mend  failed",
        "       no_route: no edge of 'rate' holds",
        "       refused mend when output.data > 5 — does not hold: output.data = 3",
        "       `on_error: goto` took the failure",
        "       taken mend — the only way",
        "    5  mend  failed",
        "       no_route: no edge of 'mend' holds",
        "       refused end when output.data > 5 — does not hold: output.data = 4",
        "",
        "The run is failed",
        "  no_route at mend: no edge of 'mend' holds: `output.data > 5` is false (output.data = 4)",
    ]
    rate, mend = json.loads(magent(capsys, "explain", "s1", "--output", "json").out)["visits"]
    assert rate["missed_edges"][0]["when"]["values"] == {"output.data": 3}
    assert (rate["on_error"], mend["on_error"]) == ("`on_error: goto` took the failure", None)
    assert mend["edges"][0]["when"]["values"] == {"output.data": 4}


def test_a_route_that_no_role_fits_is_told_with_its_candidates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lost.yaml").write_text(
        "magent: 1\nname: lost\nagents: {b: {replies: [x]}}\ninputs: {s: {type: string, default: welding}}\n"
        "roles: {writer: {agent: b, skills: [writing]}, tester: {agent: b, skills: [testing]}}\n"
        "nodes:\n"
        "  a: {prompt: do, route: {skills: ['{{ inputs.s }}']}, on_error: continue, next: c}\n"
        "  c: {set: {x: 1}}\n"
    )
    assert magent(capsys, "run", "lost.yaml", "--id", "l1").code == 0
    assert magent(capsys, "explain", "l1", "a").out.splitlines()[2:8] == [
        "    3  a → c  failed",
        "       route led to no role",
        "       refused writer 0.00 — no skill 'welding'",
        "       refused tester 0.00 — no skill 'welding'",
        "       agent: no role has the skill 'welding' (known: writing, testing)",
        "       `on_error: continue` took the failure",
    ]
    (visit, _) = json.loads(magent(capsys, "explain", "l1", "--output", "json").out)["visits"]
    candidates = [(each["role"], each["fits"]) for each in visit["decisions"][0]["decision"]["candidates"]]
    assert sorted(candidates) == [("tester", False), ("writer", False)]
