"""Problems in the forms that build servers read."""

from __future__ import annotations

import json

from magent.cli import reports
from magent.source import Position, Problem

ERROR = Problem("unknown-target", "no node 'a,b: 50%'\nhere", Position("my flow.yaml", 3, 7), "nodes.x.next", "use 'c'")
WARNING = Problem("unused", "the role 'r' is not used", Position("my flow.yaml", 9, 1), severity="warning")


def test_text_shows_the_line_and_a_caret() -> None:
    assert reports.text([WARNING], {"my flow.yaml": [""] * 8 + ["roles: {r: {}}"]}).splitlines() == [
        "my flow.yaml:9:1: warning: the role 'r' is not used [unused]",
        "  9 | roles: {r: {}}",
        "    | ^",
    ]


def test_json_is_a_list_of_problems() -> None:
    first, second = json.loads(reports.as_json([ERROR, WARNING], {}))
    assert (first["file"], first["line"], first["column"], first["code"]) == ("my flow.yaml", 3, 7, "unknown-target")
    assert (first["severity"], second["severity"]) == ("error", "warning")
    assert json.loads(reports.as_json([], {})) == []


def test_github_escapes_what_would_end_the_command() -> None:
    error, warning = reports.github([ERROR, WARNING], {}).splitlines()
    assert error.startswith("::error file=my flow.yaml,line=3,col=7,title=unknown-target::no node 'a,b: 50%25'%0Ahere")
    assert warning.startswith("::warning file=my flow.yaml,line=9,col=1,title=unused::")
    comma = Problem("a,b:c", "m", Position("a,b:c", 1, 1))
    assert "file=a%2Cb%3Ac,line=1,col=1,title=a%2Cb%3Ac::m" in reports.github([comma], {})


def test_sarif_names_rule_level_and_place() -> None:
    document = json.loads(reports.sarif([ERROR, WARNING], {}))
    run = document["runs"][0]
    assert document["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["unknown-target", "unused"]
    first = run["results"][0]
    assert (first["ruleId"], first["level"]) == ("unknown-target", "error")
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "my%20flow.yaml"
    assert place["region"] == {"startLine": 3, "startColumn": 7}


def test_gitlab_tells_two_problems_apart_and_one_again() -> None:
    first, second = json.loads(reports.gitlab([ERROR, WARNING], {}))
    again = json.loads(reports.gitlab([ERROR], {}))[0]
    assert first["fingerprint"] == again["fingerprint"] != second["fingerprint"]
    assert (first["severity"], second["severity"]) == ("major", "minor")
    assert first["location"] == {"path": "my flow.yaml", "lines": {"begin": 3}}


def test_no_problem_prints_nothing_as_text_or_for_github() -> None:
    assert reports.text([], {}) == reports.github([], {}) == ""
