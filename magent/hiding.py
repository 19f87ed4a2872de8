"""Secrets in texts: found as they are and in the encodings that programs give them, and replaced by `***`.

Known are: JSON (once and twice escaped, also as other languages write it), URLs, base64 and base64url (whole, and at
any place of a longer text, JSON or not), hex, HTML, quotes of shells, Python and YAML; either form of Unicode;
encodings that are broken into lines. A text of many lines is also known by each of its lines. What is transformed in
another way, or is a piece of a secret, is not found.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

MASK = "***"
SHORTEST = 4  # characters: what is shorter hides nothing, and would be found everywhere
LINE = 8  # characters of a line of a secret that is looked for by itself
_BROKEN = 16  # characters of what is also found where it is broken into lines
_BLOCK = 4  # characters that are looked up at once
_SHORT = 12  # characters: shorter words are looked for one by one
_ESCAPE = re.compile(r"\\u[0-9a-f]{4}")
_PERCENT = re.compile("%[0-9A-F]{2}")
_UNSAFE = re.compile(r"[^\w@%+=:,./\x80-\U0010ffff-]", re.ASCII)  # what `printf %q` of bash puts a backslash before
_BREAK = re.compile(r"[ \t]*(?:\\+[rn]|[\r\n])(?:\\+[rn]|[ \t\r\n])*|[ \t\\]+$")  # what may become one, too
_SAFE = ("", "/", "-._~!*'()", "*-._", ";,/?:@&=+$-_.!~*'()#")  # what programs leave as it is in URLs


def forms(secret: str) -> set[str]:
    """All that stands for the secret: each at least `SHORTEST` characters long."""
    found: set[str] = set()
    for text in _plain(secret):
        found |= _written(text) | _coded(text)
        for escaped in {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]} - {text}:
            found |= _in_base64(escaped)
    return {form for form in found if len(form) >= SHORTEST}


def _plain(secret: str) -> set[str]:
    """The secret as text, and its lines."""
    whole = {secret, secret.strip(), secret.replace("\n", "\r\n"), _readable(secret)}
    parts = {line.strip() for line in secret.splitlines()}
    whole |= {line for line in parts if len(line) >= LINE and not line.startswith("-----")}
    both = {unicodedata.normalize(form, text) for form in ("NFC", "NFD") for text in whole}
    return {text for text in whole | both if len(text) >= SHORTEST}


def _readable(text: str) -> str:
    """As it is read from a child that prints it."""
    return text.encode("utf-8", "surrogateescape" if _is_raw(text) else "surrogatepass").decode("utf-8", "replace")


def _is_raw(text: str) -> bool:
    return all("\udc80" <= char <= "\udcff" for char in text if "\ud800" <= char <= "\udfff")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape" if _is_raw(text) else "surrogatepass")


def _written(text: str) -> set[str]:
    once = {
        text,
        *_in_json(text),
        *_in_units(text),
        *_in_html(text),
        text.replace("'", "''"),
        _UNSAFE.sub(r"\\\g<0>", text),
    }
    once |= {repr(text)[1:-1], ascii(text)[1:-1], repr(_bytes(text))[2:-1]}
    once |= {text.replace("'", "'\"'\"'"), text.replace("'", "'\\''")}
    return once | {twice for each in {text, *_in_json(text)} for twice in (*_in_json(each), *_in_url(each))}


def _in_html(text: str) -> set[str]:
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    both = {plain} | {plain.replace('"', quote) for quote in ("&quot;", "&#34;")}
    return both | {each.replace("'", quote) for each in both for quote in ("&#x27;", "&#39;", "&apos;")}


def _in_json(text: str) -> set[str]:
    plain = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    plain |= {each.replace("\x7f", "\\u007f") for each in plain}
    found = plain | {each.replace("/", "\\/") for each in plain}
    for signs in ("<>&", "<>&'"):  # as Go and templates for HTML write it
        found |= {"".join(f"\\u{ord(char):04x}" if char in signs else char for char in each) for each in plain}
    return found | {_ESCAPE.sub(lambda match: "\\u" + match[0][2:].upper(), each) for each in found}


def _in_units(text: str) -> set[str]:
    """As PHP and .NET write some signs in JSON, with all that is beyond ASCII; and with every character so written."""
    every = {ord(char): _unit(char) for char in set(text)}
    others = {code: json.dumps(chr(code))[1:-1] for code in every if code < 127}
    found = {text.translate(every)}
    for signs in ("<>&'\"", "<>&'\"+`"):
        found.add(text.translate(every | {code: each for code, each in others.items() if chr(code) not in signs}))
    return found | {_ESCAPE.sub(lambda match: "\\u" + match[0][2:].upper(), each) for each in found}


def _unit(char: str) -> str:
    data = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[at : at + 2].hex()}" for at in range(0, len(data), 2))


def _in_url(text: str) -> set[str]:
    from urllib.parse import quote, quote_plus

    data = _bytes(text)
    found = {quote(data, safe) for safe in _SAFE} | {quote_plus(data, safe) for safe in _SAFE}
    found |= {quote(each, "") for each in found}
    return found | {_PERCENT.sub(lambda match: match[0].lower(), each) for each in found}


def _coded(text: str) -> set[str]:
    data = _bytes(text)
    found = {data.hex(), "".join(f"%{byte:02x}" for byte in data)}
    return found | {each.upper() for each in found} | _in_base64(text)


def _in_base64(text: str) -> set[str]:
    from urllib.parse import quote

    data = _bytes(text)
    found: set[str] = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(data).decode()
        words = {whole, whole.rstrip("="), *(_inside(encode(b"\0" * shift + data), shift) for shift in range(3))}
        found |= words | {each for word in words for each in (quote(word, ""), word.replace("/", "\\/"))}
    return found | {_PERCENT.sub(lambda match: match[0].lower(), each) for each in found}


def _inside(encoded: bytes, shift: int) -> str:
    """What is sure of the base64 of data that begins at `shift` (of three) bytes, whatever stands around it."""
    text = encoded.decode()
    kept = text.rstrip("=")
    return kept[(8 * shift + 5) // 6 : len(kept) - (kept != text)]


class _Finder:
    """Finds any of some words. Every one has a part of its first characters at a place that is looked at."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = sorted(set(words))
        self.longest = max(map(len, self.words))
        self.shortest = min(map(len, self.words))
        self._short = [word for word in self.words if len(word) < _SHORT]
        long = [word for word in self.words if len(word) >= _SHORT]
        self._back = min(map(len, long), default=0) - _BLOCK
        self._blocks: dict[str, set[int]] = {}  # and how far into words they stand
        for word in long:
            for at in range(self._back + 1):
                self._blocks.setdefault(word[at : at + _BLOCK], set()).add(at)
        self._stubs = {word[:length] for word in self.words for length in range(1, _BLOCK)}
        self._heads: dict[str, list[str]] = {}
        for word in self.words:
            self._heads.setdefault(word[:_BLOCK], []).append(word)
        for same in self._heads.values():
            same.sort(key=len, reverse=True)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """The longest word at each place where one begins, in order."""
        starts = {start for word in self._short if word in text for start in _places(word, text)}
        if blocks := self._blocks:
            back = self._back
            looked = range(back, len(text) - _BLOCK + 1, back + 1)
            hits = [at for at in looked if text[at : at + _BLOCK] in blocks]
            starts.update(at - into for at in hits for into in blocks[text[at : at + _BLOCK]])
        return [(start, end) for start in sorted(starts) if (end := self._end(text, start))]

    def _end(self, text: str, start: int) -> int:
        """Where the longest word ends that begins at `start`; 0: none does."""
        for word in self._heads.get(text[start : start + _BLOCK], ()):
            if text.startswith(word, start):
                return start + len(word)
        return 0

    def doubtful(self, text: str) -> int:
        """Where the end of `text` begins that may be the beginning of a word; its length where there is none."""
        size = len(text)
        for start in range(max(0, size - self.longest + 1), size):
            head = text[start : start + _BLOCK]
            if (head in self._heads and self._begins(text[start:])) or (start + _BLOCK > size and head in self._stubs):
                return start
        return size

    def _begins(self, rest: str) -> bool:
        at = bisect_right(self.words, rest)
        return at < len(self.words) and self.words[at].startswith(rest)


