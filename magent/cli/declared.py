"""What each verb takes: its arguments, its options in groups, examples that work. Data alone: help and completion are
made of it without importing what the verb does; `parser` hands the values to the verb's function under their names."""

from __future__ import annotations

from typing import NamedTuple

Closed = tuple[str, ...]


class Option(NamedTuple):
    """`flags` is `-i, --input`, or `--stream, --no-stream` where the second says no; `value` is what stands behind it,
    "" where nothing does. `many`: it may be given again. `completes`: closed values, or "file", "run", "tool", …"""

    name: str
    flags: str
    value: str
    help: str
    many: bool = False
    completes: str | Closed = ""

    @property
    def words(self) -> tuple[str, ...]:
        """Its flags: `("-i", "--input")`."""
        return tuple(self.flags.split(", "))


class Argument(NamedTuple):
    """What stands without a flag. `default` None: the verb says itself what its absence means."""

    name: str
    value: str
    help: str
    default: str | None = None
    many: bool = False
    completes: str | Closed = ""


class Example(NamedTuple):
    """A line that works where it says, and what it does."""

    line: str
    help: str


class Declared(NamedTuple):
    """A verb as its users meet it. `exits` are its exit codes, where they tell more than 0, 1 and 2 do;
    `more` are paragraphs between what it does and its options."""

    arguments: tuple[Argument, ...]
    groups: dict[str, tuple[Option, ...]]
    examples: tuple[Example, ...]
    exits: tuple[tuple[str, str], ...] = ()
    more: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[Option, ...]:
        """All its options, with those that every verb takes."""
        return (*self.own, *GLOBALS)

    @property
    def own(self) -> tuple[Option, ...]:
        """The options that only this verb takes."""
        return tuple(option for group in self.groups.values() for option in group)


GLOBALS = (
    Option("quiet", "-q, --quiet", "", "Print errors and final hints only."),
    Option("verbose", "-v, --verbose", "", "Print more; a traceback where something failed."),
    Option("no_color", "--no-color", "", "Print without colours (NO_COLOR does the same)."),
    Option("store", "--store", "URL", "Where runs are kept, such as file:.magent (MAGENT_STORE does the same)."),
    Option("version", "--version", "", "Print the version."),
    Option("help", "-h, --help", "", "Print this."),
)

DURABILITIES = ("sync", "async", "exit")
STATUSES = ("running", "waiting", "completed", "failed", "cancelled", "interrupted", "damaged", "sealed")

CLEANED = STATUSES[1:]
"""The statuses of runs that may be removed: nobody is at work on them."""

EXITS = (
    ("0", "completed"),
    ("1", "failed or cancelled"),
    ("2", "bad usage, or an invalid file"),
    ("3", "waits for a person"),
    ("4", "stopped by a limit"),
    ("5", "the stored record cannot be used"),
    ("130", "interrupted; magent resume goes on"),
)
"""The exit codes of a run."""

_FILE = Argument("file", "[FILE]", "The workflow file; without it, ./workflow.yaml.", "workflow.yaml", completes="file")
_ID = Argument(
    "id", "[ID]", "The run: its id, its beginning or end, or latest, the default.", "latest", completes="run"
)
_INPUT = Option("input", "-i, --input", "NAME=VALUE", "An input. NAME=@FILE reads a file, NAME=- stdin.", many=True)
_INPUTS = Option("inputs_file", "--inputs", "FILE", "Inputs from a JSON or YAML file.", completes="file")
_ANSWERS = Option("answers", "--answers", "FILE", "Answers to its questions, from a YAML file.", completes="file")
_NO_INPUT = Option("no_input", "--no-input", "", "Ask nothing in the terminal: the run waits instead.")
_USE_DEFAULTS = Option("use_defaults", "--use-defaults", "", "Where nobody answers, take a question's default.")
_AGENT = Option(
    "agent", "--agent", "NAME=WHO", "In an agent's place, in this run: another agent, wholly, or a model.", many=True
)
_LIMIT = Option("limit", "--limit", "NAME=N", "Of steps, tokens, usd or timeout, such as usd=5.", many=True)
_WIDTH = Option("max_concurrency", "--max-concurrency", "N", "At most N tasks at a time.")
_OTLP = Option("otlp", "--otlp", "URL", "Send its spans to an OpenTelemetry collector.")
_STREAM = Option("stream", "--stream, --no-stream", "", "Show text as it is written, or do not.")
_AGENTS_OF = Option(
    "file", "-f, --file", "FILE", "Of a workflow or library; without it, ./workflow.yaml.", completes="file"
)
_ROLES_OF = Option("file", "-f, --file", "FILE", "With the roles of a workflow or library.", completes="file")
_TOOLS_OF = Option("file", "-f, --file", "FILE", "With the tools of a workflow or library.", completes="file")


