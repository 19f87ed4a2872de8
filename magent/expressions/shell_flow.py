"""Where data goes in a script: through variables, arguments and `$( … )` into what the shell runs.

`A={{ x }}; $A` runs data as surely as `{{ x }}` would. The order of commands does not count, as loops and functions
turn it round.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from magent.expressions.shell_cursor import Placeholder, Refused, Word

POSITIONAL = "@"  # stands for $1, $2, …, $@ and $*


class Flow:
    """Collects what is assigned to variables and what is run, and judges both in the end."""

    def __init__(self) -> None:
        self._assigned: list[tuple[str, Word]] = []
        self._run: list[tuple[Word, str, str]] = []
        self._warned: list[tuple[Word, str]] = []
        self._called: list[tuple[str, Word]] = []
        self.functions: set[str] = set()

    def assigns(self, name: str, word: Word) -> None:
        self._assigned.append((name, word))

    def calls(self, name: str, words: Iterable[Word]) -> None:
        """A command with its arguments, which a function of that name gets as `$1` and so on."""
        self._called += [(name, word) for word in words]

    def runs(self, word: Word, why: str, hint: str) -> None:
        self._run.append((word, why, hint))

    def warns(self, word: Word, message: str) -> None:
        self._warned.append((word, message))

    def judged(self, rest: str) -> list[tuple[Placeholder, str]]:
        """The warnings. `rest` is what could not be read of the script. Raises Refused."""
        tainted = self._tainted()
        for word, why, hint in self._run:
            hole = _data(word, tainted)
            if hole is not None:
                raise Refused(hole, why, hint)
        for name, hole in tainted.items():
            if rest and (name == POSITIONAL or name in rest):
                raise Refused(
                    hole, f"goes into `${name}`, which the script may run where shells differ", "use env or stdin"
                )
        found = [(_data(word, tainted), message) for word, message in self._warned]
        return [(hole, message) for hole, message in found if hole is not None]

    def _tainted(self) -> dict[str, Placeholder]:
        """The variables that hold data, each with a placeholder it comes from."""
        flows = self._assigned + [(POSITIONAL, word) for name, word in self._called if name in self.functions | {"set"}]
        heirs: dict[str, list[str]] = {}  # the variables that get what a variable holds
        for name, word in flows:
            for source in word.names:
                heirs.setdefault(source, []).append(name)
        tainted: dict[str, Placeholder] = {}
        waiting = deque((name, hole) for name, word in flows if (hole := _data(word, {})) is not None)
        while waiting:
            name, hole = waiting.popleft()
            if name not in tainted:
                tainted[name] = hole
                waiting.extend((heir, hole) for heir in heirs.get(name, ()))
        return tainted


def _data(word: Word, tainted: dict[str, Placeholder]) -> Placeholder | None:
    """A placeholder whose value a word holds, at once, out of `$( … )` or out of a variable."""
    for hole in (*word.holes, *word.inner):
        if not hole.raw:
            return hole
    return next((tainted[name] for name in sorted(word.names) if name in tainted), None)
