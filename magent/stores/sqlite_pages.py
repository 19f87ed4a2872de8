"""The records in the pages of an SQLite file, found without its trees: https://www.sqlite.org/fileformat.html

Of a file that is half older than the other half each page is sound by itself, and the trees, which lead from one to the
other, are not. So pages are read in their order, whatever tree they belong to. Whatever the bytes are, this ends, in
time that grows with the file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

_MAGIC = b"SQLite format 3\0"
_INDEX, _INDEX_LEAF, _TABLE_LEAF = 0x02, 0x0A, 0x0D  # what has records; a table's inner pages have none
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_COLUMNS = 16  # more than any record of ours has
_READINGS = 4  # times that all pages may be read as parts of long records


class Unreadable(ValueError):
    """The bytes are no database, or one that nobody has written."""


class Record(NamedTuple):
    rowid: int  # 0 in an index
    values: tuple[int | float | str | bytes | None, ...]


class Pages:
    """`read` gives so many bytes from a place on, fewer at the end of the file, which has `length`. Raises
    Unreadable."""

    def __init__(self, read: Callable[[int, int], bytes], length: int) -> None:
        head = read(100, 0)
        size = int.from_bytes(head[16:18]) if len(head) == 100 else 0
        self.size = 65536 if size == 1 else size
        if not head.startswith(_MAGIC) or self.size < 512 or self.size & (self.size - 1):
            raise Unreadable("it is no SQLite database")
        self.usable = self.size - head[20]
        if self.usable < 480:
            raise Unreadable("its pages hold nothing")
        self._read = read
        self.count = length // self.size
        self._left = _READINGS * self.count

    def __getitem__(self, number: int) -> bytes:
        """Raises IndexError."""
        if not 0 < number <= self.count:
            raise IndexError(number)
        return self._read(self.size, (number - 1) * self.size)

    def chain(self, first: int, wanted: int) -> bytes:
        """So many bytes that pages hold one after the other. Raises IndexError where they do not end just there,
        Unreadable."""
        found, number, room = [], first, self.usable - 4
        while wanted > 0:
            self._left -= 1
            if self._left < 0:
                raise Unreadable("its records are longer than the file")
            page = self[number]
            found.append(page[4 : 4 + min(wanted, room)])
            number, wanted = int.from_bytes(page[:4]), wanted - room
        if number:
            raise IndexError(number)
        return b"".join(found)


def records(pages: Pages) -> Iterator[Record]:
    """All there are, of tables and of indexes; those that do not hold together are left out. Raises Unreadable."""
    for number in range(1, pages.count + 1):
        page = pages[number]
        start = 100 if number == 1 else 0
        if page[start] in (_INDEX, _INDEX_LEAF, _TABLE_LEAF):
            yield from _of_page(pages, page, start)


def _of_page(pages: Pages, page: bytes, start: int) -> Iterator[Record]:
    kind, count = page[start], int.from_bytes(page[start + 3 : start + 5])
    first = start + (12 if kind == _INDEX else 8)
    for at in range(first, min(first + 2 * count, len(page) - 1), 2):
        try:
            rowid, payload = _cell(pages, page, int.from_bytes(page[at : at + 2]), kind)
            values = _values(payload)
        except (IndexError, struct.error):
            continue
        if values is not None:
            yield Record(rowid, values)


def _cell(pages: Pages, page: bytes, at: int, kind: int) -> tuple[int, bytes]:
    """Its rowid and its payload. Raises IndexError, Unreadable."""
    if kind == _INDEX:
        at += 4
    length, at = _varint(page, at)
    rowid = 0
    if kind == _TABLE_LEAF:
        rowid, at = _varint(page, at)
        rowid -= rowid >> 63 << 64
    local = _local(pages.usable, length, table=kind == _TABLE_LEAF)
    if length > pages.size * pages.count or at + local > pages.usable:
        raise IndexError(at)
    payload = page[at : at + local]
    if local < length:
        payload += pages.chain(int.from_bytes(page[at + local : at + local + 4]), length - local)
    return rowid, payload


def _local(usable: int, length: int, *, table: bool) -> int:
    """How much of a payload stands in the page itself."""
    most = usable - 35 if table else (usable - 12) * 64 // 255 - 23
    if length <= most:
        return length
    least = (usable - 12) * 32 // 255 - 23
    fitting = least + (length - least) % (usable - 4)
    return fitting if fitting <= most else least


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number, and where the next thing stands. Raises IndexError."""
    value = 0
    for offset in range(8):
        byte = data[at + offset]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + offset + 1
    return value << 8 | data[at + 8], at + 9


def _values(payload: bytes) -> tuple[int | float | str | bytes | None, ...] | None:
    """None where it is no record. Raises IndexError, struct.error."""
    end, at = _varint(payload, 0)
    kinds = []
    while at < end:
        kind, at = _varint(payload, at)
        kinds.append(kind)
        if len(kinds) > _COLUMNS:
            return None
    if at != end or end + sum(map(_width, kinds)) != len(payload):
        return None
    values = []
    for kind in kinds:
        width = _width(kind)
        values.append(_value(kind, payload[at : at + width]))
        at += width
    return tuple(values)


def _width(kind: int) -> int:
    if kind >= 12:
        return (kind - 12) // 2
    return 8 if kind == 7 else _INTEGERS.get(kind, 0)


def _value(kind: int, data: bytes) -> int | float | str | bytes | None:
    if kind >= 12:
        return data.decode("utf-8", "replace") if kind % 2 else data
    if kind in _INTEGERS:
        return int.from_bytes(data, signed=True)
    if kind == 7:
        return float(struct.unpack(">d", data)[0])
    return {8: 0, 9: 1}.get(kind)