def _output(*forms: str) -> Option:
    return Option("output", "--output", "|".join(forms), "What stdout gets.", completes=forms)


DECLARED: dict[str, Declared] = {
    "run": Declared(
        (_FILE,),
        {
            "Inputs": (_INPUT, _INPUTS),
            "People": (_ANSWERS, _NO_INPUT, _USE_DEFAULTS),
            "Agents and limits": (_AGENT, _LIMIT, _WIDTH),
            "Record": (
                Option("id", "--id", "ID", "The id of the run: letters, digits, _ and -."),
                Option(
                    "durability", "--durability", "|".join(DURABILITIES), "When the record is on the disk.",
                    completes=DURABILITIES,
                ),
            ),
            "How far": (
                Option("dry_run", "--dry-run", "", "Show the plan; run nothing, spend nothing."),
                Option("stop_after", "--stop-after", "NODE", "Stop after this node.", completes="node"),
            ),
            "Output": (_output("text", "json", "jsonl"), _STREAM, _OTLP),
        },
        (
            Example("magent run", "Runs ./workflow.yaml; asks in the terminal where it needs a person."),
            Example("magent run workflow.yaml -i topic=tides --output json", "Gives an input; prints one object."),
            Example("magent run workflow.yaml --dry-run", "Says what would be done, and does nothing."),
        ),
        EXITS,
    ),
    "resume": Declared(
        (_ID,),
        {
            "In a new run": (
                Option(
                    "origin", "--from", "PLACE", "From NODE, an address such as each[2]/draft, or an event's number.",
                    completes="visit",
                ),
                Option("workflow", "--workflow", "FILE", "With an edited file: what it changes runs again.",
                       completes="file"),
                Option("only_failed", "--only-failed", "", "Only branches that failed run again, and what follows."),
            ),
            "Look": (Option("plan", "--plan", "", "Say what would be kept and done again, and why; do nothing."),),
            "People": (_ANSWERS, _NO_INPUT, _USE_DEFAULTS),
            "Limits": (_LIMIT._replace(help="Raise a limit: steps, tokens, usd or timeout."), _WIDTH),
            "Output": (_output("text", "json", "jsonl"), _STREAM, _OTLP),
        },
        (
            Example("magent resume", "Goes on with the newest run."),
            Example("magent resume latest --limit usd=5", "Goes on with more to spend."),
            Example("magent resume latest --workflow workflow.yaml --plan", "What an edited file would change."),
            Example("magent resume latest --from draft", "Does draft again, and what follows from it."),
        ),
        EXITS,
        (
            "Finished work is never done again. --from, --workflow and --only-failed begin a new run, whose parent is"
            " the old one: it takes over what still holds, and the old one stays as it is, whatever its status."
            " Branches and items that nothing changes for keep their results; `#2` behind a node or an address means"
            " its second visit; a node of branches or items, without an address, means each of its visits.",
            "With --workflow a visit is kept where what it does (with its agents, tools and files), what it reads and"
            " what came before are the same. What has effects outside is never repeated unasked.",
        ),
    ),
    "respond": Declared(
        (
            Argument("id", "[ID]", "The run: its id, its beginning or end, or latest.", completes="run"),
            Argument("node", "[NODE]", "The question: its node or address.", completes="question"),
        ),
        {
            "Answers": (
                Option("approve", "--approve", "", "Approve (approval)."),
                Option("reject", "--reject", "", "Reject (approval)."),
                Option("text", "--text", "TEXT", "Answer with text (feedback, review's comments)."),
                Option("choose", "--choose", "VALUE", "Choose an option (choice); again for several.", many=True),
                Option("rate", "--rate", "N", "Rate (rating)."),
                Option(
                    "decision", "--decision", "approve|request_changes|reject", "Decide (review).",
                    completes=("approve", "request_changes", "reject"),
                ),
                Option("content", "--content", "TEXT", "The content, edited (review)."),
                Option("valid", "--valid", "", "It is valid (validation)."),
                Option("invalid", "--invalid", "", "It is not valid (validation)."),
                Option("error", "--error", "TEXT", "Why it is not valid; again for several.", many=True),
                Option("answer", "--answer", "JSON", "The whole answer."),
            ),
            "Beside it": (
                Option("comment", "--comment", "TEXT", "A remark beside it."),
                Option("by", "--by", "WHO", "Who answers; else your login name."),
                Option("digest", "--digest", "SHA256", "Refuse it where this is not the digest of what is asked."),
                Option("resume", "--resume", "", "Go on with the run at once."),
                Option("otlp", "--otlp", "URL", "With --resume: send its spans to an OpenTelemetry collector."),
            ),
            "Look": (
                Option("list", "--list", "", "Show everything that waits, the oldest first."),
                Option("history", "--history", "", "Show every answer: who, when, after how long, to what."),
                Option("workflow", "--workflow", "NAME", "With these: only of this workflow."),
                Option("since", "--since", "WHEN", "With these: only since 7d, 2h or 2026-11-22."),
                _output("text", "json"),
            ),
        },
        (
            Example("magent respond --list", "Shows everything that waits, each with the command that answers it."),
            Example("magent respond latest", "Shows what the newest run asks."),
            Example("magent respond latest sign_off --approve --resume", "Approves, and goes on."),
        ),
        (("0", "answered, or shown"), ("2", "the answer is refused"), ("", "with --resume: as magent resume")),
    ),
    "sweep": Declared(
        (),
        {
            "Which": (Option("answered", "--answered", "", "Go on with runs that were answered since, too."),),
            "Output": (_output("text", "json"),),
        },
        (
            Example("magent sweep", "Goes on with each run in which the time of a question or a wait is over."),
            Example("magent sweep --answered --output json", "And with those that were answered from elsewhere."),
        ),
        (
            ("0", "what was due is done, or nothing was"),
            ("1", "a run failed, or could not be gone on with: it says why"),
            ("5", "a record cannot be used"),
        ),
        (
            "Made for cron: it asks nobody, as magent resume --no-input, and does what follows from a deadline, as far"
            " as that goes now. A run that somebody drives is left to them, so that two sweeps do not get in each"
            " other's way. Then runs are removed that the settings (`retention`) let go of.",
        ),
    ),
    "runs list": Declared(
        (),
        {
            "Which": (
                Option("status", "--status", "STATUS", "Only runs of this status.", completes=STATUSES),
                Option("workflow", "--workflow", "NAME", "Only runs of this workflow."),
                Option("since", "--since", "WHEN", "Only runs begun since: 7d, 2h or 2026-11-22."),
                Option("limit", "--limit", "N", "At most N of them, the newest."),
            ),
            "Output": (_output("text", "json"),),
        },
        (Example("magent runs list --status waiting --since 7d", "What waited in the last week."),),
    ),
    "runs show": Declared(
        (_ID,),
        {"Output": (_output("text", "json"),)},
        (Example("magent runs show latest --output json", "All that is known of the newest run."),),
    ),
    "runs history": Declared(
        (_ID,),
        {
            "Which": (
                Option("node", "--node", "NODE", "Only what this node wrote: its name or address."),
                Option("since", "--since", "SEQ", "Only from this event on."),
            ),
            "Output": (_output("text", "json"),),
        },
        (
            Example("magent runs history latest", "What each visit added (+), changed (~) and took away (-)."),
            Example("magent runs history latest --node draft -v", "What one node wrote, with whole values."),
        ),
    ),
    "report": Declared(
        (_ID,),
        {
            "Output": (
                Option("file", "-o", "FILE", "The file; without it, report-ID.html; - is stdout.", completes="file"),
            )
        },
        (
            Example("magent report latest -o run.html", "Graph, timeline, prompts, state, costs, people, in one file."),
            Example("magent report", "Writes report-ID.html, of the newest run."),
        ),
    ),
    "trace": Declared(
        (_ID,),
        {
            "Form": (
                Option("chrome", "--chrome", "", "Chrome trace events, which Perfetto opens."),
                Option("file", "-o", "FILE", "Write them to a file.", completes="file"),
                _OTLP._replace(help="Send them to an OpenTelemetry collector."),
            ),
            "Output": (_output("text", "json"),),
        },
        (
            Example("magent trace latest", "A tree with time bars; the critical path is marked."),
            Example("magent trace latest --chrome -o trace.json", "Opens at ui.perfetto.dev."),
        ),
        more=(
            "--otlp http://localhost:4318 (OTLP over HTTP) or grpc://localhost:4317 sends the spans of a run that was"
            " recorded, as often as you like: they are the same ones that `magent run --otlp` sends as they happen.",
        ),
    ),
    "explain": Declared(
        (
            _ID,
            Argument("node", "[NODE]", "Only this node: its name, its address, or draft#2.", completes="visited"),
        ),
        {"Output": (_output("text", "json"),)},
        (
            Example("magent explain latest", "Each edge that was looked at, with the values that its condition saw."),
            Example("magent explain latest draft", "Why the run went on from draft as it did."),
        ),
        more=(
            "Of every visit it tells which edges were looked at, in order, what their conditions saw and which was"
            " taken; why a loop went on, a branch was left out, a node was skipped; and of what was routed or delegated"
            " the candidates with their scores.",
        ),
    ),
    "runs cancel": Declared(
        (Argument("id", "ID", "The run: its id, its beginning or end, or latest.", completes="run"),),
        {
            "Beside it": (
                Option("reason", "--reason", "TEXT", "Why; kept in the record."),
                Option("by", "--by", "WHO", "Who says so; else your login name."),
            ),
            "Output": (_output("text", "json"),),
        },
        (Example("magent runs cancel latest --reason 'the wrong branch'", "Ends the newest run, whoever drives it."),),
        (("0", "it is cancelled, or was over already"), ("1", "whoever drives it has not obeyed yet")),
    ),
    "runs rm": Declared(
        (Argument("ids", "ID...", "The runs: their ids, beginnings or ends of them.", many=True, completes="run"),),
        {"Sure": (Option("yes", "--yes", "", "Do not ask."),)},
        (Example("magent runs rm latest --yes", "Removes the newest run, without asking."),),
        (("0", "removed"), ("1", "kept, by your answer"), ("5", "somebody drives it: cancel it first")),
    ),
    "runs clean": Declared(
        (),
        {
            "Which": (
                Option("older_than", "--older-than", "TIME", "Runs whose last event is older: 7d, 12h."),
                Option("keep", "--keep", "N", "The newest N runs stay, whatever they are (with --workflow: of it)."),
                Option(
                    "status",
                    "--status",
                    "STATUS",
                    "Only runs of this status; without it: completed, failed, cancelled.",
                    many=True,
                    completes=CLEANED,
                ),
                Option("workflow", "--workflow", "NAME", "Only runs of this workflow."),
            ),
            "Sure": (
                Option("dry_run", "--dry-run", "", "Show what would be removed; remove nothing."),
                Option("yes", "--yes", "", "Do not ask."),
            ),
            "Output": (_output("text", "json"),),
        },
        (
            Example("magent runs clean --older-than 30d --keep 20 --dry-run", "What would go, and how much that is."),
            Example("magent runs clean --status failed --older-than 7d --yes", "Removes what failed a week ago."),
        ),
        (("0", "removed, or nothing to remove"), ("1", "kept, by your answer")),
        more=("Without --older-than, --keep and --status the settings say which (`retention`).",),
    ),
    "runs copy": Declared(
        (_ID,),
        {
            "Where": (
                Option("to", "--to", "URL", "The other store, such as sqlite:///runs.db or file:backup."),
                Option(
                    "key_env",
                    "--key-env",
                    "NAME",
                    "Under the key in this variable there; none: in the clear. Without it, as the settings say.",
                ),
                Option("move", "--move", "", "Remove the original when the copy is checked."),
            ),
            "Output": (_output("text", "json"),),
        },
        (
            Example("magent runs copy latest --to file:backup", "A backup of the newest run."),
            Example("magent runs copy latest --to sqlite:///runs.db --move", "Takes it to another store."),
        ),
        (("0", "copied, and the copy is like the original"), ("2", "the id is taken there"), ("5", "not copied")),
    ),
    "checkpoints list": Declared(
        (_ID,),
        {"Output": (_output("text", "json"),)},
        (Example("magent checkpoints list latest", "What is kept of the newest run, and whether it is sound."),),
    ),
    "checkpoints show": Declared(
        (
            _ID,
            Argument("seq", "[SEQ]", "The number of an event, or latest, the default.", "latest"),
        ),
        {"Output": (_output("text", "json"),)},
        (
            Example("magent checkpoints show latest", "How the newest run stands: its state, and where it is."),
            Example("magent checkpoints show latest 2", "How it stood after its second event."),
        ),
    ),
    "checkpoints clean": Declared(
        (_ID._replace(help="The run: its id, its beginning or end, or latest.", default=None),),
        {
            "Which": (
                Option("all", "--all", "", "Of all runs."),
                Option("older_than", "--older-than", "TIME", "Only those that are older: 7d, 12h."),
                Option("keep", "--keep", "N", "The newest N of each run stay."),
                Option(
                    "status", "--status", "STATUS", "Only of runs of this status.", many=True, completes=STATUSES
                ),
                Option("dry_run", "--dry-run", "", "Say what would be dropped; drop nothing."),
            ),
            "Output": (_output("text", "json"),),
        },
        (
            Example("magent checkpoints clean --all --status completed", "Those of runs that are over."),
            Example("magent checkpoints clean latest --keep 1", "All but the newest of the newest run."),
        ),
        more=("Nothing is lost: a resume reads the events instead, which takes longer.",),
    ),
    "stats": Declared(
        (),
        {
            "Which": (
                Option("workflow", "--workflow", "NAME", "Only runs of this workflow."),
                Option("since", "--since", "WHEN", "Only runs begun, and what was asked, since: 7d, 2h or 2026-11-22."),
            ),
            "Output": (_output("text", "json"),),
        },
        (
            Example("magent stats --since 7d", "How the last week's runs fared, by workflow, node and agent."),
            Example("magent stats --workflow tides --output json", "All figures of one workflow."),
        ),
        (),
        (
            "WELL is the share of runs that completed, of those that completed or failed; their times leave out what"
            " was spent on waiting for people. A node's failures are visits that failed in the end, whatever `on_error`"
            " made of that; its tokens and cost are also those of what ran in it. An agent's failures are calls;"
            " FALLBACKS: another was asked in its place.",
            "Of human input, times are those until a person answered: answers from a file, defaults and what timed out"
            " do not count. APPROVED is the share of people's answers that said yes.",
        ),
    ),
    "validate": Declared(
        (Argument("files", "[FILE]...", "Workflow files; without any, ./workflow.yaml.", many=True, completes="file"),),
        {
            "Check": (Option("strict", "--strict", "", "Warnings fail, too."),),
            "Output": (
                _output("text", "json", "github", "sarif", "gitlab")._replace(help="The form of the report."),
            ),
        },
        (
            Example("magent validate", "Checks ./workflow.yaml."),
            Example("magent validate --strict *.yaml", "Checks several files; warnings fail."),
        ),
        (("0", "no file has an error"), ("2", "errors; with --strict, warnings too")),
    ),
    "graph": Declared(
        (Argument("file", "[FILE|ID]", "The workflow, or a run.", "workflow.yaml", completes="file"),),
        {
            "Form": (
                Option("text", "--text", "", "Boxes and lines; the default in a terminal."),
                Option("dot", "--dot", "", "Graphviz's language; the default in a pipe or a file."),
                Option("mermaid", "--mermaid", "", "A Mermaid flowchart."),
                Option("json", "--json", "", "Nodes and edges as JSON."),
            ),
            "Output": (
                Option("width", "--width", "N", "Columns of --text; else the window's, COLUMNS or 80."),
                Option("output", "-o, --output", "FILE", "Write FILE.(txt|dot|mmd|json|svg|png).", completes="file"),
            ),
        },
        (
            Example("magent graph workflow.yaml --text", "Draws the workflow in the terminal."),
            Example("magent graph latest", "Draws the newest run's path over its workflow."),
            Example("magent graph workflow.yaml --mermaid", "Prints a Mermaid flowchart."),
        ),
    ),
    "diff": Declared(
        (
            Argument("a", "A", "A workflow file, or a run.", completes="either"),
            Argument("b", "B", "What it is held against.", completes="either"),
        ),
        {"Output": (_output("text", "json"),)},
        (
            Example("magent diff old.yaml workflow.yaml", "Nodes, edges, prompts, agents, roles, tools, inputs."),
            Example("magent diff latest workflow.yaml", "What was edited since the newest run began."),
            Example("magent diff monday latest", "Of two runs: path, results, time, cost, and where they part."),
        ),
        (("0", "they are the same"), ("1", "they differ"), ("2", "one of them is not there, or does not hold")),
        (
            "What is a file is taken as one. Files are held against each other as they are read, with their libraries"
            " and subgraphs: comments and layout are no difference. Runs are the same where they went the same way and"
            " came to the same results, whatever time, tokens and money it took; of those that are not, the first"
            " decision or result that differs is told with what was seen.",
        ),
    ),
    "agents list": Declared(
        (),
        {
            "Which": (_AGENTS_OF,),
            "Check": (Option("check", "--check", "", "Say of each whether it can be reached; costs nothing."),),
            "Output": (_output("text", "json"),),
        },
        (Example("magent agents list -f team.yaml --check", "Who there is, and whether they answer."),),
        (("0", "listed"), ("1", "with --check: one of them cannot be reached")),
    ),
    "agents show": Declared(
        (Argument("name", "NAME", "The agent, or a model such as local.", completes="agent"),),
        {
            "Which": (_AGENTS_OF,),
            "Check": (Option("check", "--check", "", "Ask its server whether it answers, too."),),
            "Output": (_output("text", "json"),),
        },
        (Example("magent agents show local", "What it is, what it costs, whether it is ready."),),
        (("0", "it is ready"), ("1", "something is missing: it says what")),
    ),
    "agents ask": Declared(
        (
            Argument("name", "NAME", "The agent, or a model such as openai:gpt-5-mini.", completes="agent"),
            Argument("prompt", "PROMPT", "What to ask; - reads it from stdin."),
        ),
        {
            "Which": (_AGENTS_OF,),
            "Inputs": (_INPUT._replace(help="An input of the file, for settings that read it."),),
            "Agents and limits": (_AGENT, _LIMIT),
            "Output": (_output("text", "json"),),
        },
        (
            Example('magent agents ask writer "What are tides?"', "Asks an agent of ./workflow.yaml."),
            Example("echo hello | magent agents ask eve - -f team.yaml", "Asks a file's agent what stdin says."),
        ),
        (("0", "it answered"), ("1", "it did not, and says why"), ("4", "a limit was reached")),
        ("Its tools are there as in a task; nothing is kept of what was said.",),
    ),
    "roles list": Declared(
        (),
        {"Which": (_ROLES_OF,), "Output": (_output("text", "json"),)},
        (Example("magent roles list -f team.yaml", "The roles of a workflow or library, then the predefined ones."),),
    ),
    "roles show": Declared(
        (Argument("name", "NAME", "The role.", completes="role"),),
        {"Which": (_ROLES_OF,), "Output": (_output("text", "json"),)},
        (Example("magent roles show reviewer", "What it is good at, and the instructions it gives."),),
    ),
    "roles route": Declared(
        (Argument("task", "[TASK]", "The task, in words; - reads it from stdin."),),
        {
            "What it requires": (
                Option("skills", "--skills", "A,B", "Skills that the role must have.", many=True),
                Option("expertise", "--expertise", "A,B", "Fields that it must know.", many=True),
                Option("role_type", "--role-type", "TYPE", "The type that it must be of, such as reviewer."),
                Option("prefer", "--prefer", "ROLE", "Take this one wherever it fits.", completes="role"),
            ),
            "Which": (_ROLES_OF._replace(help="Pick among the roles of a workflow or library."),),
            "Output": (_output("text", "json"),),
        },
        (
            Example(
                'magent roles route "review this login code" --skills python,security',
                "Every role with its score and why; the one that gets the task first.",
            ),
            Example('magent roles route "fix the login page"', "Without skills the words of the task decide."),
        ),
        (("0", "a role fits"), ("1", "no role fits: it says what is missing, and who comes nearest")),
    ),
    "tools list": Declared(
        (),
        {
            "Which": (_TOOLS_OF,),
            "Check": (Option("check", "--check, --no-check", "", "Import functions, start servers, or do not."),),
            "Output": (_output("text", "json"),),
        },
        (
            Example("magent tools list", "The tools that come with magent."),
            Example("magent tools list -f workflow.yaml", "Those of a file and its servers first."),
            Example("magent tools list -f workflow.yaml --no-check", "Of a stranger's file: nothing of it is run."),
        ),
    ),
    "tools show": Declared(
        (Argument("name", "NAME", "The tool, such as files.read.", completes="tool"),),
        {
            "Which": (_TOOLS_OF,),
            "Output": (
                Option("openai", "--openai", "", "Print it as OpenAI's API takes a function."),
                _output("text", "json"),
            ),
        },
        (
            Example("magent tools show files.read", "What it does, and its parameters."),
            Example("magent tools show calculator --openai", "The function, as JSON."),
        ),
    ),
    "tools call": Declared(
        (
            Argument("name", "NAME", "The tool, such as calculator.", completes="tool"),
            Argument("arguments", "[K=V]...", "Arguments; K=@FILE reads a file, K=- stdin, K=@@X is @X.", many=True),
        ),
        {"Which": (_TOOLS_OF,), "Output": (_output("text", "json"),)},
        (
            Example('magent tools call calculator expression="12.5 * 3"', "Prints the result."),
            Example("magent tools call files.read path=workflow.yaml lines=3", "Reads below this directory."),
        ),
        (
            ("0", "it was called, and gave a result"),
            ("1", "the tool failed"),
            ("2", "bad usage: no such tool, or arguments that do not fit"),
        ),
        more=("Files are those of the current directory, or of the workspace that the file names.",),
    ),
    "doctor": Declared(
        (),
        {
            "Which": (_AGENTS_OF._replace(help="With the agents of a workflow or library; else ./workflow.yaml."),),
            "Check": (Option("offline", "--offline", "", "Ask no server."),),
            "Output": (_output("text", "json"),),
        },
        (
            Example("magent doctor", "Versions, parts, the store, settings with their origin, agents."),
            Example("magent doctor -f team.yaml --offline", "Without asking any server."),
        ),
        (("0", "all is well"), ("1", "something is to be mended: it says what")),
    ),
    "completion": Declared(
        (Argument("shell", "SHELL", "bash, zsh or fish.", completes=("bash", "zsh", "fish")),),
        {},
        (
            Example('eval "$(magent completion bash)"', "Completes in this bash; in ~/.bashrc, in every one."),
            Example("magent completion zsh > _magent", "For zsh: a file in a directory of your $fpath."),
            Example("magent completion fish > magent.fish", "For fish: a file in ~/.config/fish/completions."),
        ),
        more=("Verbs, options, their values, runs, nodes and files are completed.",),
    ),
    "schema": Declared(
        (
            Argument(
                "kind", "[KIND]", "workflow, library, answers, test or settings.", "workflow",
                completes=("workflow", "library", "answers", "test", "settings"),
            ),
        ),
        {},
        (Example("magent schema workflow > workflow.schema.json", "Keeps the schema for an editor."),),
    ),
}  # fmt: skip
