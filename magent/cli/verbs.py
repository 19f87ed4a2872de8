"""The table of verbs: name, module and one line of help. Nothing is imported to print it."""

from __future__ import annotations

from typing import NamedTuple


class VerbEntry(NamedTuple):
    """A verb `name` ("run", "runs list") is the function `function` of the module `magent.cli.<module>`."""

    name: str
    module: str
    function: str
    help: str


VERBS: tuple[VerbEntry, ...] = (
    VerbEntry("run", "run", "run", "Run a workflow."),
    VerbEntry("resume", "resume", "resume", "Go on with a run from where it stood."),
    VerbEntry("respond", "respond", "respond", "Answer a waiting run, or see what it asks."),
    VerbEntry("validate", "validate", "validate", "Report every problem of workflow files."),
    VerbEntry("graph", "graph", "graph", "Draw a workflow as DOT, Mermaid, JSON or a picture."),
    VerbEntry("runs list", "runs", "list_runs", "List the runs in the store, the newest first."),
    VerbEntry("runs show", "runs", "show_run", "Show one run: status, visits, cost, result."),
    VerbEntry("schema", "schema", "schema", "Print a JSON Schema of the language."),
)

ENTRIES = {entry.name: entry for entry in VERBS}
DEFAULTS = {"runs": "runs list"}  # what a first word alone means

_OVERVIEW_HEAD = """\
Usage: magent VERB [OPTIONS] [ARGUMENTS]

Multi-agent workflows in YAML: run them, stop them, resume them, see them.

Verbs:
"""

_OVERVIEW_TAIL = """
Options, before or after the verb:
  -q, --quiet      Print errors and final hints only.
  -v, --verbose    Print more; a traceback where something failed.
  --no-color       Print without colours (NO_COLOR does the same).
  --store URL      Where runs are kept, such as file:.magent (MAGENT_STORE does the same).
  --version        Print the version.
  -h, --help       Print this, or the help of a verb.

Example:
  magent run workflow.yaml -i topic=tides

`magent VERB --help` says more about one verb.
"""


def first_words() -> tuple[str, ...]:
    """`run`, `resume`, … `runs`: each once, in the order of the table."""
    return tuple(dict.fromkeys(entry.name.split()[0] for entry in VERBS))


def second_words(first: str) -> tuple[str, ...]:
    """`list`, `show` of `runs`; nothing for a verb of one word."""
    return tuple(entry.name.split()[1] for entry in VERBS if entry.name.startswith(first + " "))


def overview(first: str = "") -> str:
    """What `magent --help` prints; with a first word, what is known of the verbs that begin with it."""
    shown = [entry for entry in VERBS if entry.name.startswith(first)]
    width = max(len(entry.name) for entry in shown) + 3
    rows = "".join(f"  {entry.name:<{width}}{entry.help}\n" for entry in shown)
    return f"{_OVERVIEW_HEAD}{rows}{_OVERVIEW_TAIL}"
