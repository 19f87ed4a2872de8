"""From a file, a mapping or a record to a checked workflow."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from magent import settings
from magent.errors import InvalidWorkflow, MagentError, RunDamaged
from magent.keys import GUARD
from magent.model import Workflow
from magent.ports import Record
from magent.source import Position, Problem, sort_key
from magent.spec.build import build
from magent.spec.checks import check as check_bundle
from magent.spec.loader import Bundle, load_data
from magent.spec.loader import load as load_bundle

Sources = Mapping[str, list[str]]


class Checked(NamedTuple):
    """A workflow without errors, its warnings, and the lines of each file."""

    workflow: Workflow
    problems: list[Problem]
    sources: Sources


def read(source: str | os.PathLike[str] | Mapping[str, Any], name: str | None = None) -> Checked:
    """A workflow from a file or a mapping. Raises InvalidWorkflow with every problem and with `sources`."""
    if isinstance(source, Mapping):
        bundle = load_data({"magent": 1, "name": name or "workflow", **source}, os.getcwd())
    else:
        bundle = load_bundle(os.fspath(source))
    settings.read().complete(bundle)
    problems = [*_problems(bundle), *_no_workflow(bundle)]
    if any(problem.severity == "error" for problem in problems):
        invalid = InvalidWorkflow(problems)
        invalid.sources = bundle.sources
        raise invalid
    return Checked(build(bundle), problems, bundle.sources)


def workflow_of(record: Record) -> Workflow:
    """The workflow that the run started with. Raises RunDamaged."""
    with looked_at(record):
        bundle = Bundle.from_json(record.workflow)
        _guard(bundle)
        return build(bundle)


@contextlib.contextmanager
def looked_at(record: Record) -> Iterator[None]:
    """What fails in the block because the workflow kept with the run is none is told as damage. It may have come from
    anywhere, and is not checked beforehand: an older magent may have taken what this one would not. Raises RunDamaged,
    and whatever else the block does."""
    try:
        yield
    except (MagentError, OSError):
        raise
    except Exception as error:
        if wrong := _wrong(record):
            raise _damage(record, wrong) from error
        raise


def check_kept(record: Record) -> None:
    """For what works with the workflow kept with a run without running it: in one that does not hold, a loop may have
    no end. Raises RunDamaged."""
    if wrong := _wrong(record):
        raise _damage(record, wrong)


def _damage(record: Record, wrong: str) -> RunDamaged:
    told = f"the workflow kept with run {record.header.get('run_id', '')} does not hold: {wrong}"
    return RunDamaged(told, "it was changed, or written by another version of magent")


def _wrong(record: Record) -> str | None:
    """The first error of the workflow kept with a run."""
    try:
        found = check_bundle(Bundle.from_json(record.workflow))
        return next((each.message for each in found if each.severity == "error"), None)
    except Exception as error:  # noqa: BLE001 - the checks themselves rely on what a loader has made
        return f"{type(error).__name__}: {error}"


def check(path: str) -> tuple[list[Problem], Sources]:
    """Every problem of a file and all it refers to, and the lines of each file. Never raises for a bad file."""
    try:
        bundle = load_bundle(path)
        settings.read().complete(bundle)
    except InvalidWorkflow as invalid:
        return list(invalid.problems), invalid.sources
    return _problems(bundle), bundle.sources


def _problems(bundle: Bundle) -> list[Problem]:
    told = [*bundle.problems, *check_bundle(bundle), *_secrets_in(bundle)]
    found = {(each.code, each.position, each.message): each for each in told}
    return sorted(found.values(), key=sort_key)


def _no_workflow(bundle: Bundle) -> Iterator[Problem]:
    """A library is a valid file, and nothing that runs."""
    root = bundle.documents[bundle.root]
    if "nodes" not in root.data and "name" not in root.data:
        message = f"{root.file} is a library: it has no `nodes`, so there is nothing to run"
        hint = "name a workflow; one that uses the library lists it under `include`"
        yield Problem("not-a-workflow", message, Position(root.file, 1, 1), hint=hint)


def _secrets_in(bundle: Bundle) -> Iterator[Problem]:
    """Warnings where a file holds the value of a secret."""
    _guard(bundle)
    words = GUARD.words()
    for name, lines in bundle.sources.items() if words else ():
        for number, line in enumerate(lines, 1):
            for start, _ in words.spans(line)[:1]:
                message = "the value of a secret stands here, and is not kept with a run: a resume finds `***` instead"
                hint = "read it from the environment: {{ secrets.NAME }}"
                place = Position(name, number, start + 1)
                yield Problem("secret-in-file", message, place, hint=hint, severity="warning")


def _guard(bundle: Bundle) -> None:
    """From now on nothing shows the secrets that the files list."""
    for document in bundle.documents.values():
        listed = document.data.get("secrets")
        GUARD.add(listed if isinstance(listed, list) else ())
