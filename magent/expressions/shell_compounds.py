"""The reserved words of the shell: `if`, `for`, `case` and their like."""

from __future__ import annotations

from magent.expressions.shell_cursor import ELSE, Unsure, Word, is_name
from magent.expressions.shell_script import ScriptLexer

_OPENERS = frozenset(("if", "while", "until", "{"))
_GOING_ON = {"then": "if", "elif": "if", "else": "if", "do": "while until for", "!": ""}
_CLOSERS = {"fi": "if", "done": "while until for", "esac": "case", "}": "{"}
_FOREIGN = frozenset(("function", "select", "coproc"))
_COMPUTING = frozenset(("-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-v", "-R"))


class Compounds:
    """What is open at one level of a script: itself, or a `$( … )`."""

    def __init__(self, lexer: ScriptLexer, closer: str | None) -> None:
        self.lexer = lexer
        self.closer = closer
        self.open: list[str] = []
        self.words: list[Word] = []
        self.redirected = False
        self.piped = False
        self.closed = False  # behind `fi`, `done`, `)` …: no word may follow
        self.tests = False  # inside of `[[ … ]]`

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