def _places(word: str, text: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + 1)


class _Joined:
    """A text without its line breaks, escaped ones too, and where its characters were."""

    def __init__(self, text: str) -> None:
        self.kept: list[int] = []  # where a piece begins here
        self.places: list[int] = []  # and where it began
        pieces, length, end = [], 0, 0
        for found in (*_BREAK.finditer(text), None):
            piece = text[end : found.start() if found else len(text)]
            self.kept.append(length)
            self.places.append(end)
            pieces.append(piece)
            length += len(piece)
            end = found.end() if found else end
        self.text = "".join(pieces)

    def place(self, at: int) -> int:
        piece = bisect_right(self.kept, at) - 1
        return self.places[piece] + at - self.kept[piece]


class Words:
    """All forms of some secrets, to be found in texts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        words = {form for secret in secrets for form in forms(secret)}
        self._finder = _Finder(words) if words else None
        long = {joined for word in words if len(joined := _BREAK.sub("", word)) >= _BROKEN}
        self._broken = _Finder(long) if long else None
        self._bare = _Finder(bare) if (bare := {_bare(word) for word in long if len(_bare(word)) >= _BROKEN}) else None
        self.numeric = any(set(word) <= set("0123456789.+-e") for word in words)

    def __bool__(self) -> bool:
        return self._finder is not None

    def found(self, text: str) -> bool:
        return bool(self.spans(text))

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where secrets are, in order and apart: such that overlap are one."""
        if self._finder is None or len(text) < self._finder.shortest:
            return []
        found = self._finder.spans(text)
        if self._bare is not None and self._broken is not None and _is_broken(text) and self._bare.spans(_bare(text)):
            joined = _Joined(text)
            spans = self._broken.spans(joined.text)
            found = sorted([*found, *((joined.place(start), joined.place(end - 1) + 1) for start, end in spans)])
        return _apart(found) if found else found

    def hide(self, text: str) -> str:
        """The text with `***` for each secret."""
        spans = self.spans(text)
        if not spans:
            return text
        pieces, end = [], 0
        for start, last in spans:
            pieces += [text[end:start], MASK]
            end = last
        return "".join([*pieces, text[end:]])

    def doubtful(self, text: str) -> int:
        """Where the end of `text` begins that may be the beginning of a secret, and is not to be seen before more is
        known. No secret is cut there."""
        if self._finder is None or not text:
            return len(text)
        cut = self._finder.doubtful(text)
        if self._broken is not None and _is_broken(text):
            joined = _Joined(text)
            start = self._broken.doubtful(joined.text)
            if start < len(joined.text):
                cut = min(cut, joined.place(start))
        spans = self.spans(text)
        at = bisect_left(spans, (cut, cut)) - 1
        return spans[at][0] if at >= 0 and spans[at][1] > cut else cut


