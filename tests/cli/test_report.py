"""`magent report`: what the page of a run tells, and what it holds back."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from magent.report.facts import axis_of
from magent.report.html import tag
from magent.report.values import brief, shown
from magent.spans.span import Span
from tests.cli.helpers import magent

HOSTILE = "</pre></script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
PUBLISH = """
    magent: 1
    name: publish
    description: Writes a note, has it judged, asks, and publishes.
    inputs: {topic: {type: string, default: tides}, parts: {type: array, default: [api, web]}}
    state: {notes: {type: array, default: [], reduce: append}}
    agents:
      writer:
        replies: ["__HOSTILE__", "A better note."]
      critic: {replies: [{reply: {score: 5}}, {reply: {score: 9}}]}
    tools: {sum: {builtin: calculator}}
    nodes:
      draft:
        prompt: Write about {{ inputs.topic }}, {{ state.notes | length }} so far
        system: Be brief.
        agent: writer
        set: {notes: "{{ output }}"}
        next: judge
      judge:
        prompt: Judge the note
        agent: critic
        output: {score: {type: integer}}
        next: [{to: add, when: output.score >= 8}, {loop_back: draft, max: 3}, {to: end}]
      add: {tool: sum, with: {expression: "40 + 2"}, next: check}
      check: {type: parallel, for_each: inputs.parts, as: part, body: probe, on_branch_error: collect, next: sign_off}
      probe: {run: "test {{ part }} != web"}
      sign_off:
        type: human_input
        input: approval
        prompt: Publish it?
        next: [{to: out, when: output.approved}, {to: end}]
      out: {run: "echo out"}
