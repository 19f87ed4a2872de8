"""The table of verbs: name, group, module and one line of help. Nothing is imported to print it."""

from __future__ import annotations

from typing import NamedTuple


class VerbEntry(NamedTuple):
    """A verb `name` ("run", "runs list") is the function `function` of the module `magent.cli.<module>`.

    Its options and examples stand in `declared`; the overview shows it under `group`.
    """

    name: str
    group: str
    module: str
    function: str
    help: str


VERBS: tuple[VerbEntry, ...] = (
    VerbEntry("run", "Run", "run", "run", "Run a workflow."),
    VerbEntry("resume", "Run", "resume", "resume", "Go on with a run from where it stood."),
    VerbEntry("respond", "People", "respond", "respond", "Answer a waiting run, or see what it asks."),
    VerbEntry("runs list", "Look back", "runs", "list_runs", "List the runs in the store, the newest first."),
    VerbEntry("runs show", "Look back", "runs", "show_run", "Show one run: status, visits, cost, result."),
    VerbEntry("validate", "Check and draw", "validate", "validate", "Report every problem of workflow files."),
    VerbEntry("graph", "Check and draw", "graph", "graph", "Draw a workflow, or a run's path over it."),
    VerbEntry("schema", "Check and draw", "schema", "schema", "Print a JSON Schema of the language."),
)

ENTRIES = {entry.name: entry for entry in VERBS}
DEFAULTS = {"runs": "runs list"}  # what a first word alone means


def first_words() -> tuple[str, ...]:
    """`run`, `resume`, … `runs`: each once, in the order of the table."""
    return tuple(dict.fromkeys(entry.name.split()[0] for entry in VERBS))


def second_words(first: str) -> tuple[str, ...]:
    """`list`, `show` of `runs`; nothing for a verb of one word."""
    return tuple(entry.name.split()[1] for entry in VERBS if entry.name.startswith(first + " "))
