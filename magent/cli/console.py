"""The three ways out: results on stdout, progress and errors on stderr. Nothing else in the command line prints.

Text of models, users and files is never markup; on a terminal its control characters are shown as `�`, so that no
text can move the cursor, change colours or write over a line. A reader that went away (`| head`) ends the output
quietly.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from magent import cells, urls
from magent.errors import InvalidWorkflow, MagentError
from magent.keys import GUARD
from magent.source import Problem, render

_TO_TYPE = re.compile(r"(^|[ `'])(magent [a-z]|[$] |-\S+ \S+=)")  # a line, or flags, that somebody may copy
_COLORS = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36", "dim": "2", "bold": "1"}
_DIRECTIONS = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]  # they reorder what a person reads
_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160), 0x2028, 0x2029, *_DIRECTIONS), "�")


def neutral(text: str) -> str:
    """The text with nothing left that a terminal would obey; line feeds and tabs stay."""
    return text.replace("\r\n", "\n").translate(_CONTROLS)


def apart(text: str) -> str:
    """The text with its further lines set in, so that none of them looks like a line of ours."""
    return re.sub(r"\n(?! )", "\n  ", text)


def one_line(text: str, width: int = 200) -> str:
    """The text, neutral, on one line of at most `width` characters."""
    line = " ".join(neutral(text[: 4 * width]).split())
    return line if len(line) <= width else line[: width - 1] + "…"


def dump(value: Any, *, indent: int | None = 2) -> str:
    """JSON for people and programs: as it is written, escaped only where the text is not Unicode."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent, default=str)
    return text


@dataclass(frozen=True, slots=True)
class Globals:
    """What the options that every verb takes say."""

    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    store: str | None = None