""".replace("__HOSTILE__", HOSTILE)


@pytest.fixture
def published(here: Path, capsys: Any) -> Path:
    """The run `r1`, which a person has approved, and which is over."""
    here.joinpath("publish.yaml").write_text(dedent(PUBLISH), "utf-8")
    assert magent(capsys, "run", "publish.yaml", "--id", "r1", "--no-input").code == 3
    answered = magent(
        capsys, "respond", "r1", "sign_off", "--approve", "--by", "Ada", "--comment", "Well done.", "--resume"
    )
    assert answered.code == 0
    return here


def told(html: str) -> str:
    """The words of a page as a reader meets them."""
    body = re.sub(r"<(style|script)>.*?</\1>|<title>.*?</title>", " ", html, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_a_report_is_one_file_named_after_the_run(published: Path, capsys: Any) -> None:
    outcome = magent(capsys, "report")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == "report-r1.html is written: open it in a browser\n"
    assert magent(capsys, "report", "r1", "-o", "run.html").code == 0
    assert published.joinpath("run.html").read_text() == published.joinpath("report-r1.html").read_text()
    assert magent(capsys, "report", "r1", "-o", "-").out.startswith("<!doctype html>")


def test_a_report_tells_prompts_answers_calls_state_costs_and_who_approved(published: Path, capsys: Any) -> None:
    page = told(magent(capsys, "report", "r1", "-o", "-").out)
    assert page.count("Life 2") == 1
    assert "resume publish" not in page
    for words in (
        "publish completed Writes a note, has it judged, asks, and publishes.",
        "System Be brief. Prompt Write about tides, 0 so far",
        "Prompt Write about tides, 1 so far Answer A better note.",
        "tool sum",
        'Arguments expression: "40 + 2"',
        "Command test api != web",
        "exit : the command ended with exit code 1",
        "question answer by via when took sign_off approval Publish it? approved comment: Well done. Ada command",
        "writer (replies) 2 0 0 $0",
        "~ judge.score : 5 → 9",
        "notes[1] : A better note.",
        "Life 2: it was gone on with",
        "Inputs topic: tides",
    ):
        assert words in page


def test_what_a_model_says_is_text_and_the_page_asks_for_nothing(published: Path, capsys: Any) -> None:
    html = magent(capsys, "report", "r1", "-o", "-").out
    found: list[tuple[str, dict[str, str | None]]] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, dict(attrs)))

    Tags().feed(html)
    assert HOSTILE in unescape(html)
    assert [name for name, _ in found if name in ("img", "iframe", "object", "link", "base", "form")] == []
    assert [name for name, _ in found].count("script") == 1
    assert not [key for _, attributes in found for key in attributes if key.startswith("on") or key in ("src", "style")]
    assert {(attributes["href"] or "")[:1] for name, attributes in found if name == "a"} == {"#"}


def test_only_its_own_script_and_styles_are_let_in(published: Path, capsys: Any) -> None:
    html = magent(capsys, "report", "r1", "-o", "-").out
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1])  # type: ignore[index]
    assert policy.startswith("default-src 'none'; ")
    for name in ("style", "script"):
        (text,) = re.findall(rf"<{name}>(.*?)</{name}>", html, re.S)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy


def test_a_run_that_waits_says_what_answers_it_and_a_failed_one_why(demo: Path, capsys: Any) -> None:
    magent(capsys, "run", "demo.yaml", "-i", "topic=tides", "--no-input", "--id", "w1")
    magent(capsys, "run", "failing.yaml", "--id", "f1")
    waiting = told(magent(capsys, "report", "w1", "-o", "-").out)
    assert "sign_off asks for approval" in waiting
    assert "magent respond w1 sign_off --approve" in waiting
    failed = told(magent(capsys, "report", "f1", "-o", "-").out)
    assert "failing failed" in failed
    assert "exit at lint : the command ended with exit code 3" in failed


def test_a_fork_names_the_run_it_comes_from(demo: Path, capsys: Any) -> None:
    magent(capsys, "run", "failing.yaml", "--id", "f1")
    fork = magent(capsys, "resume", "f1", "--from", "lint", "--output", "json")
    assert fork.code == 1
    assert "forked from f1 , at lint" in told(magent(capsys, "report", "latest", "-o", "-").out)


def test_secrets_stay_hidden_also_in_prompts_that_are_made_anew(
    here: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOUSE_KEY", "hunter<2>hunter")
    here.joinpath("w.yaml").write_text(
        dedent("""
        magent: 1
        name: w
        secrets: [HOUSE_KEY]
        agents: {a: {command: [cat]}}
        nodes:
          read: {run: 'echo "$K"', env: {K: "{{ secrets.HOUSE_KEY }}"}, next: ask}
          ask: {prompt: "The key is {{ state.read.stdout }}", agent: a}
        """)
    )
    assert magent(capsys, "run", "w.yaml", "--id", "s1").code == 0
    html = magent(capsys, "report", "s1", "-o", "-").out
    assert told(html).count("The key is ***") > 1
    assert "hunter" not in html


def test_of_many_items_the_first_and_last_and_those_that_failed_are_told(here: Path, capsys: Any) -> None:
    here.joinpath("many.yaml").write_text(
        dedent("""
        magent: 1
        name: many
        nodes:
          each: {type: parallel, for_each: range(1500), as: n, body: mark, on_branch_error: collect}
          mark: {set: {a: "{{ 1 // (n - 777) }}"}}
        """)
    )
    assert magent(capsys, "run", "many.yaml", "--id", "m1").code == 0
    html = magent(capsys, "report", "m1", "-o", "-").out
    assert len(html) < 700_000
    assert "[777] mark" in told(html)
    assert "402 completed, not shown here" in told(html)
    assert "598 completed, not shown here" in told(html)
    assert "rows are not shown here: magent trace m1 tells all" in told(html)


GIVEN = """
    magent: 1
    name: given
    inputs: {who: {type: string, default: "Ann & co"}}
    secrets: [GIVEN_SECRET]
    tools: {pay: {call: "given_tools:pay", confirm: true}, calc: {builtin: calculator}}
    chains: {twice: {inputs: {x: {type: integer}}, steps: [{tool: calc, with: {expression: "{{ inputs.x }} * 2"}}]}}
    agents:
      bot: {replies: [{call: pay, with: {amount: 5}}, {call: pay, with: {amount: 7}}, done]}
    nodes:
      add: {call: "given_tools:add", with: {a: 1, b: "{{ inputs.who | length }}"}, next: sh}
      sh: {run: "echo {{ inputs.who }} x{{ state.add }}y; echo $P", env: {P: "{{ secrets.GIVEN_SECRET }}"}, next: ls}
      ls: {run: [echo, -n, "{{ state.sh.data }}"], next: ch}
      ch: {chain: twice, with: {x: "{{ state.add }}"}, next: sub}
      sub: {type: subgraph, uses: inner, with: {v: "{{ state.ch }}"}, next: pr}
      pr: {prompt: pay it, agent: bot, tools: [pay]}
    subgraphs: {inner: {inputs: {v: {type: integer}}, nodes: {m: {set: {q: 1}}}}}
