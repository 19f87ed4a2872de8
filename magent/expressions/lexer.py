"""Texts into the tokens that Jinja's parser reads.

Jinja's own lexer keeps lines, not columns, and rewrites line ends; here each token's `lineno` is its offset plus one,
so every node of the tree knows its exact place. What people write from other languages is met with the right spelling.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jinja2.lexer import Token

from magent.expressions.problems import problem

MAX_SOURCE = 8 * 1024 * 1024
MAX_CODE = 50_000  # characters of code between one pair of braces
MAX_BRACKETS = 30  # Jinja's parser takes fourteen frames of the stack for each
MAX_BLOCKS = 40

_CODE = re.compile(
    r"""(?P<space>\s+)
    |(?P<float>(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?[eE][+\-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+))
    |(?P<integer>0[bB](?:_?[0-1])+|0[oO](?:_?[0-7])+|0[xX](?:_?[\da-fA-F])+|[1-9](?:_?\d)*|0(?:_?0)*)
    |(?P<name>[^\W\d]\w*)
    |(?P<string>'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*")
    |(?P<trap>&&|\|\||===|!==|=>|<>|\?\?|\?\.|\?|\+\+|!(?!=)|&|\{\{|\{%|\$\{?|`|'|")
    |(?P<operator>//|\*\*|==|!=|>=|<=|[-+/*%~\[\](){}<>=.:|,;])""",
    re.X | re.S,
)
_OPERATORS = {
    "+": "add", "-": "sub", "/": "div", "//": "floordiv", "*": "mul", "%": "mod", "**": "pow", "~": "tilde",
    "[": "lbracket", "]": "rbracket", "(": "lparen", ")": "rparen", "{": "lbrace", "}": "rbrace",
    "==": "eq", "!=": "ne", ">": "gt", ">=": "gteq", "<": "lt", "<=": "lteq", "=": "assign",
    ".": "dot", ":": "colon", "|": "pipe", ",": "comma", ";": "semicolon",
}  # fmt: skip
_TRAPS = {
    "&&": "write `and`",
    "||": "write `or`",
    "===": "write `==`",
    "!==": "write `!=`",
    "<>": "write `!=`",
    "=>": "write `>=`; functions cannot be written here",
    "??": "write `x | default(y)`",
    "?.": "write `x.y | default(null)`: default handles what is missing at any depth",
    "?": "`a ? b : c` is written `b if a else c`",
    "++": "write `x + 1`",
    "!": "write `not x`",
    "&": "write `and`",
    "{{": "leave the inner braces out",
    "{%": "statements stand outside of `{{ … }}`",
    "$": "names are written without `$`",
    "${": "names are written without `${ }`",
    "`": "texts are quoted 'so' or \"so\"",
}
_CLOSERS = {")": "(", "]": "[", "}": "{"}
_OPENERS = {"(": ")", "[": "]", "{": "}"}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|.)", re.S)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\n": "", "\\": "\\", "'": "'", '"': '"'}
_BEGIN = re.compile(r"\{([{%#])([-+]?)")
_RAW = re.compile(r"\{%[-+]?\s*raw\s*(?:-%\}\s*|%\})")
_ENDRAW = re.compile(r"\{%([-+]?)\s*endraw\s*(?:[+]?%\}|-%\}\s*)")
_STATEMENTS = ("if", "elif", "else", "endif", "for", "endfor", "set", "endset")
_OPENING = ("if", "for")
_CLOSING = ("endif", "endfor")


@dataclass(slots=True)
class Tokens:
    """The tokens of a template; `lone`: it is one `{{ … }}`, alone but for white space."""

    tokens: list[Token]
    lone: bool = False


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code in _ESCAPES:
        return _ESCAPES[code]
    # Any other keeps its backslash, so that '\d', '\bword\b' and '\1' mean in patterns what they look like.
    return chr(int(code[1:], 16)) if len(code) > 1 else match[0]


def _string(source: str, offset: int, written: str) -> str:
    text = written[1:-1]
    if "\\" not in text:
        return text
    try:
        text = _ESCAPE.sub(_unescaped, text)
        return text.encode("utf-16", "surrogatepass").decode("utf-16")  # joins pairs, refuses halves
    except ValueError:
        raise problem(source, offset, "this text holds an escape that is no character") from None


def _token(source: str, offset: int, kind: str, written: str) -> Token:
    at = offset + 1
    if kind == "operator":
        return Token(at, _OPERATORS[written], written)
    if kind == "string":
        return Token(at, "string", _string(source, offset, written))
    if kind == "integer":
        digits = written.replace("_", "")
        if len(digits) > 4000:
            raise problem(source, offset, "this number is too long")
        return Token(at, "integer", int(digits, 0))  # type: ignore[arg-type]  # as Jinja's own lexer does
    if kind == "float":
        return Token(at, "float", float(written.replace("_", "")))  # type: ignore[arg-type]
    return Token(at, "name", written)


def _trap(source: str, offset: int, written: str, *, braced: bool) -> Exception:
    if written in "'\"":
        return problem(source, offset, f"the text that begins with {written} is not closed", "close the quote")
    hint = _TRAPS[written]
    if written in ("{{", "{%") and not braced:
        hint = "leave the braces out: this key takes a bare expression"
    return problem(source, offset, f"`{written}` does not belong in an expression", hint)


def _close(source: str, offset: int, written: str, stack: list[tuple[str, int]]) -> None:
    if stack and stack[-1][0] == _CLOSERS[written]:
        stack.pop()
        return
    if not stack:
        doubled = source[offset : offset + 2] == "}}"
        hint = None if written != "}" else "leave the braces out" if doubled else "`{{` is closed by `}}`"
        raise problem(source, offset, f"`{written}` closes nothing", hint)
    raise unclosed(source, stack)


def unclosed(source: str, stack: list[tuple[str, int]]) -> Exception:
    opener, at = stack[-1]
    return problem(source, at, f"`{opener}` is not closed", f"add `{_OPENERS[opener]}`")


def lex_code(source: str, offset: int, end: str | None, opened: int = 0) -> tuple[list[Token], int]:
    """The tokens of code from `offset` up to the closing `end` ("}}" or "%}"; None: the end of the text), and where
    the code ends. `opened` is where the braces were opened. Raises ExpressionProblem."""
    tokens: list[Token] = []
    stack: list[tuple[str, int]] = []
    start, length = offset, len(source)
    limit = start + MAX_CODE + 1  # nothing beyond is looked at: patterns take memory for what they match
    while offset < length:
        ending = end is not None and source[offset] in "}%-+" and (not stack or stack[-1][0] != "{")
        if end is not None and ending and _at_end(source, offset, end):
            if stack:
                raise unclosed(source, stack)
            return tokens, offset
        match = _CODE.match(source, offset, limit)
        if offset >= limit - 1 or (match is not None and match[0] in "'\"" and limit < length):
            raise problem(source, start, f"this expression is too long (more than {MAX_CODE:,} characters)")
        if match is None:
            raise problem(source, offset, f"`{source[offset]}` does not belong in an expression")
        kind, written = str(match.lastgroup), match[0]
        if kind == "trap":
            raise _trap(source, offset, written, braced=end is not None)
        if written in _OPENERS:
            stack.append((written, offset))
            if len(stack) > MAX_BRACKETS:
                raise problem(source, offset, f"brackets are nested too deeply (more than {MAX_BRACKETS})")
        elif written in _CLOSERS:
            _close(source, offset, written, stack)
        if kind != "space":
            tokens.append(_token(source, offset, kind, written))
        offset = match.end()
    if stack:
        raise unclosed(source, stack)
    if end is not None:
        begin = "{{" if end == "}}" else "{%"
        raise problem(source, opened, f"`{begin}` is not closed", f"add `{end}`")
    return tokens, offset


def _at_end(source: str, offset: int, end: str) -> bool:
    """Whether the closing braces stand here, perhaps after the `-` or `+` of white space control."""
    if source.startswith(end, offset):
        return True
    signs = "-+" if end == "%}" else "-"
    return source[offset] in signs and source.startswith(end, offset + 1)


def _after(source: str, offset: int, end: str) -> int:
    """Where the text goes on after closing braces at `offset`: `-` eats the white space that follows."""
    if source[offset] == "-":
        offset += 1 + len(end)
        while offset < len(source) and source[offset].isspace():
            offset += 1
        return offset
    return offset + len(end) + (source[offset] == "+")


def lex_expression(source: str) -> list[Token]:
    """The tokens of a bare expression."""
    tokens, _ = lex_code(source, 0, None)
    if not tokens:
        raise problem(source, 0, "the expression is empty")
    return tokens


class _TemplateLexer:
    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens: list[Token] = []
        self.depth = 0

    def lex(self) -> list[Token]:
        source, offset = self.source, 0
        while match := _BEGIN.search(source, offset):
            self.data(offset, match.start(), match[2] == "-")
            offset = self.braces(match)
        self.data(offset, len(source), strip=False)
        return self.tokens

    def data(self, start: int, end: int, strip: bool) -> None:
        text = self.source[start:end]
        text = text.rstrip() if strip else text
        if text:
            self.tokens.append(Token(start + 1, "data", text))

    def braces(self, match: re.Match[str]) -> int:
        if match[1] == "#":
            return self.comment(match.start())
        if match[1] == "%" and (raw := _RAW.match(self.source, match.start())):
            return self.raw(match.start(), raw.end())
        kind, end = ("variable", "}}") if match[1] == "{" else ("block", "%}")
        tokens, offset = lex_code(self.source, match.end(), end, match.start())
        if not tokens:
            raise problem(self.source, match.start(), f"`{match[0]}` holds nothing", "write an expression between")
        if kind == "block":
            self.statement(match.start(), tokens)
        self.tokens.append(Token(match.start() + 1, f"{kind}_begin", match[0]))
        self.tokens += tokens
        self.tokens.append(Token(offset + 1, f"{kind}_end", end))
        return _after(self.source, offset, end)

    def statement(self, offset: int, tokens: list[Token]) -> None:
        word = str(tokens[0].value)
        if word not in _STATEMENTS:
            raise problem(
                self.source,
                tokens[0].lineno - 1,
                f"`{word}` is not a statement here",
                "there are `if`, `for`, `set` and `raw`",
            )
        self.depth += (word in _OPENING) - (word in _CLOSING)
        if word == "set" and not any(token.type == "assign" for token in tokens):
            self.depth += 1
        self.depth -= word == "endset"
        if self.depth > MAX_BLOCKS:
            raise problem(self.source, offset, f"statements are nested too deeply (more than {MAX_BLOCKS})")

    def comment(self, start: int) -> int:
        end = self.source.find("#}", start + 2)
        if end < 0:
            raise problem(
                self.source, start, "`{#` is not closed", "add `#}`, or write `{{ '{#' }}` for the characters"
            )
        after = end + 2
        if end > start + 2 and self.source[end - 1] == "-":
            after = _after(self.source, end - 1, "#}")
        return after

    def raw(self, start: int, begin: int) -> int:
        match = _ENDRAW.search(self.source, begin)
        if match is None:
            raise problem(self.source, start, "`{% raw %}` is not closed", "add `{% endraw %}`")
        self.data(begin, match.start(), match[1] == "-")
        return match.end()


def lex_template(source: str) -> Tokens:
    """The tokens of a text with `{{ … }}`, `{% … %}` and `{# … #}`."""
    if len(source) > MAX_SOURCE:
        raise problem(source, 0, "this text is too long (more than 8 MB)")
    tokens = _TemplateLexer(source).lex()
    kinds = [token.type for token in tokens]
    lone = kinds.count("variable_begin") == 1 and "block_begin" not in kinds
    lone = lone and all(token.value.isspace() for token in tokens if token.type == "data")
    return Tokens(tokens, lone)
