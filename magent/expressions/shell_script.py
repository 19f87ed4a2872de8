"""A script as its commands are read: white space, comments and here-documents between them."""

from __future__ import annotations

from magent.expressions.shell_cursor import Placeholder, Unsure
from magent.expressions.shell_roles import Roles
from magent.expressions.shell_words import WordLexer

BLANKS = " \t"
HERE = ("cannot stand in a here-document", "use stdin, or printf '%s\\n' {{ … }}")
_COMMENT = ("cannot stand in a comment", "take it out of the comment")


class ScriptLexer(WordLexer):
    """Reads what stands between commands, and keeps what is known of those that were read."""

    def __init__(self, script: str, holes: list[Placeholder]) -> None:
        super().__init__(script, holes)
        self.roles = Roles()
        self.complete = 0  # where the last whole command of the script ended
        self.warnings: list[tuple[Placeholder, str]] = []

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
            self.skip_to(end, *HERE)
            self.pos = min(end + 1, len(self.script))
            if (line.lstrip("\t") if tabs else line) == delimiter:
                return
        raise Unsure
