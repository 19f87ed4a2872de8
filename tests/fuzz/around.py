"""Hostile input from around a run: streams of models, records in other stores, notes, settings, the environment."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from magent import retention, settings, stores, telemetry, urls
from magent.agents.models import ModelAgent
from magent.ports import ToolOffer
from magent.settings import Settings
from magent.spans import ids
from magent.stores.postgres_link import parse
from tests.adapters import fake_provider as fake
from tests.fuzz.targets import (
    JSON,
    OWN,
    Target,
    lived,
    looked_at,
    said,
    seeds_of,
    summed,
    text_of,
    unsummed,
    vocabulary,
)

_number = itertools.count()

# ---- models

_MODELS = ("openai:m", "openai-responses:m", "anthropic:m")
_OFFERS = (ToolOffer("files_read", "", {"type": "object"}),)
_SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def _stream(data: bytes) -> None:
    """The body of a model's answer, byte for byte: a stream, or JSON."""
    for model in _MODELS:
        asyncio.run(_answered(model, data))


async def _answered(model: str, data: bytes) -> None:
    base = "http://127.0.0.1:9" + ("/v1" if model.startswith("openai") else "")
    spec, said = fake.spec_of("model", model=model, api_key="k", base_url=base)
    agent = ModelAgent(spec, said, fake.environment())
    await agent.prepare()
    client = agent._model.client._client
    kind = "application/json" if data[:1] == b"{" else "text/event-stream"
    client._mounts = {}
    client._transport = httpx.MockTransport(lambda _: httpx.Response(200, headers={"content-type": kind}, content=data))
    for request in (fake.request("Well?", tools=_OFFERS), fake.request("Well?", schema=_SCHEMA)):
        with contextlib.suppress(*OWN):
            reply = await agent.ask(request, lambda _: None)
            calls = [[call.id, call.name, call.arguments] for call in reply.calls]
            json.dumps([reply.text, reply.data, calls, reply.opaque], allow_nan=False).encode()
    await agent.close()


def _stream_seeds() -> list[bytes]:
    _stream(b"")  # what the providers' libraries do once: they ask what machine it is
    turn = fake.Turn(("Hel", "lo"), (("c1", "files_read", '{"path": "a"}'),), thought="Hm.")
    found = ["".join(form.turn("m", turn)) for form in (fake._OpenAI, fake._Anthropic)]
    found += ["".join(form.events("m", ['{"a":', " 1}"], "stop")) for form in (fake._OpenAI, fake._Anthropic)]
    found += [json.dumps(fake._OpenAI.whole("m", "Hello")), json.dumps(fake._OpenAI.whole_turn("m", turn))]
    return [each.encode() for each in found]


# ---- records


@contextlib.contextmanager
def _elsewhere() -> Iterator[str]:
    """A store that is not there yet, and gone afterwards."""
    place = Path(f"there-{next(_number)}")
    try:
        yield f"file:{place}/.magent"
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _copied(source: str) -> None:
    """A copy is whole, or not there."""
    with _elsewhere() as target:
        code = said(f"runs copy r1 --store {source} --to {target}")
        there = Path(target.removeprefix("file:"), "runs", "r1")
        assert there.exists() == (code == 0), f"{code}, and the copy is {'' if there.exists() else 'not '}there"


def _copies(data: bytes) -> None:
    """`NAME` of a file of the record, then what is in it; with `+` before it, lines that get their sums."""
    name, _, content = data.partition(b"\n")
    wanted = text_of(name).lstrip("+")
    if wanted not in lived():
        wanted = "journal.jsonl"
    place = Path(f"copied-{next(_number)}")
    home = place / ".magent" / "runs" / "r1"
    for file, kept in {**lived(), wanted: summed(content) if name[:1] == b"+" else content}.items():
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_bytes(kept)
    try:
        _copied(f"file:{place}/.magent")
    finally:
        shutil.rmtree(place)


def _copies_seeds() -> list[bytes]:
    found = [name.encode() + b"\n" + data for name, data in lived().items()]
    return [*found, b"+journal.jsonl\n" + unsummed(lived()["journal.jsonl"])]


_LOOKS = ("runs list", "runs show r1", "runs history r1", "respond --list", "checkpoints list r1", "resume r1 --plan")


@cache
def _database() -> bytes:
    """The run, waiting and with a note, in SQLite."""
    place, file = Path("made"), Path("made.db")
    home = place / ".magent" / "runs" / "r1"
    for name, data in lived().items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(data)
    store = stores.open_store(f"file:{place}/.magent")
    asyncio.run(store.leave("r1", "cancel", {"by": "me"}))
    assert said(f"runs copy r1 --store file:{place}/.magent --to sqlite:///{file}") == 0
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        made = b"".join(line.encode() + b"\n" for line in connection.iterdump())
    for left in (file, file.with_name("made.db-wal"), file.with_name("made.db-shm")):
        left.unlink(missing_ok=True)
    shutil.rmtree(place)
    return made


