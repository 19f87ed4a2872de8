"""The commands of a shell script: which word is a program, which an argument, which opens or closes something."""

from __future__ import annotations

from magent.expressions.shell_compounds import Compounds
from magent.expressions.shell_cursor import DIFFERENT, ELSE, HOLE, LIST, Unsure, Word, is_name
from magent.expressions.shell_script import HERE, ScriptLexer

_REDIRECTIONS = ("<<<", "<<-", "<<", "<&", "<>", "<", ">>", ">&", ">|", ">")
_DUPLICATES = ("<&", ">&")


class CommandReader(ScriptLexer):
    """Reads a whole script. Raises Refused for the first placeholder that stands where it must not."""

    def read(self) -> None:
        rest = ""
        try:
            self.commands(None)
        except (Unsure, RecursionError):
            rest = self.script[self.complete :]
            for hole in self.holes[self.seen :]:
                if not hole.raw:
                    self.refuse(hole, *DIFFERENT)
        if self.computed:
            word = Word(names=self.computed)
            self.roles.flow.runs(
                word, "goes into a variable that arithmetic reads", "compute it: {{ a + b }}, or use env"
            )
        self.warnings = self.roles.flow.judged(rest)

    def substitution(self) -> None:
        self.pos += 1
        self.commands(")")

    def commands(self, closer: str | None) -> None:
        """Reads up to `closer` (None: the end of the script)."""
        _Commands(self, closer).read()


class _Commands(Compounds):
    """Reads the commands of one level."""

    def read(self) -> None:
        try:
            self.commands()
        except Unsure:
            complete = self.lexer.complete
            self.end()  # what was read of this command counts
            self.lexer.complete = complete
            raise

    def commands(self) -> None:
        lexer = self.lexer
        while True:
            lexer.blanks()
            char = lexer.char()
            if not char:
                self.end()
                if self.closer or self.open or self.tests:
                    raise Unsure
                return
            if char == "\n":
                self.end()
                lexer.newline()
            elif char == "#":
                lexer.comment()
            elif char in ";&|":
                self.operator(char)
            elif char == "(":
                self.parenthesis()
            elif char == ")":
                if self.close():
                    return
            elif char in "<>":
                self.redirection()
            else:
                self.word(lexer.word())

    def end(self) -> None:
        """A command is complete."""
        if self.words and not self.tests:
            self.lexer.roles.command(self.words, self.lexer.holes[: self.lexer.seen] if self.piped else ())
        self.words = []
        self.redirected = self.closed = self.piped = False
        if self.closer is None:
            self.lexer.complete = self.lexer.pos

    def operator(self, char: str) -> None:
        lexer = self.lexer
        if self.tests:
            lexer.pos += 1
            return
        empty = not (self.words or self.redirected or self.closed)
        self.end()
        if lexer.at(";;"):
            lexer.pos += 2
            if not self.open or self.open[-1] != "case" or lexer.at("&"):
                raise Unsure
            self.patterns()
            return
        if lexer.at(";&") or lexer.at("|&") or empty:
            raise Unsure
        self.piped = char == "|" and not lexer.at("||")
        lexer.pos += 2 if lexer.at(char * 2) else 1

    def parenthesis(self) -> None:
        lexer = self.lexer
        if self.tests:
            lexer.pos += 1
        elif not self.words and not self.redirected and not self.closed:
            if lexer.at("(("):
                self.double_parenthesis()
            lexer.pos += 1
            self.open.append("(")
        elif len(self.words) == 1 and is_name(self.words[0].text) and self.words[0].bare and not self.redirected:
            lexer.pos += 1
            lexer.blanks()
            if not lexer.at(")"):
                raise Unsure
            lexer.pos += 1
            lexer.roles.flow.functions.add(self.words[0].text or "")
            self.words = []  # `name()`: its body is a command
            lexer.gap()
        else:
            raise Unsure

    def double_parenthesis(self) -> None:
        lexer = self.lexer
        end, found = lexer.script.find("))", lexer.pos), lexer.script.find(HOLE, lexer.pos)
        if 0 <= found < end and not lexer.holes[lexer.seen].raw:
            lexer.refuse(lexer.holes[lexer.seen], "cannot stand in `(( … ))`", "compute it: {{ a + b }}, or use env")
        raise Unsure

    def close(self) -> bool:
        """A `)`. Whether it ends this level."""
        lexer = self.lexer
        if self.tests:
            lexer.pos += 1
            return False
        self.end()
        lexer.pos += 1
        if self.open and self.open[-1] == "(":
            self.open.pop()
            self.closed = True
            return False
        if self.closer == ")" and not self.open and not lexer.here:
            return True
        raise Unsure

    def redirection(self) -> None:
        lexer = self.lexer
        if self.tests:
            lexer.pos += 1
            return
        sign = next(each for each in _REDIRECTIONS if lexer.at(each))
        lexer.pos += len(sign)
        if lexer.at("(") or (lexer.at("&") and sign not in _DUPLICATES):
            raise Unsure
        lexer.blanks()
        self.redirected = True
        if sign in ("<<", "<<-"):
            self.here_delimiter(sign == "<<-")
            return
        word = lexer.word()
        word.single("it is the target of a redirection")
        if word.holes and sign in _DUPLICATES:
            lexer.refuse(word.holes[0], f"cannot stand after `{sign}`", ELSE)
        if word.holes and sign == "<<<":
            lexer.refuse(word.holes[0], "cannot stand after `<<<`, which is not in every shell", "use stdin")
        if word.text == "" and word.bare:
            raise Unsure
        if sign == "<<<":
            raise Unsure

    def here_delimiter(self, tabs: bool) -> None:
        lexer = self.lexer
        start = lexer.pos
        lexer.within.append(HERE)
        word = lexer.word()
        lexer.within.pop()
        if not word.text or any(char in "$`\n" for char in lexer.script[start : lexer.pos]):
            raise Unsure
        lexer.here.append((word.text, tabs))

    def word(self, word: Word) -> None:
        lexer = self.lexer
        if word.bare and lexer.char() and lexer.char() in "<>" and word.text:
            if word.text.isdigit():
                return  # the number of a redirection
            if word.brackets:
                raise Unsure  # `{fd}>` in bash
        if self.tests:
            self.in_tests(word)
        elif not self.words and not self.redirected and word.bare and self.reserved(word.text or ""):
            pass
        elif self.closed:
            if word.holes:
                lexer.refuse(word.holes[0], "cannot stand here, where a command has ended", LIST)
            raise Unsure
        else:
            self.words.append(word)
