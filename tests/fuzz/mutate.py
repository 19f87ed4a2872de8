"""Inputs by chance: a seed, bent a few times. The same `random.Random` gives the same input."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**400, 1e308, 5e-324, float("inf"), float("nan"), "", " ",
    "\0", "\x1b[2J", "\ud800", "\u202e", "../../etc/passwd", "/", ".", "latest", "each[0]/a", "a" * 5000, "{{ x }}",
    "9" * 5000, [], {}, [[]], [None], {"": None}, {"a": {"b": []}}, "2026-01-01T00:00:00Z", "x[99999999999999999999]",
)  # fmt: skip
BYTES = (b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\n", b"\x85", b"\xe2\x80\xa8", b"\x1b[", b"\x7f")
DEEP = 3000


def mutate(seeds: Sequence[bytes], words: Sequence[bytes], rng: random.Random, most: int = 6) -> bytes:
    """One of the seeds, with up to `most` changes."""
    return bend(rng.choice(seeds), seeds, words, rng, rng.randint(0, most))


def bend(data: bytes, seeds: Sequence[bytes], words: Sequence[bytes], rng: random.Random, times: int) -> bytes:
    """The data, changed so many times; pieces of the seeds may come into it."""
    for _ in range(times):
        data = rng.choice(_WAYS)(data, seeds, words, rng)[:100_000]
    return data


def _flip(data: bytes, _seeds: Sequence[bytes], _words: Sequence[bytes], rng: random.Random) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _insert(data: bytes, _seeds: Sequence[bytes], words: Sequence[bytes], rng: random.Random) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice([*words, *BYTES]) * rng.choice((1, 1, 1, 2, 40)) + data[at:]


def _cut(data: bytes, _seeds: Sequence[bytes], _words: Sequence[bytes], rng: random.Random) -> bytes:
    start, end = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
    return data[:start] + data[min(end, start + 200) :]


def _again(data: bytes, _seeds: Sequence[bytes], _words: Sequence[bytes], rng: random.Random) -> bytes:
    """A piece stands there several times."""
    start = rng.randint(0, len(data))
    piece = data[start : start + rng.randint(1, 60)]
    return data[:start] + piece * rng.choice((2, 3, 200)) + data[start:]


def _splice(data: bytes, seeds: Sequence[bytes], _words: Sequence[bytes], rng: random.Random) -> bytes:
    other = rng.choice(seeds)
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def _lines(data: bytes, _seeds: Sequence[bytes], _words: Sequence[bytes], rng: random.Random) -> bytes:
    """Two lines change places, or one is left out or doubled."""
    lines = data.split(b"\n")
    first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
    way = rng.randrange(3)
    if way == 0:
        lines[first], lines[second] = lines[second], lines[first]
    elif way == 1:
        del lines[first]
    else:
        lines.insert(second, lines[first])
    return b"\n".join(lines)


def _json(data: bytes, _seeds: Sequence[bytes], _words: Sequence[bytes], rng: random.Random) -> bytes:
    """One line that is JSON, or the whole, with a value in it that is odd, gone, or another's."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    try:
        value, lines = json.loads(data), [data]
        at = 0
    except (ValueError, RecursionError):
        try:
            value = json.loads(lines[at])
        except (ValueError, RecursionError):
            return data
    value = _bent(value, rng)
    try:
        lines[at] = json.dumps(value).encode()
    except (ValueError, RecursionError):
        return data
    return b"\n".join(lines)


def _bent(value: Any, rng: random.Random) -> Any:
    """The value with one place in it changed."""
    places: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting and len(places) < 5000:
        owner = waiting.pop()
        inner = owner.items() if isinstance(owner, dict) else enumerate(owner) if isinstance(owner, list) else ()
        for key, item in inner:
            places.append((owner, key))
            waiting.append(item)
    if not places:
        return rng.choice(ODD)
    owner, key = rng.choice(places)
    way = rng.randrange(6)
    if way == 0:
        del owner[key]
    elif way == 1:
        other, name = rng.choice(places)
        owner[key] = other[name] if isinstance(other, dict) or (isinstance(name, int) and name < len(other)) else None
    elif way == 2 and isinstance(owner, dict):
        owner[str(rng.choice(ODD))] = owner.pop(key)
    elif way == 3:
        owner[key] = [owner[key]]
    else:
        owner[key] = rng.choice(ODD)
    return value


def _deep(data: bytes, _seeds: Sequence[bytes], _words: Sequence[bytes], rng: random.Random) -> bytes:
    at = rng.randint(0, len(data))
    opening, closing = rng.choice(
        ((b"[", b"]"), (b"{", b"}"), (b"(", b")"), (b"{a: ", b"}"), (b'{"a":', b"}"), (b"- ", b""))
    )
    count = rng.choice((5, 60, 250, DEEP))
    return data[:at] + opening * count + closing * rng.choice((0, count)) + data[at:]


_WAYS = (_flip, _insert, _insert, _cut, _again, _splice, _lines, _json, _json, _json, _deep)