"""


@pytest.fixture
def given(here: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run `r1`, in which Ann let a call be made, and Bob none."""
    monkeypatch.setenv("GIVEN_SECRET", "swordfish-9")
    here.joinpath("given_tools.py").write_text(
        "def add(a, b): return a + b\ndef pay(amount: int) -> str: return 'paid'\n"
    )
    here.joinpath("given.yaml").write_text(dedent(GIVEN))
    answers = "pay: [{approved: true, by: ann, comment: fine}, {approved: false, by: bob, comment: too much}]"
    here.joinpath("answers.yaml").write_text(answers)
    assert magent(capsys, "run", "given.yaml", "--answers", "answers.yaml", "--id", "r1").code == 0
    return here


def test_a_report_tells_what_commands_functions_chains_and_subgraphs_were_given(given: Path, capsys: Any) -> None:
    magent(capsys, "report", "r1", "-o", "r.html")
    page = given.joinpath("r.html").read_text("utf-8")
    told = [
        (title, " ".join(unescape(re.sub("<[^>]+>", " ", body)).split()))
        for title, body in re.findall(r"<figcaption>(Command|Arguments|Inputs)</figcaption>(.*?)</figure>", page, re.S)
    ]
    assert told[:6] == [
        ("Arguments", "a: 1 b: 8"),
        ("Command", "echo 'Ann & co' x9y; echo $P"),
        ("Command", "echo -n 'Ann & co x9y ***'"),
        ("Arguments", "x: 9"),
        ("Arguments", 'expression: "9 * 2"'),
        ("Inputs", "v: 18"),
    ]
    assert "swordfish" not in page


def test_who_let_a_tool_be_called_is_named(given: Path, capsys: Any) -> None:
    magent(capsys, "report", "r1", "-o", "r.html")
    page = unescape(re.sub("<[^>]+>", " ", given.joinpath("r.html").read_text("utf-8")))
    assert "ann agreed (file): fine" in page
    assert "bob said no (file): too much" in page
    people = " ".join(page.split())
    assert re.search(r'pr confirm pay\(\{"amount": 5\}\) approved comment: fine ann file 20', people)
    assert re.search(r'pr confirm pay\(\{"amount": 7\}\) rejected comment: too much bob file 20', people)
    shown = magent(capsys, "runs", "show", "r1").out
    assert "→ pay(amount=5) — ann agreed (file): fine" in shown
    assert "→ pay(amount=7) — bob said no (file): too much" in shown


def test_a_trace_as_json_has_what_each_attempt_was_given(given: Path, capsys: Any) -> None:
    spans = json.loads(magent(capsys, "trace", "r1", "--output", "json").out)["spans"]
    given_ = {span["path"]: span["content"].get("input") for span in spans if span["kind"] == "attempt"}
    assert given_ == {
        "add": {"a": 1, "b": 8},
        "sh": "echo 'Ann & co' x9y; echo $P",
        "ls": "echo -n 'Ann & co x9y\n***'",
        "ch": {"x": 9},
        "pr": "pay it",
    }


def test_what_cannot_be_written_or_found_is_said(published: Path, capsys: Any) -> None:
    lost = magent(capsys, "report", "r1", "-o", "no/such/run.html")
    assert (lost.code, "there is no such directory" in lost.err) == (2, True)
    assert magent(capsys, "report", "nobody").code == 2


def test_while_nobody_drives_a_run_its_time_goes_by_at_once() -> None:
    def life(start: float, end: float) -> Span:
        return Span("", None, "life", "", "", 1, start, end)

    axis = axis_of([life(100.0, 101.0), life(5000.0, 5003.0)], 5003.0)
    assert axis.at(100.0) == 0.0
    assert axis.at(101.0) == pytest.approx(242.5)
    assert axis.at(5000.0) == pytest.approx(272.5)
    assert axis.at(5003.0) == 1000.0
    assert [gone for _, gone in axis.marks] == [4899.0]


def test_tags_escape_texts_and_attributes() -> None:
    made = tag("a", "<b>&\x00", [None, 1, tag("i", "x")], title='"<\u202e>', hidden=True, id=None)
    assert made == '<a title="&quot;&lt;�&gt;" hidden>&lt;b&gt;&amp;�1<i>x</i></a>'