def _rows(data: bytes) -> None:
    """`TABLE COLUMN KIND`, then a value that stands there in every row: bytes, text, a number or nothing."""
    head, _, content = data.partition(b"\n")
    table, column, kind = (*text_of(head).split(" "), "", "", "")[:3]
    if (table, column) not in _COLUMNS:
        table, column = _COLUMNS[len(content) % len(_COLUMNS)]
    file = Path(f"rows-{next(_number)}.db")
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.executescript(_database().decode())
        with contextlib.suppress(sqlite3.Error, OverflowError, UnicodeEncodeError):
            connection.execute(f"UPDATE {table} SET {column} = ?", (_value(kind, content),))
        connection.commit()
    try:
        for line in (_LOOKS[len(content) % len(_LOOKS)], "runs clean --older-than 1d --status waiting --dry-run"):
            said(f"{line} --store sqlite:///{file}")
        _copied(f"sqlite:///{file}")
    finally:
        for left in ("", "-wal", "-shm"):
            Path(f"{file}{left}").unlink(missing_ok=True)


_COLUMNS = [
    *(("run", name) for name in ("id", "created", "header", "workflow", "result", "place")),
    *(("event", name) for name in ("seq", "line")),
    *(("checkpoint", name) for name in ("seq", "body")),
    *(("note", name) for name in ("name", "body")),
]


def _value(kind: str, content: bytes) -> Any:
    if kind == "text":
        return content.decode("utf-8", "replace")
    if kind == "number":
        with contextlib.suppress(ValueError):
            return int(content[:30])
        with contextlib.suppress(ValueError):
            return float(content[:400])
    return None if kind == "null" else content


def _rows_seeds() -> list[bytes]:
    files = {"header": "run.json", "workflow": "workflow.json"}
    found = [f"run {name} bytes\n".encode() + lived()[file] for name, file in files.items()]
    return [*found, *seeds_of("rows"), b"event line bytes\n" + lived()["journal.jsonl"].splitlines()[0]]


def _notes(data: bytes) -> None:
    """`NAME`, then what is in the note: of the record of a run that waits."""
    name, _, content = data.partition(b"\n")
    wanted = text_of(name)
    if not wanted or "/" in wanted or "\0" in wanted or len(name) > 200 or wanted in (".", ".."):
        wanted = "cancel.json"
    looked_at({f"notes/{wanted}": content})


# ---- what settings and the environment say


def _settings(data: bytes) -> None:
    place = Path("settings")
    place.mkdir(exist_ok=True)
    (place / settings.NAME).write_bytes(data)
    with contextlib.suppress(*OWN):
        _read(settings.read(place))


def _read(found: Settings) -> None:
    for ask in (found.store, found.codec, found.key_source):
        with contextlib.suppress(*OWN):
            ask()
    with contextlib.suppress(*OWN):
        retention.configured(found)
    with contextlib.suppress(*OWN):
        telemetry.collector(found)


def _environment(data: bytes) -> None:
    """`NAME=VALUE` a line: this process's own for a moment."""
    before = dict(os.environ)
    try:
        for line in text_of(data.replace(b"\0", b"")).split("\n"):
            name, equals, value = line.partition("=")
            if equals and name in _VARIABLES:
                os.environ[name] = value
        with contextlib.suppress(*OWN):
            _read(settings.read())
        kept: Mapping[str, Any] = json.loads(json.dumps(ids.incoming(os.environ)))
        trace = ids.Trace.of("r1", 1.5, kept)
        for text in (*trace.at(trace.span(1)).environment().values(), *trace.at(trace.span(2)).headers().values()):
            assert text.isascii()
            assert text.replace("\t", " ").isprintable()
    finally:
        os.environ.clear()
        os.environ.update(before)


_VARIABLES = (
    "TRACEPARENT", "TRACESTATE", "MAGENT_STORE", "MAGENT_OTLP", "MAGENT_DURABILITY", "MAGENT_CHECKPOINTS_EVERY",
    "MAGENT_CHECKPOINTS_INTERVAL", "MAGENT_LIMITS_BUDGET_USD", "MAGENT_LIMITS_MAX_STEPS", "MAGENT_LIMITS_TIMEOUT",
    "MAGENT_DEFAULTS_AGENT", "MAGENT_ENCRYPTION_KEY_ENV", "MAGENT_HUMAN", "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED",
    "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
)  # fmt: skip


def _urls(data: bytes) -> None:
    """Where runs are kept and spans go: whatever is said, nothing of a password is shown, and no name comes into SQL
    but one of small letters, digits and `_`."""
    text = text_of(data)
    with contextlib.suppress(*OWN):
        place = parse(f"postgresql://{text}")
        assert re.fullmatch("[a-z0-9_]+", place.schema, re.ASCII), place.schema
    with contextlib.suppress(*OWN):
        telemetry.named(text)
    with contextlib.suppress(*OWN):
        stores.open_store(text)
    urls.shown(text)
    urls.passwords(text)


# ---- all of them

TARGETS: dict[str, Target] = {
    "streams": Target(_stream, _stream_seeds, JSON),
    "copies": Target(_copies, _copies_seeds, JSON, files=True),
    "rows": Target(_rows, _rows_seeds, JSON, files=True),
    "notes": Target(_notes, lambda: seeds_of("notes"), JSON, files=True),
    "settings": Target(_settings, lambda: seeds_of("settings"), vocabulary("yaml"), files=True),
    "environment": Target(_environment, lambda: seeds_of("environment"), vocabulary("small")),
    "urls": Target(_urls, lambda: seeds_of("urls"), vocabulary("names"), files=True),
}
