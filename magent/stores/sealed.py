"""Runs under a key: every line and every document is sealed by itself, with AES-256-GCM.

    header      magent-sealed BASE64(key id 8 | salt 16 | nonce 12 | sealed)
    others      magent-sealed BASE64(seq 8 | link 16 | nonce 12 | sealed)
    events      ~SEQ BASE64(link 16 | nonce 12 | sealed)

What is sealed is what `codec.plain` would write, and ends with its tag of 16 bytes. Sealed along, so that it cannot be
changed unseen: the run's id, the kind, `seq`, `link`. A line's link is the tag of the line before it, a checkpoint's
and a result's is the tag of the last line there was: nothing can be moved, swapped, taken out or put back from
elsewhere unseen, and nothing cut off that a checkpoint or the result knows of. What they keep of the journal (`tails`)
passes as any of its lines does, or is left out. What nobody can see is that all of a run was put back to how it was
before, or that the last events went together with every checkpoint and result after them.

Each run has a key of its own, made from the one that is given and its salt. Nonces are random: of one run, 2^32 lines
and documents may be written before two of them are the same with a chance of 2^-32.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from magent.errors import RunSealed, UsageError
from magent.events import BadLine, Event
from magent.ports import Unsealed
from magent.stores.codec import SEALED, SEALED_LINE, Kind, Plain, Unsound, check_sealed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAKE_ONE = "make one with: openssl rand -base64 32"
_UNKNOWN = bytes(16)  # the link of what stands first, and of what was written without the line at hand
_KEY_ID, _SALT, _NONCE, _TAG = 8, 16, 12, 16
_DISTINCT = 12  # of 32 random bytes, fewer are different with a chance of 2^-100 or so
_LINE = re.compile(rb"~([1-9]\d{0,18}) ")
_TAIL = 28  # characters of base64 that hold a tag, however the last of them are padded


def parse_key(text: str, name: str) -> bytes:
    """The 32 bytes that `text`, which `name` holds, stands for in base64 or hexadecimal. Raises UsageError."""
    key = _decoded(text.strip())
    if key is None:
        raise UsageError(f"{name} holds no key: 32 random bytes are wanted, in base64 or hexadecimal", MAKE_ONE)
    if len(set(key)) < _DISTINCT or all(32 <= byte < 127 for byte in key):
        raise UsageError(f"the key in {name} is too easy to guess: it is not random", MAKE_ONE)
    return key


def _decoded(text: str) -> bytes | None:
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text)
    if re.fullmatch(r"[A-Za-z0-9+/_-]{43}=?", text):
        return base64.b64decode(text.rstrip("=").translate(str.maketrans("-_", "+/")) + "=")
    return None


class Keyring:
    """A `Codec`: what is new is written under the first key, what is there is read under the one it was written with.
    Raises UsageError where the library is missing."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            hint = "install it: pip install 'magent-cli[encryption]'"
            raise UsageError("encryption needs the library cryptography, which is not installed", hint) from error
        self._cipher = AESGCM
        self._keys = {_key_id(key): key for key in keys}
        self.newest = _key_id(keys[0])

    def __call__(self, run_id: str) -> SealedRun:
        return SealedRun(self, run_id)

    def cipher(self, key_id: bytes, salt: bytes, run_id: str) -> AESGCM:
        """Raises RunSealed."""
        if key_id not in self._keys:
            hint = "give the key it was written with: under encryption.key_env, or among encryption.old_key_envs"
            raise RunSealed(f"run {run_id} is encrypted under another key", hint)
        return self._cipher(_derived(self._keys[key_id], salt, b"magent run " + run_id.encode()))


def _key_id(key: bytes) -> bytes:
    return _derived(key, b"", b"magent key id")[:_KEY_ID]


def _derived(key: bytes, salt: bytes, purpose: bytes) -> bytes:
    """HKDF with SHA-256 (RFC 5869), one block."""
    secret = hmac.digest(salt or bytes(32), key, sha256)
    return hmac.digest(secret, purpose + b"\x01", sha256)


