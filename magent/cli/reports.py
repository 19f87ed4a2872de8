"""Problems in the forms that people and build servers read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magent.cli.console import dump
from magent.source import Problem, render
from magent.version import VERSION

Sources = Mapping[str, Sequence[str]]
Form = Callable[[Sequence[Problem], Sources], str]


def text(problems: Sequence[Problem], sources: Sources) -> str:
    return "\n".join(render(problem, sources.get(problem.position.file)) for problem in problems)


def as_json(problems: Sequence[Problem], _: Sources) -> str:
    """A list of `{severity, code, message, file, line, column, path, hint, related}`."""
    return dump([problem.as_json() for problem in problems])


def github(problems: Sequence[Problem], _: Sources) -> str:
    """Workflow commands, which GitHub Actions shows beside the lines."""
    return "\n".join(_github_line(problem) for problem in problems)


def _github_line(problem: Problem) -> str:
    place = {"file": problem.position.file, "line": problem.position.line, "col": problem.position.column}
    properties = ",".join(
        f"{name}={_github_property(value)}" for name, value in (place | {"title": problem.code}).items()
    )
    return f"::{problem.severity} {properties}::{_github_data(_sentence(problem))}"


def _github_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_property(value: Any) -> str:
    return _github_data(str(value)).replace(":", "%3A").replace(",", "%2C")


def _sentence(problem: Problem) -> str:
    at = f" (at {problem.path})" if problem.path else ""
    return f"{problem.message}{at}{'; ' + problem.hint if problem.hint else ''}"


def sarif(problems: Sequence[Problem], _: Sources) -> str:
    """SARIF 2.1.0, for code scanning."""
    codes = sorted({problem.code for problem in problems})
    driver = {"name": "magent", "version": VERSION, "rules": [{"id": code} for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif(item) for item in problems],
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return dump({"$schema": schema, "version": "2.1.0", "runs": [run]})


def _sarif(problem: Problem) -> dict[str, Any]:
    position = problem.position
    region = {"startLine": position.line, "startColumn": position.column}
    place = {"artifactLocation": {"uri": _uri(position.file)}, "region": region}
    location: dict[str, Any] = {"physicalLocation": place}
    if problem.path:
        location["logicalLocations"] = [{"fullyQualifiedName": problem.path}]
    return {
        "ruleId": problem.code,
        "level": problem.severity,
        "message": {"text": _sentence(problem)},
        "locations": [location],
    }


def _uri(file: str) -> str:
    from urllib.parse import quote

    return quote(file) if not file.startswith("/") else f"file://{quote(file)}"


def gitlab(problems: Sequence[Problem], _: Sources) -> str:
    """GitLab's Code Quality report."""
    return dump([_gitlab(problem) for problem in problems])


def _gitlab(problem: Problem) -> dict[str, Any]:
    facts = "\0".join((problem.code, problem.position.file, problem.path, problem.message))
    return {
        "description": _sentence(problem),
        "check_name": problem.code,
        "fingerprint": hashlib.sha256(facts.encode("utf-8", "replace")).hexdigest(),
        "severity": "major" if problem.severity == "error" else "minor",
        "location": {"path": problem.position.file, "lines": {"begin": problem.position.line}},
    }


FORMS: dict[str, Form] = {"text": text, "json": as_json, "github": github, "sarif": sarif, "gitlab": gitlab}
