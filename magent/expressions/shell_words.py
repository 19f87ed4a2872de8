"""The words of a shell script: a lexer for POSIX shells that says where a placeholder stands."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from magent.expressions.shell_cursor import DIFFERENT, ELSE, HOLE, QUOTES, Cursor, Unsure, Word, named

_META = frozenset(" \t\n;&|<>()")
_BRACKETS = frozenset("{}[]")
_PLAIN = re.compile(r"""[^\0\\'"`$ \t\n;&|<>()]+""")
_QUOTED = re.compile(r"""[^\0\\"`$]+""")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_ARITHMETIC = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_ \t\n+-*/%<>=!&|^~?:,$")
_BRACED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ \t:-=?+%#*@!./,~[]^")
_MAX_NESTING = 15


class WordLexer(Cursor):
    """Reads words."""

    def substitution(self) -> None:
        """Reads the commands of `$( … )`, behind its opening. The reader of commands does that."""
        raise NotImplementedError

    def word(self) -> Word:
        start, seen, waiting = self.pos, self.seen, bool(self.here)
        try:
            word = self._word()
        except Unsure:
            for hole in self.holes[seen : self.seen]:
                if not hole.raw:
                    self.refuse(hole, *DIFFERENT)
            raise
        if waiting and "\n" in self.script[start : self.pos]:
            raise Unsure  # whether a here-document begins behind this line end differs
        return word

    def _word(self) -> Word:
        word = Word()
        while (char := self.char()) and char not in _META:
            if char == HOLE:
                self.hole(word)
            elif char == "\\":
                self.escape(word)
            elif char == "'":
                self.single_quotes(word)
            elif char == '"':
                self.double_quotes(word)
            elif char == "`":
                self.backticks(word)
            elif char == "$":
                self.dollar(word)
            else:
                plain = _PLAIN.match(self.script, self.pos)
                assert plain is not None
                word.add(plain[0], bare=True)
                word.brackets = word.brackets or not _BRACKETS.isdisjoint(plain[0])
                self.pos = plain.end()
        if word.holes and word.brackets:
            self.refuse(word.holes[0], "cannot stand beside brackets or braces, which are patterns", ELSE)
        return word

    def hole(self, word: Word) -> None:
        hole = self.next_hole()
        if hole.raw:
            word.open()
            return
        if self.within:
            self.refuse(hole, *self.within[-1])
        if word.prefix.startswith("~") and "/" not in word.prefix and word.bare:
            self.refuse(hole, "cannot stand in a name after `~`", ELSE)
        if word.text or word.holes or not word.bare:
            hole.one = "it is a part of a word"
            word.single("it is a part of a word")
        elif self.char() and self.char() not in _META:
            hole.one = "it is a part of a word"
        word.holes.append(hole)
        word.open()

    def escape(self, word: Word) -> None:
        after = self.script[self.pos + 1 : self.pos + 2]
        if after == HOLE:
            self.pos += 1
            self.enclosed_hole("cannot stand after a backslash", "leave the backslash out, magent quotes")
            word.open()
            return
        self.pos += 2
        if after != "\n":
            word.add(after, bare=False)

    def single_quotes(self, word: Word) -> None:
        end = self.script.find("'", self.pos + 1)
        if end < 0:
            end = len(self.script)
        self.pos += 1
        start = self.pos
        self.skip_to(end, "cannot stand in quotes", QUOTES)
        self._add_quoted(word, self.script[start:end])
        self.pos = end + 1
        if end == len(self.script):
            raise Unsure

    def _add_quoted(self, word: Word, text: str) -> None:
        if HOLE in text:
            word.open()
        else:
            word.add(text, bare=False)

    def double_quotes(self, word: Word) -> None:
        self.pos += 1
        self.within.append(("cannot stand in quotes", QUOTES))
        while (char := self.char()) != '"':
            if not char:
                raise Unsure
            if char == HOLE:
                self.hole(word)
            elif char == "\\":
                after = self.script[self.pos + 1 : self.pos + 2]
                self.pos += 1 if after == HOLE else 2
                word.add(after if after in '$`"\\' else "" if after == "\n" else f"\\{after.strip(HOLE)}", bare=False)
            elif char == "`":
                self.backticks(word)
            elif char == "$":
                self.dollar(word)
            else:
                plain = _QUOTED.match(self.script, self.pos)
                assert plain is not None
                word.add(plain[0], bare=False)
                self.pos = plain.end()
        word.add("", bare=False)
        self.within.pop()
        self.pos += 1

    def backticks(self, word: Word) -> None:
        end = self.pos + 1
        while end < len(self.script) and self.script[end] != "`":
            end += 2 if self.script[end] == "\\" and self.script[end + 1 : end + 2] != HOLE else 1
        self.pos += 1
        self.skip_to(min(end, len(self.script)), "cannot stand in backticks", "write $( … ) instead, or " + ELSE)
        if end >= len(self.script):
            raise Unsure
        self.pos = end + 1
        word.open()

    def dollar(self, word: Word) -> None:
        self.pos += 1
        if self.char() == HOLE:
            self.enclosed_hole("cannot stand after `$`", "leave the `$` out")
            word.open()
        elif self.at("\\\n") or self.at("(\\\n"):
            raise Unsure
        elif self.at("(("):
            self.arithmetic()
            word.open()
        elif self.at("("):
            seen = self.seen
            self.nested(self.substitution)
            word.inner += self.holes[seen : self.seen]
            word.open()
        elif self.at("{"):
            self.pos += 1
            start = self.pos
            self.nested(self.braced)
            word.names |= named(self.script[start : self.pos])
            word.open()
        elif self.at("'") and not self.within:
            self.dollar_quotes(word)
        elif match := _PARAMETER.match(self.script, self.pos):
            self.pos = match.end()
            word.names |= named(match[0])
            word.open()
        else:
            word.add("$", bare=False)

    def nested(self, read: Any) -> None:
        self.nesting += 1
        if self.nesting > _MAX_NESTING:
            raise Unsure
        read()
        self.nesting -= 1

    def dollar_quotes(self, word: Word) -> None:
        """`$'…'`: escapes in it are not the same in every shell."""
        start = self.pos + 1
        end = self.script.find("'", start)
        self.pos = start
        self.skip_to(end if end >= 0 else len(self.script), "cannot stand in quotes", QUOTES)
        self.pos += 1
        if end < 0 or "\\" in self.script[start:end]:
            raise Unsure
        word.open()

    def arithmetic(self) -> None:
        """`$(( … ))`, behind the `$`."""
        self.pos += 2
        start, depth = self.pos, 2
        while depth:
            char = self.char()
            if char == HOLE:
                self.enclosed_hole("cannot stand in arithmetic", "compute it: {{ a + b }}, or use env")
                continue
            if char == ")" and depth == 2:
                if not self.at("))"):
                    raise Unsure  # bash would read `$((a) | (b))` as commands
                self.computed |= named(self.script[start : self.pos])
                self.pos += 2
                return
            depth += (char == "(") - (char == ")")
            if not char or (char not in _ARITHMETIC and char not in "()"):
                self.refuse_rest("cannot stand in arithmetic", "compute it: {{ a + b }}, or use env")
            self.pos += 1

    def braced(self) -> None:
        """`${ … }`, behind its opening brace."""
        why, hint = "cannot stand in `${ … }`", "use `default` inside of the placeholder, or env"
        while (char := self.char()) != "}":
            if char == HOLE:
                self.enclosed_hole(why, hint)
            elif char == "$" and self.script[self.pos + 1 : self.pos + 2] == "{":
                self.pos += 2
                self.nested(self.braced)
            elif char and (char in _BRACED or char == "$" or ord(char) > 127):
                self.pos += 1
            else:
                self.refuse_rest(why, hint)
        self.pos += 1

    def refuse_rest(self, why: str, hint: str) -> NoReturn:
        """What follows cannot be read with certainty. The next placeholder, if near, stands in what was being read."""
        end = self.script.find("\n", self.pos)
        found = self.script.find(HOLE, self.pos, end if end >= 0 else len(self.script))
        if found >= 0 and self.seen < len(self.holes) and not self.holes[self.seen].raw:
            closed = self.script.find("}" if "{" in why else "))", self.pos)
            if found < closed:
                self.refuse(self.holes[self.seen], why, hint)
        raise Unsure
