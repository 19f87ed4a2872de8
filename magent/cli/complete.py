"""Shell completion: what may stand next on a command line, and the lines that teach a shell to ask.

Typer's own would import typer at every press of TAB, which takes as long as all the rest; this asks the tables that
the help is made of, too. What is looked up, runs and questions, is imported only then.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from magent.cli.declared import DECLARED, GLOBALS, Argument, Option
from magent.cli.verbs import ENTRIES, VERBS, first_words, second_words

FILES = ":files"  # the answer that leaves it to the shell
_PREDEFINED = os.path.join(os.path.dirname(os.path.dirname(__file__)), "catalogue", "roles.yaml")
_NODE = re.compile(r"^( +)([A-Za-z_][A-Za-z0-9_]*):")


class Choice(NamedTuple):
    """What may stand next, and what it is."""

    word: str
    help: str = ""


SCRIPTS = {
    "bash": """\
_magent() {
    local line words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    COMPREPLY=()
    while IFS=$'\\t' read -r line _; do
        if [ "$line" = ":files" ]; then
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
        else
            COMPREPLY+=("$line")
        fi
    done < <("${COMP_WORDS[0]}" complete-words "${words[@]}" 2>/dev/null)
}
complete -F _magent magent
""",
    "zsh": """\
#compdef magent
_magent() {
    local word help
    local -a found
    while IFS=$'\\t' read -r word help; do
        if [[ $word == ":files" ]]; then
            _files
        else
            found+=("${word//:/\\\\:}:$help")
        fi
    done < <(${words[1]} complete-words "${(@)words[2,CURRENT]}" 2>/dev/null)
    (( ${#found} )) && _describe -V magent found
}
compdef _magent magent
""",
    "fish": """\
function __magent
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] complete-words $words[2..-1] 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c magent -f -k -a '(__magent)'
""",
}


def lines(words: Sequence[str]) -> Iterator[str]:
    """What a shell is told of the words before the cursor, the last of which is being typed: `word<TAB>help` a line."""
    typed = words[-1] if words else ""
    for choice in _choices(list(words[:-1]), typed):
        if choice.word == FILES or choice.word.startswith(typed):
            yield f"{choice.word}\t{' '.join(choice.help.split())}".rstrip("\t")


def _choices(before: list[str], typed: str) -> Iterator[Choice]:
    at = _verb_at(before)
    words = before[at:]
    if before[-1:] == ["--store"]:
        return
    if not words:
        yield from _flags(GLOBALS) if typed.startswith("-") else _verbs()
    elif words[0] == "help":
        yield from _verbs() if len(words) == 1 else _seconds(words[1])
    elif words[0] not in ENTRIES and len(words) == 1:
        yield from _seconds(words[0])
    else:
        name = words[0] if words[0] in ENTRIES else " ".join(words[:2])
        if name in ENTRIES:
            yield from _of_verb(name, words[len(name.split()) :], typed)


def _verb_at(words: Sequence[str]) -> int:
    """Where the verb stands, behind the options that stand before it."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] == "--store" else 1
    return at


def _verbs() -> Iterator[Choice]:
    for first in first_words():
        yield Choice(first, ENTRIES[first].help if first in ENTRIES else ", ".join(second_words(first)))


def _seconds(first: str) -> Iterator[Choice]:
    yield from (Choice(entry.name.split()[1], entry.help) for entry in VERBS if entry.name.startswith(f"{first} "))


def _flags(options: Sequence[Option]) -> Iterator[Choice]:
    yield from (Choice(word, option.help) for option in options for word in option.words if word.startswith("--"))


def _of_verb(name: str, words: list[str], typed: str) -> Iterator[Choice]:
    declared = DECLARED[name]
    by_flag = {word: option for option in declared.options for word in option.words}
    given, values = _split(words, by_flag)
    last = by_flag.get(words[-1]) if words else None
    if last is not None and last.value:
        yield from _values(last, given, values.get("--store"), _file_of(values))
    elif typed.startswith("-"):
        used = {by_flag[word].name for word in words if word in by_flag and not by_flag[word].many}
        yield from _flags([option for option in declared.options if option.name not in used])
    elif declared.arguments and (len(given) < len(declared.arguments) or declared.arguments[-1].many):
        yield from _values(
            declared.arguments[min(len(given), len(declared.arguments) - 1)],
            given,
            values.get("--store"),
            _file_of(values),
        )


def _file_of(values: dict[str, str]) -> str:
    return values.get("-f") or values.get("--file") or "workflow.yaml"


def _split(words: Sequence[str], by_flag: dict[str, Option]) -> tuple[list[str], dict[str, str]]:
    """The words that stand without a flag, and the values of the flags that have one."""
    given: list[str] = []
    values: dict[str, str] = {}
    flag = ""
    for word in words:
        if flag:
            values[flag], flag = word, ""
        elif word in by_flag:
            flag = word if by_flag[word].value else ""
        elif not word.startswith("-"):
            given.append(word)
    return given, values


def _values(
    item: Option | Argument, given: Sequence[str], store: str | None = None, file: str = ""
) -> Iterator[Choice]:
    if isinstance(item.completes, tuple):
        yield from map(Choice, item.completes)
    elif item.completes == "file":
        yield Choice(FILES)
    elif item.completes == "node":
        yield from _named(given[0] if given else "workflow.yaml", "nodes")
    elif item.completes in ("agent", "role"):
        yield from _named(file, f"{item.completes}s")
        if item.completes == "role":
            yield from _named(_PREDEFINED, "roles")
    elif item.completes == "tool":
        yield from _named(file, "tools")
        builtins = importlib.import_module("magent.spec.builtins").BUILTINS
        for name, tools in builtins.items():
            yield from (Choice(f"{name}.{inner}" if inner else name, told.description) for inner, told in tools.items())
    elif item.completes in ("run", "question", "visited", "either"):
        lookup = importlib.import_module("magent.cli.complete_runs")
        if item.completes == "either":
            yield Choice(FILES)
        if item.completes in ("run", "either"):
            found = lookup.runs(store)
        else:
            found = (lookup.questions if item.completes == "question" else lookup.nodes)(store, given[0])
        yield from (Choice(word, told) for word, told in found)
    elif item.completes == "visit":
        visits = importlib.import_module("magent.cli.complete_visits").visits
        yield from (Choice(*found) for found in visits(store, given[0] if given else "latest"))


def _named(file: str, section: str) -> Iterator[Choice]:
    """The names that stand under `nodes:`, `agents:` or `roles:`, read as lines: nothing is checked, and
    nothing slow is imported."""
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            text = stream.read(1_000_000).splitlines()
    except (OSError, ValueError):
        return
    inside, indent = False, ""
    for line in text:
        if line[:1] not in ("", " ", "#"):
            inside, indent = line.startswith(f"{section}:"), ""
        elif inside and (found := _NODE.match(line)) and found[1] == (indent := indent or found[1]):
            yield Choice(found[2])
