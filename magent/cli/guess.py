"""What somebody meant who typed a verb or an option that there is not."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from magent.cli.declared import DECLARED, GLOBALS
from magent.cli.verbs import ENTRIES, first_words, second_words
from magent.source import did_you_mean, nearest

OTHER_WORDS = {
    "answer": "respond", "approve": "respond", "check": "validate", "continue": "resume", "draw": "graph",
    "exec": "run", "lint": "validate", "log": "runs show", "logs": "runs show", "ls": "runs list", "ps": "runs list",
    "start": "run", "status": "runs show", "version": "--version",
}  # fmt: skip
"""What other programs call what a verb does."""


def verb(words: Sequence[str]) -> str:
    """The hint for words of which the first is no verb."""
    first, rest = words[0], list(words[1:])
    if first.endswith((".yaml", ".yml")):
        return _this("run", first, *rest)
    if (joined := first.replace("_", " ").replace("-", " ").lower().strip()) in ENTRIES:
        return _this(joined, *rest)
    if other := OTHER_WORDS.get(joined) or _whole(joined):
        return _this(other, *rest)
    if near := nearest(first.strip(), ("help", *first_words())):
        return f"did you mean '{near}'?"
    return f"the verbs are {', '.join(first_words())}; `magent --help` says what they do"


def second_word(first: str, word: str) -> str:
    """The hint for `runs lst`."""
    seconds = second_words(first)
    return did_you_mean(word, seconds) or f"`magent {first}` takes {_either(seconds)}"


def before_the_verb(args: Sequence[str], at: int) -> str:
    """The hint for an option that only stands behind a verb; `at` is its place."""
    flag = args[at].partition("=")[0]
    if known := [name for name in DECLARED if any(flag in option.words for option in DECLARED[name].own)]:
        verbs = [place for place, word in enumerate(args) if place > at and word in first_words()]
        line = [*args[verbs[0] :], *args[: verbs[0]]] if verbs else [*known[0].split(), *args]
        return f"it stands behind the verb: {shlex.join(['magent', *line])}"
    near = did_you_mean(flag, [word for option in GLOBALS for word in option.words])
    return near or "options of a verb stand behind it: magent VERB --help"


def _whole(word: str) -> str | None:
    """`runs list` of `list`, where only one verb ends so."""
    found = [name for name in ENTRIES if name.endswith(f" {word}")]
    return found[0] if len(found) == 1 else next((name for name in found if name.startswith("runs ")), None)


def _this(name: str, *rest: str) -> str:
    return f"did you mean: {shlex.join(['magent', *name.split(), *rest])}"


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