class Console:
    """Where a verb writes. `out` carries results alone; `err` the rest."""

    def __init__(self, settings: Globals, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = out or sys.stdout or io.StringIO()  # a process may be started without them
        self._err = err or sys.stderr or io.StringIO()
        self._out_is_terminal = _is_terminal(self._out)
        self.sources: dict[str, list[str]] = {}  # lines of the files read so far, for carets
        self.configure(settings)

    def configure(self, settings: Globals) -> None:
        self.settings = settings
        self.color = _wants_color(self._err, settings.no_color)
        self.out_color = _wants_color(self._out, settings.no_color)

    @property
    def terminal(self) -> bool:
        return _is_terminal(self._err)

    @property
    def stream(self) -> TextIO:
        """stderr itself, for what draws on it."""
        return self._err

    @property
    def shares_terminal(self) -> bool:
        """Whether results go to a terminal, too."""
        return self._out_is_terminal

    def command(self, *words: str) -> str:
        """A `magent` line to type next, which finds the store that this one was told to use."""
        store = ["--store", urls.shown(self.settings.store)] if self.settings.store else []
        return shlex.join(["magent", *words, *store])

    def result(self, text: str) -> None:
        """One result, ended by a line feed. Raises MagentError where stdout takes no more, unless its reader left."""
        self.drawn(neutral(text) if self._out_is_terminal else text)

    def piece(self, text: str) -> None:
        """A piece of a result that is written as it comes; nothing where stdout takes no more."""
        with contextlib.suppress(MagentError):
            self._write(GUARD.hide(neutral(text) if self._out_is_terminal else text))

    def drawn(self, shown: str) -> None:
        """A result whose foreign parts are neutral already. Raises MagentError where stdout takes no more."""
        shown = GUARD.hide(shown)
        self._write(shown if shown.endswith("\n") else shown + "\n")

    def _write(self, shown: str) -> None:
        try:
            self._out.write(shown)
            self._out.flush()
        except BrokenPipeError:
            self._abandon(self._out)
        except OSError as error:
            self._abandon(self._out)
            raise MagentError(f"stdout cannot be written: {error.strerror}") from error

    @contextlib.contextmanager
    def results_apart(self, descriptor: int) -> Iterator[None]:
        """Meanwhile what others write to descriptor 1, C libraries or children that inherit it, goes to `descriptor`;
        results go where they always do."""
        try:
            out, handle = self._out, self._out.fileno()
            kept = os.dup(handle) if handle == 1 else -1
            out.flush()
            os.dup2(descriptor, 1)
        except (OSError, ValueError):
            kept = -1
        if kept < 0:  # stdout is text in memory, or closed
            yield
            return
        self._out = open(kept, "w", encoding=out.encoding, errors=out.errors)  # noqa: SIM115
        try:
            yield
        finally:
            with contextlib.suppress(OSError, ValueError):
                out.flush()  # what was printed to the true stdout is not the result either
            os.dup2(kept, 1)
            self._out.close()
            self._out = out

    @property
    def columns(self) -> int:
        """The width of the window that stdout is; 80 where it is none."""
        return _columns(self._out) if self._out_is_terminal else 80

    @property
    def window(self) -> int | None:
        """The width of the window that stdout is; None where it is none, and lines may be as long as they are."""
        return _columns(self._out) if self._out_is_terminal else None

    @property
    def unicode(self) -> bool:
        """Whether stdout takes lines and boxes; where it is text in memory it does."""
        return (self._out.encoding or "utf-8").lower().replace("-", "").startswith("utf")

    def spoken(self, text: str) -> str:
        """The text, neutral, with what stdout cannot hold as it will be shown there: its width is what is seen."""
        shown, encoding = neutral(text), self._out.encoding
        if shown.isascii() or not encoding:
            return shown
        return shown.encode(encoding, self._out.errors or "strict").decode(encoding)

    def page(self, lines: Iterable[tuple[str, str, str]]) -> None:
        """A result of lines, each `(head, rest, style of the head)`."""
        self.drawn("\n".join(self.tinted(head, *style.split()) + neutral(rest) for head, rest, style in lines))

    def tinted(self, text: str, *styles: str) -> str:
        """The text, neutral and in colour where stdout shows any; for `drawn`."""
        return _painted(neutral(text), styles) if self.out_color else neutral(text)

    def say(self, text: str, *styles: str) -> None:
        """Progress and remarks; silent with --quiet."""
        if not self.settings.quiet:
            self.hint(text, *styles)

    def hint(self, text: str, *styles: str) -> None:
        """What is told even with --quiet: errors and what to do next."""
        self.raw(self.styled(text, *styles) + "\n")

    def told(self, text: str, *styles: str) -> None:
        """A sentence that is told even with --quiet, fitted to the window."""
        self.hint(self.fitted(GUARD.hide(text)), *styles)

    def suggest(self, command: str, what: str) -> None:
        """A command to type next, whole on a line of its own, and what it does."""
        room = _columns(self._err) if self.terminal else None
        wide = room is not None and cells.width(neutral(command)) + len(what) + 5 > room
        apart = "\n      " if wide else "   "
        self.hint(f"  {command}{apart}{what}")

    def fitted(self, text: str) -> str:
        """The text, neutral, broken between words where the window that stderr is would break them. What holds a line
        to type stays whole, so that it can be copied; so does all that goes to a file."""
        shown = neutral(text)
        if not self.terminal:
            return shown
        room = max(20, _columns(self._err))
        return "\n".join(line for each in shown.split("\n") for line in _broken(each, room))

    def raw(self, text: str) -> None:
        """Text that is neutral already, to stderr."""
        try:
            self._err.write(GUARD.hide(text))
            self._err.flush()
        except OSError:
            self._abandon(self._err)

    def styled(self, text: str, *styles: str) -> str:
        return _painted(neutral(text), styles) if self.color else neutral(text)

    def problems(self, problems: Sequence[Problem], sources: Mapping[str, list[str]]) -> None:
        """Problems with their source lines, to stderr."""
        self.sources.update(sources)
        for problem in problems:
            room = {"columns": _columns(self._err)} if self.terminal else {}
            self.told(render(problem, self.sources.get(problem.position.file), **room))

    def failure(self, error: BaseException) -> int:
        """Says what went wrong, and returns the exit code."""
        if self.settings.verbose:
            import traceback

            self.raw(neutral(GUARD.hide("".join(traceback.format_exception(error)))))
        if isinstance(error, InvalidWorkflow):
            self.problems(error.problems, error.sources)
        if isinstance(error, MagentError):
            self.told(f"magent: {apart(error.message)}", "red")
            if error.hint:
                self.told(f"  {error.hint}")
            return error.exit_code
        self.hint(f"magent: internal error: {type(error).__name__}: {one_line(GUARD.hide(str(error)))}", "red")
        if not self.settings.verbose:
            self.hint("  run with --verbose for the traceback")
        return 1

    @staticmethod
    def _abandon(stream: TextIO) -> None:
        """What else is written goes nowhere; also what the interpreter flushes when it ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        with contextlib.suppress(OSError, ValueError):  # a stream without a descriptor has nothing to flush
            os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _painted(text: str, styles: Sequence[str]) -> str:
    if not text or not styles:
        return text
    return f"\x1b[{';'.join(_COLORS[style] for style in styles)}m{text}\x1b[0m"


def _broken(line: str, room: int) -> Iterator[str]:
    """The line in pieces of at most so many columns, those after the first set in a little more."""
    if cells.width(line) <= room or _TO_TYPE.search(line):
        yield line
        return
    indent = " " * (len(line) - len(line.lstrip(" ")) + 2)
    first, *words = line.split(" ")
    piece = first
    for word in words:
        if piece.strip() and cells.width(piece) + 1 + cells.width(word) > room:
            yield piece.rstrip(" ")
            piece = indent + word
        else:
            piece += " " + word
    yield piece


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):  # a terminal that does not say, or a stream without a descriptor
        return 80


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def _wants_color(stream: TextIO, refused: bool) -> bool:
    """What was said nearest counts: the flag, NO_COLOR, FORCE_COLOR (for a pager, or a log that shows colours), and
    then what the stream is."""
    if refused or os.environ.get("NO_COLOR"):
        return False
    if any(os.environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return _is_terminal(stream) and os.environ.get("TERM") != "dumb" and os.environ.get("CLICOLOR") != "0"