def test_many_items_of_one_node_leave_room_for_the_others(
    here: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("magent.report.timeline._MOST_ROWS", 40)
    here.joinpath("many.yaml").write_text(
        dedent("""
        magent: 1
        name: many
        nodes:
          each: {type: parallel, for_each: range(100), as: n, body: inner, next: again}
          inner: {type: parallel, for_each: range(3), as: m, body: mark}
          mark: {set: {a: 1}}
          again: {type: parallel, for_each: range(100), as: n, body: same, next: last}
          same: {set: {b: 1}}
          last: {run: "true"}
        """)
    )
    assert magent(capsys, "run", "many.yaml", "--id", "m1").code == 0
    html = magent(capsys, "report", "m1", "-o", "-").out
    rows = re.findall(r'class="row (\w+)"', html)
    assert len(rows) <= 60
    assert all(f"<b>{name}</b>" in html for name in ("each", "again", "last", "[0] inner", "[0] same"))
    assert re.search(r'<a href="#v\d+">\s*<title>same ', html)


def test_of_a_long_value_the_beginning_is_told_and_that_there_is_more() -> None:
    """Whatever it is made of, and without working through the rest."""
    text, cut = shown({"rows": [{"k": n, "text": "x" * 100} for n in range(100_000)]}, 1000)
    assert text.startswith("rows:\n  - k: 0\n")
    assert 500 < len(text) <= 2000
    assert cut
    assert shown(["short", 1, None]) == ("- short\n- 1\n- null", False)
    assert brief({"a": [1, {"b": "c\nd"}]}) == '{"a": [1, {"b": "c\\nd"}]}'
    assert brief("one\n two") == "one two"
    assert brief(list(range(1000)), 20) == "[0, 1, 2, 3, 4, 5, …"
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    assert "…" in brief(deep)


ROUTED = """
    magent: 1
    name: routed
    agents:
      house: {replies: [one, two, three], system: "You are of the house of {{ inputs.house }}."}
      silent: {replies: [], fallback: [house]}
    roles:
      guard: {agent: house, skills: [python, security], instructions: "Guard {{ inputs.house }}."}
      weaver: {agent: house, skills: [python, html], instructions: Weave.}
      poet: {agent: house, skills: [prose]}
    inputs: {house: {type: string, default: Usher}}
    nodes:
      named: {prompt: One, role: weaver, system: Be brief., next: picked}
      picked: {prompt: Two, route: {skills: [python, security]}, next: third}
      third: {prompt: Three, agent: silent, next: again}
      again: {set: {n: "{{ nodes.again.visits }}"}, next: [{loop_back: again, max: 1}, {to: rounds}]}
      rounds: {type: loop, for_each: "[1, 2]", body: one}
      one: {set: {x: "{{ item }}"}}
"""


def test_a_report_tells_the_whole_system_text_and_every_candidate(here: Path, capsys: Any) -> None:
    here.joinpath("routed.yaml").write_text(dedent(ROUTED), "utf-8")
    assert magent(capsys, "run", "routed.yaml", "--id", "r1").code == 0
    html = magent(capsys, "report", "r1", "-o", "-").out
    page = told(html)
    assert "System Weave. Be brief. Prompt One" in page
    assert "System Guard Usher. You are of the house of Usher. Prompt Two" in page
    for name, way in (("guard", "taken"), ("weaver", "refused"), ("poet", "refused")):
        assert re.search(rf"{way} {name} \d+\.\d\d [^<]*skill 'security'", page), page


def test_a_report_tells_who_was_asked_instead(here: Path, capsys: Any) -> None:
    here.joinpath("routed.yaml").write_text(dedent(ROUTED), "utf-8")
    assert magent(capsys, "run", "routed.yaml", "--id", "r1").code == 0
    html = magent(capsys, "report", "r1", "-o", "-").out
    assert re.search(r": fallback, [^<]*silent", html)
    assert ": round," not in told(html), "a round is told by what is in it, not by a line of its own"


def test_every_step_of_the_state_leads_to_its_visit(here: Path, capsys: Any) -> None:
    here.joinpath("routed.yaml").write_text(dedent(ROUTED), "utf-8")
    assert magent(capsys, "run", "routed.yaml", "--id", "r1").code == 0
    html = magent(capsys, "report", "r1", "-o", "-").out
    links = re.findall(r'<a href="#(v\d+)">again(#2)?</a>', html.partition('id="state"')[2])
    assert [number for _, number in links] == ["", "#2"]
    assert len({id for id, _ in links}) == 2
    assert html.partition('id="state"')[2].count("<td>again") == 0