class SealedRun:
    """Fills `RunCodec`. A run that was begun in the clear is read, and not gone on with."""

    def __init__(self, ring: Keyring, run_id: str) -> None:
        self._ring = ring
        self._run_id = run_id
        self._known: AESGCM | None = None  # None: the run is in the clear, or its header was not seen
        self._plain: Plain | None = None
        self._whose = b"magent 1\0%b\0" % run_id.encode()

    # ---- events

    def line(self, event: Event, before: bytes = b"") -> bytes:
        self.check_writable()
        link = _tag_of_line(before) if before else _UNKNOWN
        data = Plain().line(event)[:-1]
        sealed = self._seal(data, self._about("event", event.seq, link))
        return b"~%d %b" % (event.seq, binascii.b2a_base64(link + sealed))

    def event(self, line: bytes, before: bytes | None = None) -> Event:
        if self._plain:
            return self._plain.event(line)
        seq, raw = _parsed(line)
        link = raw[:_TAG]
        if before is not None and link != (_tag_of_line(before) if before else _UNKNOWN):
            raise BadLine("it does not follow the line before it: lines were changed, moved or taken out")
        try:
            event = Plain().event(self._open(raw[_TAG:], self._about("event", seq, link)))
        except Unsound as unsound:
            raise BadLine(str(unsound)) from unsound
        if event.seq != seq:
            raise BadLine("it is of another event")
        return event

    # ---- documents

    def encode(self, kind: Kind, data: Mapping[str, Any], seq: int = 0, line: bytes = b"") -> bytes:
        plain = Plain().encode(kind, data, seq)
        if kind == "header":
            key_id, salt = self._ring.newest, os.urandom(_SALT)
            self._known = self._ring.cipher(key_id, salt, self._run_id)
            return _text(key_id + salt, self._seal(plain, self._about(kind, 0, _UNKNOWN)))
        self.check_writable()
        link = _tag_of_line(line) if line else _UNKNOWN
        return _text(seq.to_bytes(8) + link, self._seal(plain, self._about(kind, seq, link)))

    def decode(self, kind: Kind, data: bytes, seq: int | None = 0) -> dict[str, Any]:
        if kind == "header":
            return self._decode_header(data)
        if self._plain:
            return self._plain.decode(kind, data, seq)
        found, link, sealed = _document(data)
        if seq not in (None, found):
            raise Unsound("it is of another event")
        return Plain().decode(kind, self._open(sealed, self._about(kind, found, link)), found)

    def _decode_header(self, data: bytes) -> dict[str, Any]:
        if not data.startswith(SEALED):
            self._plain = Plain()
            return Unsealed(self._plain.decode("header", data))
        raw = _raw(data)
        key_id, salt, sealed = raw[:_KEY_ID], raw[_KEY_ID : _KEY_ID + _SALT], raw[_KEY_ID + _SALT :]
        self._known = self._ring.cipher(key_id, salt, self._run_id)
        return Plain().decode("header", self._open(sealed, self._about("header", 0, _UNKNOWN)))

    @property
    def pins(self) -> bool:
        return self._plain is None

    def pinned(self, data: bytes) -> int:
        return _document(data)[0]

    def fits(self, data: bytes, line: bytes) -> bool:
        if self._plain:
            return True
        _, link, _ = _document(data)
        return link in (_UNKNOWN, _tag_of_line(line))

    @property
    def unsealed(self) -> bool:
        return self._plain is not None

    def check_writable(self) -> None:
        check_sealed(self._run_id, self.unsealed)

    # ---- the cipher

    def _about(self, kind: str, seq: int, link: bytes) -> bytes:
        return b"%b%b\0%b%b" % (self._whose, kind.encode(), seq.to_bytes(8), link)

    def _seal(self, data: bytes, about: bytes) -> bytes:
        assert self._known is not None, "the header comes first"
        nonce = os.urandom(_NONCE)
        return nonce + self._known.encrypt(nonce, data, about)

    def _open(self, sealed: bytes, about: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        assert self._known is not None, "the header comes first"
        try:
            return self._known.decrypt(sealed[:_NONCE], sealed[_NONCE:], about)
        except (InvalidTag, ValueError):
            raise Unsound("it is not what was written here under this key") from None


def _text(first: bytes, sealed: bytes) -> bytes:
    return SEALED + binascii.b2a_base64(first + sealed)


def _raw(data: bytes) -> bytes:
    if not data.startswith(SEALED):
        raise Unsound("it is in the clear, in a run that is encrypted")
    return _decode(data[len(SEALED) :].rstrip(b"\n"))


def _decode(data: bytes) -> bytes:
    try:
        raw = binascii.a2b_base64(data, strict_mode=True)
    except binascii.Error as error:
        raise Unsound(f"it is no base64: {error}") from error
    if len(raw) < 2 * _TAG + _NONCE:
        raise Unsound("it is too short")
    return raw


def _document(data: bytes) -> tuple[int, bytes, bytes]:
    """`seq`, `link` and what is sealed. Raises Unsound."""
    raw = _raw(data)
    return int.from_bytes(raw[:8]), raw[8 : 8 + _TAG], raw[8 + _TAG :]


def _parsed(line: bytes) -> tuple[int, bytes]:
    """Raises BadLine."""
    if not line.startswith(SEALED_LINE):
        raise BadLine("it is in the clear, in a run that is encrypted")
    found = _LINE.match(line)
    if found is None:
        raise BadLine("it is not a line as it was written")
    try:
        return int(found[1]), _decode(line[found.end() :].rstrip(b"\n"))
    except Unsound as unsound:
        raise BadLine(str(unsound)) from unsound


def _tag_of_line(line: bytes) -> bytes:
    """Of a line that was read or written before. Raises BadLine."""
    try:
        return binascii.a2b_base64(line.rstrip(b"\n")[-_TAIL:], strict_mode=True)[-_TAG:]
    except binascii.Error as error:
        raise BadLine(f"it is no base64: {error}") from error
