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
    VerbEntry("sweep", "People", "sweep", "sweep", "Fire deadlines that have passed, tidy up; for cron."),
    VerbEntry("runs list", "Look back", "runs", "list_runs", "List the runs in the store, the newest first."),
    VerbEntry("runs show", "Look back", "runs_show", "show_run", "Show one run: what happened, what to type next."),
    VerbEntry("runs history", "Look back", "runs_history", "history_of", "Show a run's state, step by step."),
    VerbEntry("report", "Look back", "report", "report", "Write a run as one page that opens in a browser."),
    VerbEntry("trace", "Look back", "trace", "trace", "Show where a run's time, tokens and money went."),
    VerbEntry("explain", "Look back", "explain", "explain", "Say why a run took its edges and its roles."),
    VerbEntry("runs cancel", "Look back", "runs_end", "cancel_run", "End a run for good."),
    VerbEntry("runs rm", "Look back", "runs_end", "remove_runs", "Remove runs and all that is kept of them."),
    VerbEntry("runs clean", "Look back", "clean", "clean_runs", "Remove runs that have had their time."),
    VerbEntry("runs copy", "Look back", "runs_copy", "copy_run", "Copy a run to another store, and check the copy."),
    VerbEntry("checkpoints list", "Look back", "checkpoints", "list_checkpoints", "List a run's checkpoints."),
    VerbEntry("checkpoints show", "Look back", "checkpoints", "show_checkpoint", "Show how a run stood at an event."),
    VerbEntry("checkpoints clean", "Look back", "clean", "clean_checkpoints", "Drop checkpoints; nothing is lost."),
    VerbEntry("stats", "Look back", "stats", "stats", "Say how runs fared, and how people answered."),
    VerbEntry("validate", "Check and draw", "validate", "validate", "Report every problem of workflow files."),
    VerbEntry("graph", "Check and draw", "graph", "graph", "Draw a workflow, or a run's path over it."),
    VerbEntry("diff", "Check and draw", "diff", "diff", "Say what differs: of two files, or of two runs."),
    VerbEntry("schema", "Check and draw", "schema", "schema", "Print a JSON Schema of the language."),
    VerbEntry("agents list", "Agents, roles, tools", "agents", "list_agents", "List a file's agents."),
    VerbEntry("agents show", "Agents, roles, tools", "agents", "show_agent", "Show one agent, and if it is ready."),
    VerbEntry("agents ask", "Agents, roles, tools", "agents", "ask", "Ask one agent something, alone."),
    VerbEntry(
        "roles list", "Agents, roles, tools", "roles", "list_roles", "List roles: predefined ones, and a file's."
    ),
    VerbEntry("roles show", "Agents, roles, tools", "roles", "show_role", "Show one role, with what it extends."),
    VerbEntry("roles route", "Agents, roles, tools", "roles", "route", "Say to which role a task goes, and why."),
    VerbEntry("tools list", "Agents, roles, tools", "tools", "list_tools", "List tools: built-in ones, and a file's."),
    VerbEntry("tools show", "Agents, roles, tools", "tools", "show_tool", "Show one tool, with what it takes."),
    VerbEntry("tools call", "Agents, roles, tools", "tools", "call_tool", "Call a tool by hand."),
    VerbEntry("doctor", "Everything else", "doctor", "doctor", "Check what magent works with."),
    VerbEntry("completion", "Everything else", "completion", "completion", "Print what teaches a shell to complete."),
)

ENTRIES = {entry.name: entry for entry in VERBS}
DEFAULTS = {
    "runs": "runs list",
    "checkpoints": "checkpoints list",
    "agents": "agents list",
    "roles": "roles list",
    "tools": "tools list",
}  # what a first word alone means


def first_words() -> tuple[str, ...]:
    """`run`, `resume`, … `runs`: each once, in the order of the table."""
    return tuple(dict.fromkeys(entry.name.split()[0] for entry in VERBS))


def second_words(first: str) -> tuple[str, ...]:
    """`list`, `show` of `runs`; nothing for a verb of one word."""
    return tuple(entry.name.split()[1] for entry in VERBS if entry.name.startswith(first + " "))