def _bare(text: str) -> str:
    """Quickly without line breaks, and more: what `_Joined` finds in a text is there, too."""
    return "".join(text.replace("\\n", "").replace("\\r", "").replace("\\", "").split())


class MaskedText:
    """One text that comes in pieces. What may be the beginning of a secret is held back until it is known."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._held = ""
        self._seen = 0  # characters of it that `pause` has shown

    def add(self, piece: str) -> str:
        """What can be seen now."""
        text = self._held + piece
        cut = self._words.doubtful(text)
        return self._let_go(text, cut)

    def pause(self) -> str:
        """Something else is to be seen now, and this may go on: what was held back, unless it is so much of a secret
        that it tells what it is."""
        if len(self._held) >= SHORTEST:
            return ""
        shown, self._seen = self._held[self._seen :], len(self._held)
        return shown

    def end(self) -> str:
        """What was held back for nothing."""
        return self._let_go(self._held, len(self._held))

    def _let_go(self, text: str, cut: int) -> str:
        out, self._held = text[:cut], text[cut:]
        seen, self._seen = min(self._seen, cut), max(0, self._seen - cut)
        spans = self._words.spans(out) if seen else []
        return self._words.hide(out[min(seen, spans[0][0]) :] if spans else out[seen:])


def _is_broken(text: str) -> bool:
    return "\n" in text or "\r" in text or "\\" in text


def _apart(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    spans = [found[0]]
    for start, end in found[1:]:
        if start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans
