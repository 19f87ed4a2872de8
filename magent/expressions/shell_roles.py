"""What a command does with its words: which program it runs, which word that program runs in turn.

Data as the name of a program is refused; data that a second interpreter reads is warned about; data where a builtin
takes the name of a variable is refused, as bash runs what such a name holds in brackets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from magent.expressions.shell_cursor import ELSE, LIST, Placeholder, Refused, Word
from magent.expressions.shell_flow import Flow

# Programs that run another: their options that take a word, and how many operands come before the other's name.
_RUNNERS: dict[str, tuple[tuple[str, ...], int]] = {
    **dict.fromkeys(
        ("builtin", "busybox", "caffeinate", "catchsegv", "command", "nohup", "numactl", "prlimit"), ((), 0)
    ),
    **dict.fromkeys(("setpriv", "setsid", "unbuffer", "unshare", "valgrind"), ((), 0)),
    "chroot": ((), 1),
    "chrt": ((), 1),
    "doas": (("-u", "-C"), 0),
    "env": (("-u", "-C", "--unset", "--chdir"), 0),
    "exec": (("-a",), 0),
    "flock": (("-w", "-E"), 1),
    "ionice": (("-c", "-n"), 0),
    "ltrace": (("-e", "-o"), 0),
    "nice": (("-n",), 0),
    "nsenter": (("-t",), 0),
    "stdbuf": (("-i", "-o", "-e"), 0),
    "strace": (("-e", "-o", "-p", "-s"), 0),
    "sudo": (("-u", "-g", "-h", "-p", "-C", "-r", "-t", "-U", "-D", "-R", "-T"), 0),
    "systemd-run": (("-p", "-u"), 0),
    "taskset": (("-c",), 1),
    "time": (("-f", "-o"), 0),
    "timeout": (("-s", "-k"), 1),
    "xargs": (("-n", "-P", "-I", "-d", "-a", "-L", "-s", "-E"), 0),
}
SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "rbash")
_OPTIONS = 64  # words between an interpreter and its program that are looked at
# Interpreters, and the options behind which they take a program.
_INTERPRETERS: dict[str, str] = {
    **dict.fromkeys(SHELLS, r"-\w*c\w*|--command"),
    **dict.fromkeys(("python", "python2", "python3", "pypy", "pypy3"), r"-\w*c"),
    **dict.fromkeys(("perl", "ruby", "raku"), r"-\w*[eE]"),
    **dict.fromkeys(("node", "nodejs", "bun"), r"-\w*[ep]|--eval|--print"),
    "deno": "eval", "php": "-r", "lua": "-e", "Rscript": "-e", "R": "-e", "osascript": "-e", "groovy": "-e",
    "psql": "-c|--command", "mysql": "-e|--execute", "mariadb": "-e|--execute", "su": r"-\w*c|--command",
    "runuser": r"-\w*c|--command", "script": r"-\w*c|--command", "flock": "-c", "vim": "-c", "vi": "-c",
    "pwsh": "-c|-Command", "powershell": "-c|-Command", "expect": "-c", "tclsh": "-c", "emacs": "--eval",
    "env": "-S|--split-string", "sed": "-e|--expression", "awk": "-e|--source", "gawk": "-e|--source",
}  # fmt: skip
# Those whose every argument may be run.
_RUN_ALL = frozenset(
    ("eval", "trap", ".", "source", "ssh", "watch", "parallel", "alias", "compgen", "complete", "enable", "fc", "at")
)
# Those whose first operand is a program, unless an option gave it.
_RUN_FIRST = {"awk": ("-f",), "gawk": ("-f",), "mawk": ("-f",), "sed": ("-f", "-e"), "sqlite3": ()}
_TAKING = {"awk": ("-v", "-F", "-f"), "gawk": ("-v", "-F", "-f"), "mawk": ("-v", "-F", "-f"), "sed": ("-e", "-f", "-l")}
_TAKE_NAMES = frozenset(("read", "unset", "getopts", "let", "declare", "typeset", "mapfile", "readarray", "wait"))
_CHANGING = frozenset(("alias", "declare", "typeset"))  # `declare -i` computes what is assigned later
_DECLARE = frozenset(("export", "readonly", "local"))
_EXECUTE = frozenset(("-exec", "-execdir", "-ok", "-okdir"))
_COMMAND = ("cannot be the command itself", LIST)


class Roles:
    """Judges command after command; what reaches an interpreter by detours is for its `flow` to find."""

    def __init__(self) -> None:
        self.flow = Flow()
        self.behind = ""  # a command that changes what later ones mean

    def command(self, words: Sequence[Word], piped: Sequence[Placeholder] = ()) -> None:
        """A command; `piped` are the placeholders before it if it reads from a pipe. Raises Refused."""
        at = 0
        while at < len(words) and words[at].assigns:
            self._assignment(words[at])
            at += 1
        if self.behind:
            self._refuse_all(words, f"cannot stand behind `{self.behind}`, which changes what commands mean", ELSE)
        at = self._program(words, at)
        if at >= len(words):
            return
        name, rest = basename(words[at]), words[at + 1 :]
        self._builtin(name, rest)
        self.flow.calls(name, rest)
        self._interpreters(words[at:])
        self._reads_program(name, rest, piped)
        if name in _CHANGING or (name == "local" and any(word.prefix.startswith("-") for word in rest)):
            self.behind = name

    def _program(self, words: Sequence[Word], at: int) -> int:
        """Where the name of the program stands that is run in the end."""
        last = max((index for index, word in enumerate(words) if word.holes), default=-1)
        while at < len(words):
            word = words[at]
            if word.holes:
                raise Refused(word.holes[0], *_COMMAND)
            self.flow.runs(word, *_COMMAND)
            name = basename(word)
            if name not in _RUNNERS or (name == "command" and self._asks(words[at + 1 :])):
                return at
            following = self._behind_runner(words, at, last)
            if following >= len(words):
                return at
            at = following
        return at

    def _asks(self, words: Sequence[Word]) -> bool:
        """`command -v x` runs nothing."""
        return bool(words) and words[0].text in ("-v", "-V")

    def _behind_runner(self, words: Sequence[Word], at: int, last: int) -> int:
        """`last` is the last word with data in it."""
        taking, operands = _RUNNERS[basename(words[at])]
        splits = basename(words[at]) == "env"
        at += 1
        while at < len(words):
            word = words[at]
            if splits and at <= last and word.prefix.startswith(("-S", "--split-string")):
                self._refuse_all(words[at:], *_COMMAND)
            if word.text in taking:
                at += 1
            elif word.prefix.startswith("-"):
                pass
            elif word.assigns:
                self._assignment(word)
            elif operands and not word.led:
                operands -= 1
            else:
                return at
            at += 1
        return at

    def _builtin(self, name: str, rest: Sequence[Word]) -> None:
        if name in _TAKE_NAMES:
            self._refuse_all(rest, f"cannot be an argument of `{name}`, which takes names of variables", ELSE)
            for word in rest:
                self.flow.runs(word, f"comes to be an argument of `{name}`, which takes names of variables", ELSE)
        elif name in _DECLARE:
            for word in rest:
                self._assignment(word)
                if word.holes and not word.assigns:
                    raise Refused(
                        word.holes[0], f"cannot be the name that `{name}` takes", f"write {name} NAME={{{{ … }}}}"
                    )
            if any(word.prefix.startswith("-") for word in rest):
                self._refuse_all(rest, f"cannot stand behind an option of `{name}`", ELSE)
        elif name in ("test", "["):
            self._test(name, rest)
        elif name == "printf" and rest and (rest[0].led or (rest[0].text or rest[0].prefix).startswith("-v")):
            self._refuse_all(rest, "cannot be the format of `printf`", "write printf '%s\\n' {{ … }}")

    def _test(self, name: str, rest: Sequence[Word]) -> None:
        """Of two words of data, the first might be an operator that looks into what the second names."""
        before: Word | None = None
        for word in rest:
            word.single(f"it is in `{name}`")
            if word.holes and before is not None and (before.led or before.text in ("-v", "-R")):
                raise Refused(
                    word.holes[0], f"cannot stand behind another in `{name}`", "put a comparison between: [ a = b ]"
                )
            before = word

    def _interpreters(self, words: Sequence[Word]) -> None:
        """The program itself, or one that it is given with its options: `docker exec c sh -c …`."""
        looked = False
        for index, word in enumerate(words):
            name = basename(word)
            if name == "sqlite3" and index:  # what was found behind one is behind the next, too
                if looked:
                    continue
                looked = True
            if word.text in _EXECUTE and words[index + 1 : index + 2]:
                self.flow.runs(words[index + 1], *_COMMAND)
            if index == 0 and name in _RUN_ALL:
                self._warn_all(words[1:], name)
            elif (name in _INTERPRETERS or name in _RUN_FIRST) and self._interpreter(
                name, words[index + 1 :], index == 0
            ):
                return

    def _interpreter(self, name: str, rest: Sequence[Word], itself: bool) -> bool:
        """Warns of data behind or in an option like `-c`, or as the program. Whether what follows is data."""
        option = re.compile(f"(?:{_INTERPRETERS.get(name, '(?!)')})")
        taking, index, given = _TAKING.get(name, ()), 0, False
        while index < len(rest):
            word = rest[index]
            text = word.text if word.text is not None else word.prefix
            if option.fullmatch(text) and not word.holes:
                self._warn_all(rest[index + 1 : index + 2], name)
                given, index = True, index + 1
                if name in SHELLS:
                    return True
            elif word.holes and word.prefix.startswith("-") and option.match(word.prefix):
                self._warn_all([word], name)
            elif text in taking:
                given = given or text in _RUN_FIRST.get(name, ())
                index += 1
            elif not text.startswith(("-", "+")) or word.led:
                if itself and not given and (word.led or name in SHELLS or name in _RUN_FIRST):
                    self._warn_all([word], name)
                if name != "sqlite3":
                    return itself or given
            index += 1
        return itself or given

    def _assignment(self, word: Word) -> None:
        word.single("it is in an assignment")
        if word.assigns:
            self.flow.assigns(word.prefix.partition("=")[0], word)

    def _reads_program(self, name: str, rest: Sequence[Word], piped: Sequence[Placeholder]) -> None:
        """An interpreter without a program of its own takes what comes through the pipe for one."""
        if name in _INTERPRETERS and name not in _RUN_FIRST and all((word.text or "x")[:1] in "-+" for word in rest):
            self._warn_all([Word(holes=list(piped))], name)

    def _warn_all(self, words: Sequence[Word], name: str) -> None:
        for word in words:
            self.flow.warns(word, f"`{name}` may run what this gives: data can become a command there")

    def _refuse_all(self, words: Sequence[Word], why: str, hint: str) -> None:
        for word in words:
            for hole in word.holes:
                raise Refused(hole, why, hint)


def interpreter_of(words: Sequence[object], index: int) -> str | None:
    """The interpreter that takes that word of an argument list for a program, as `sh -c` and `python -c` do."""
    at = index - 2
    while at > max(0, index - _OPTIONS) and str(words[at])[:1] in ("-", "+"):
        at -= 1
    name = _program(str(words[at])) if at >= 0 else ""
    return name if name in _INTERPRETERS and re.fullmatch(_INTERPRETERS[name], str(words[index - 1])) else None


def basename(word: Word) -> str:
    """The name of the program, as far as it is known: `/usr/bin/env` is `env`, `python3.11` is `python3`."""
    return _program(word.prefix if word.text is None else word.text)


def _program(path: str) -> str:
    name = path.rpartition("/")[2]
    return re.sub(r"(?<=\d)\.\d+$", "", name)
