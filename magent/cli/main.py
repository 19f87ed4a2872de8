"""From the words of a command line to a verb."""

from __future__ import annotations

import codecs
import importlib
import io
import os
import sys
from collections.abc import Sequence

from magent import cells
from magent.cli import VERSION_LINE, guess
from magent.cli import help as pages
from magent.cli.console import Console, Globals
from magent.cli.declared import DECLARED
from magent.cli.verbs import DEFAULTS, ENTRIES, VerbEntry, second_words
from magent.errors import UsageError

FLAGS = ("-q", "--quiet", "-v", "--verbose", "-qv", "-vq", "--no-color", "-h", "--help", "--version")


def main(args: Sequence[str]) -> int:
    """Runs one command line; returns its exit code."""
    _tolerate()
    console = Console(_foreseen(args))
    try:
        if list(args[:1]) == ["complete-words"]:  # a shell asks, at every press of TAB
            return _complete(console, args[1:])
        leading, words = split(args)
        if "--version" in leading:
            console.result(VERSION_LINE)
            return 0
        if not words or words[0] == "help" or (words[0] in DEFAULTS and words[1:] in (["-h"], ["--help"])):
            return _help(console, [word for word in words if word not in ("help", "-h", "--help")])
        entry, rest = find(words)
        return _call(entry, [*leading, *rest], console)
    except KeyboardInterrupt:
        console.hint("magent: interrupted")
        return 130
    except Exception as error:  # noqa: BLE001 — the last door: whatever it is, a person reads it
        return console.failure(error)


def split(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """The global options that stand before the verb, and the rest. Raises UsageError for any other option there."""
    leading: list[str] = []
    for at, word in enumerate(args):
        if (leading and leading[-1] == "--store") or word in FLAGS or word == "--store" or word.startswith("--store="):
            leading.append(word)
        elif word.startswith("-") and word != "-":
            raise UsageError(f"no such option '{word}' before the verb", guess.before_the_verb(list(args), at))
        else:
            return leading, list(args[at:])
    if leading[-1:] == ["--store"] and leading[-2:-1] != ["--store"]:
        raise UsageError("--store needs a value", "write --store URL, such as --store file:.magent")
    return leading, []


def find(words: Sequence[str]) -> tuple[VerbEntry, list[str]]:
    """The verb that the words begin with, and what follows it. Raises UsageError with the nearest name."""
    first, rest = words[0], list(words[1:])
    if first in ENTRIES:
        return ENTRIES[first], rest
    seconds = second_words(first)
    if not seconds:
        raise UsageError(f"no such verb '{first}'", guess.verb(words))
    if rest and rest[0] in seconds:
        return ENTRIES[f"{first} {rest[0]}"], rest[1:]
    if rest and not rest[0].startswith("-"):
        raise UsageError(f"no such verb '{first} {rest[0]}'", guess.second_word(first, rest[0]))
    return ENTRIES[DEFAULTS[first]], rest


def _complete(console: Console, words: Sequence[str]) -> int:
    complete = importlib.import_module("magent.cli.complete")
    if found := "\n".join(complete.lines(words)):
        console.result(found)
    return 0


def _help(console: Console, words: Sequence[str]) -> int:
    """The page of what the words name. Raises UsageError, with the nearest."""
    page = pages.of_words(words, console.columns)
    if page is None:
        entry, _ = find(words)
        page = pages.of_verb(entry, console.columns)
    console.page(page)
    return 0


def _call(entry: VerbEntry, args: list[str], console: Console) -> int:
    try:
        os.getcwd()
    except OSError as error:
        raise UsageError("the current directory is not there any more", "go to one that is: cd …") from error
    if args in (["-h"], ["--help"]):  # without the parser, whose import takes as long as all the rest
        return _help(console, entry.name.split())
    parser = importlib.import_module("magent.cli.parser")
    given = parser.parse(DECLARED[entry.name], entry.name, args)
    console.configure(Globals(**{name: given.pop(name) for name in Globals.__dataclass_fields__}))
    if given.pop("help"):
        return _help(console, entry.name.split())
    if given.pop("version"):
        console.result(VERSION_LINE)
        return 0
    module = importlib.import_module(f"magent.cli.{entry.module}")
    return int(getattr(module, entry.function)(console, **given))


def _foreseen(args: Sequence[str]) -> Globals:
    """The options that shape how an error is shown, seen before anything is parsed."""
    words = set(args)
    return Globals(verbose=bool(words & {"-v", "--verbose", "-qv", "-vq"}), no_color="--no-color" in words)


_SIGNS = {
    "●": "*",
    "▶": ">",
    "✔": "+",
    "✘": "x",
    "⏸": "=",
    "■": "#",
    "↻": "~",
    "✎": "!",
    "○": "-",
    "⊘": "-",
    "·": ".",
    "◇": "o",
    "█": "#",
    "░": "-",
    "▏": "|",
}
_SIGNS |= {"│": "|", "─": "-", "…": "...", "�": "?", "»": ">", "“": '"', "”": '"', "–": "-", "—": "-"}
_SIGNS |= {"◇": "o", "█": "#", "░": "-", "▏": "|"}
_SIGNS |= {"⋮": ":", "→": ">"}


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """What a stream cannot hold: our own signs as ASCII has them, all else escaped."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    shown = (_SIGNS.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in lost)
    return "".join(shown), error.end


def _tolerate() -> None:
    """No text stops us: a file or pipe gets UTF-8, as JSON must be; a terminal what it knows. Descriptors that whoever
    started us has closed are opened on nothing, so that no file of a run becomes somebody's stdout."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    codecs.register_error("magent", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="magent")
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr.isatty() and cells.is_ascii_locale():
        sys.stderr.reconfigure(encoding="ascii", errors="magent")  # as prompts are, whatever Python makes of LANG=C
