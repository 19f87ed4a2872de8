"""The commands of a shell script: which word is a program, which an argument, which opens or closes something."""

from __future__ import annotations

from magent.expressions.shell_roles import Roles
from magent.expressions.shell_words import (
    BLANKS,
    DIFFERENT,
    ELSE,
    HOLE,
    LIST,
    Placeholder,
    Unsure,
    Word,
    WordLexer,
    is_name,
)

_OPENERS = frozenset(("if", "while", "until", "{"))
_GOING_ON = {"then": "if", "elif": "if", "else": "if", "do": "while until for", "!": ""}
_CLOSERS = {"fi": "if", "done": "while until for", "esac": "case", "}": "{"}
_FOREIGN = frozenset(("function", "select", "coproc"))
_REDIRECTIONS = ("<<<", "<<-", "<<", "<&", "<>", "<", ">>", ">&", ">|", ">")
_COMPUTING = frozenset(("-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-v", "-R"))
_DUPLICATES = ("<&", ">&")
_COMMENT = ("cannot stand in a comment", "take it out of the comment")
_HERE = ("cannot stand in a here-document", "use stdin, or printf '%s\\n' {{ … }}")


class CommandReader(WordLexer):
    """Reads a whole script. Raises Refused for the first placeholder that stands where it must not."""

    def __init__(self, script: str, holes: list[Placeholder]) -> None:
        super().__init__(script, holes)
        self.roles = Roles()
        self.complete = 0  # where the last whole command of the script ended
        self.warnings: list[tuple[Placeholder, str]] = []

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

    # Between commands.

    def blanks(self) -> None:
        while self.char() and (self.char() in BLANKS or self.at("\\\n")):
            self.pos += 2 if self.at("\\\n") else 1

    def gap(self) -> None:
        """White space, line ends and comments."""
        while True:
            self.blanks()
            if self.at("\n"):
                self.newline()
            elif self.at("#"):
                self.comment()
            else:
                return

    def comment(self) -> None:
        end = self.script.find("\n", self.pos)
        self.skip_to(end if end >= 0 else len(self.script), *_COMMENT)

    def newline(self) -> None:
        self.pos += 1
        waiting, self.here = self.here, []
        for delimiter, tabs in waiting:
            self.here_document(delimiter, tabs)

    def here_document(self, delimiter: str, tabs: bool) -> None:
        while self.pos < len(self.script):
            end = self.script.find("\n", self.pos)
            end = end if end >= 0 else len(self.script)
            line = self.script[self.pos : end]
            self.skip_to(end, *_HERE)
            self.pos = min(end + 1, len(self.script))
            if (line.lstrip("\t") if tabs else line) == delimiter:
                return
        raise Unsure

    # Commands.

    def commands(self, closer: str | None) -> None:
        """Reads up to `closer` (None: the end of the script)."""
        _Commands(self, closer).read()


class _Commands:
    """The commands of one level: the script itself, or a `$( … )`."""

    def __init__(self, lexer: CommandReader, closer: str | None) -> None:
        self.lexer = lexer
        self.closer = closer
        self.open: list[str] = []
        self.words: list[Word] = []
        self.redirected = False
        self.piped = False
        self.closed = False  # behind `fi`, `done`, `)` …: no word may follow
        self.tests = False  # inside of `[[ … ]]`

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
        lexer.within.append(_HERE)
        word = lexer.word()
        lexer.within.pop()
        if not word.text or any(char in "$`\n" for char in lexer.script[start : lexer.pos]):
            raise Unsure
        lexer.here.append((word.text, tabs))

    # Words at the beginning of a command.

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

    def in_tests(self, word: Word) -> None:
        lexer = self.lexer
        if word.holes:
            lexer.refuse(word.holes[0], "cannot stand in `[[ … ]]`", "write [ … ], which every shell has")
        if word.bare and word.text == "]]":
            self.tests, self.closed = False, True
            if any(each.text in _COMPUTING for each in self.words):
                for each in self.words:
                    lexer.computed |= each.names
            self.words = []
        else:
            self.words.append(word)

    def reserved(self, text: str) -> bool:
        """Whether the word is a reserved one, which then has its effect."""
        if text in _FOREIGN:
            raise Unsure
        if text in _OPENERS:
            self.must_be_open_to_words()
            self.open.append(text)
        elif text in _GOING_ON:
            self.going_on(text)
        elif text in _CLOSERS:
            if not self.open or self.open.pop() not in _CLOSERS[text].split():
                raise Unsure
            self.closed = True
        elif text == "for":
            self.must_be_open_to_words()
            self.for_loop()
        elif text == "case":
            self.must_be_open_to_words()
            self.case()
        elif text == "[[":
            self.tests = True
        else:
            return False
        return True

    def must_be_open_to_words(self) -> None:
        if self.closed:
            raise Unsure

    def going_on(self, text: str) -> None:
        wanted = _GOING_ON[text].split()
        if wanted and (not self.open or self.open[-1] not in wanted):
            raise Unsure
        self.closed = False

    def for_loop(self) -> None:
        lexer = self.lexer
        lexer.blanks()
        name = lexer.word()
        if name.holes:
            lexer.refuse(name.holes[0], "cannot be the name of a variable", ELSE)
        if not is_name(name.text) or not name.bare:
            raise Unsure
        self.open.append("for")
        lexer.gap()
        start, seen = lexer.pos, lexer.seen
        word = lexer.word()
        if word.text != "in" or not word.bare:
            lexer.pos, lexer.seen = start, seen  # `for x do` or `for x; do`
            lexer.pos += lexer.at(";") and not lexer.at(";;")
            return
        while True:
            lexer.blanks()
            if not lexer.char() or lexer.char() in "\n;":
                lexer.pos += lexer.at(";") and not lexer.at(";;")
                return
            if lexer.char() in "&|<>()":
                raise Unsure
            lexer.roles.flow.assigns(name.text or "", lexer.word())

    def case(self) -> None:
        lexer = self.lexer
        lexer.blanks()
        lexer.word().single("it is the word of a `case`")
        lexer.gap()
        word = lexer.word()
        if word.text != "in" or not word.bare:
            raise Unsure
        self.open.append("case")
        self.patterns()

    def patterns(self) -> None:
        """The patterns of one branch of a `case`, up to their `)`; or `esac`."""
        lexer = self.lexer
        lexer.gap()
        bracket = lexer.at("(")
        lexer.pos += bracket
        lexer.within.append(("cannot stand in a pattern of `case`", "compare with [ … = … ], or use a condition node"))
        while True:
            lexer.blanks()
            word = lexer.word()
            if word.bare and word.text == "esac" and not bracket:
                lexer.within.pop()
                self.open.pop()
                self.closed = True
                return
            lexer.blanks()
            if lexer.at(")"):
                break
            if not lexer.at("|") or (word.bare and not word.text):
                raise Unsure
            lexer.pos += 1
        lexer.pos += 1
        lexer.within.pop()
