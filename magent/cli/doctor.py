"""`magent doctor`: whether what magent works with is there: versions, optional parts, the store, settings, agents."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import os
import platform
import re
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from magent import settings, telemetry, urls
from magent.cli import flags
from magent.cli.agents import asked, file_of, reach_all
from magent.cli.console import Console, dump
from magent.cli.findings import Finding, reached, tell
from magent.cli.tables import Sheet
from magent.crew import Crew, reach
from magent.errors import InvalidWorkflow, MagentError
from magent.keys import is_key
from magent.ports import Examined
from magent.source import render
from magent.tracing import otlp
from magent.version import VERSION

OUTPUTS = ("text", "json")
_BUILT_IN: Mapping[tuple[str, ...], Any] = {
    ("store",): settings.STORE,
    ("durability",): "sync",
    ("checkpoints", "every"): 500,
    ("checkpoints", "interval"): "60s",
    ("checkpoints", "keep"): 5,
    ("limits", "max_steps"): 10_000,
    ("limits", "max_concurrency"): 16,
}
_OF_THE_FILE = ("limits", "checkpoints", "defaults", "notify")


def doctor(console: Console, *, file: str | None, offline: bool, output: str | None) -> int:
    """Check what magent works with."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    found = [
        *_versions(),
        *_parts(),
        *_settings_and_store(console, file, online=not offline),
        *_agents(file, online=not offline),
    ]
    well = all(each.state != "no" for each in found)
    if form == "json":
        console.result(dump({"well": well, "checks": [each.as_json() for each in found]}))
    else:
        sheet = Sheet(console)
        tell(sheet, found)
        sheet.print()
    if not well and form == "text":
        count = sum(each.state == "no" for each in found)
        console.told(f"{count} thing{'' if count == 1 else 's'} to mend", "yellow")
    return 0 if well else 1


# ---- versions and parts


def _versions() -> Iterator[Finding]:
    yield Finding("Versions", "magent", "info", VERSION)
    yield Finding("Versions", "Python", "info", f"{platform.python_version()}, {sys.executable}")
    yield Finding(
        "Versions", "system", "info", f"{platform.system()} {platform.release()}, {os.cpu_count()} processors"
    )


def _parts() -> Iterator[Finding]:
    """The optional parts that the package names, each with what it needs and whether that is there."""
    try:
        needs = importlib.metadata.requires("magent-cli") or []
    except importlib.metadata.PackageNotFoundError:
        return
    parts: dict[str, list[str]] = {}
    for need in needs:
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", need)
        name = re.match(r"[\w.-]+", need)
        if extra and name and extra[1] != "dev":
            parts.setdefault(extra[1], []).append(name[0])
    for part, names in sorted(parts.items()):
        missing = [name for name in names if _version(name) is None]
        if missing:
            hint = f"where it is wanted: pip install 'magent-cli[{part}]'"
            yield Finding("Optional parts", part, "info", f"not installed: {', '.join(missing)}", hint)
        else:
            yield Finding("Optional parts", part, "ok", ", ".join(f"{name} {_version(name)}" for name in names))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


# ---- settings and the store


def _settings_and_store(console: Console, file: str | None, *, online: bool) -> Iterator[Finding]:
    try:
        read = settings.read()
    except InvalidWorkflow as invalid:
        for problem in invalid.problems:
            yield Finding("Settings", settings.NAME, "no", render(problem).splitlines()[0], problem.hint)
        return
    except MagentError as error:
        yield Finding("Settings", "environment", "no", error.message, error.hint)
        return
    url = console.settings.store or read.store()
    yield _store(url)
    yield _sealing(read)
    yield from _collector(read, online=online)
    for path, value, origin in _values(read, _of_the_file(file), console.settings.store):
        yield Finding("Settings", ".".join(path), "info", str(value), origin=origin)


def _store(url: str) -> Finding:
    try:
        store = settings.open_store(url)
        said = asyncio.run(store.examine()) if isinstance(store, Examined) else None
    except MagentError as error:
        return Finding("Store", urls.shown(url), "no", error.message, error.hint)
    return Finding("Store", urls.shown(url), "info" if said is None else "ok", said or "it does not say how it is")


def _collector(read: settings.Settings, *, online: bool) -> Iterator[Finding]:
    """Who is sent spans while runs run, and whether anybody listens there."""
    try:
        place = telemetry.collector(read)
        if place is not None and not otlp.available():
            raise otlp.MISSING
    except MagentError as error:
        yield Finding("Traces", "collector", "no", error.message, error.hint)
        return
    if place is None:
        return
    way = "OTLP over gRPC" if place.grpc else "OTLP over HTTP"
    if not online or place.host is None:
        yield Finding("Traces", place.shown, "info", way)
        return
    try:
        socket.create_connection(place.host, timeout=3).close()
    except OSError as error:
        hint = "no run is harmed by that; magent trace ID --otlp URL sends a run's spans later"
        yield Finding("Traces", place.shown, "no", f"{way}: {error.strerror or error}", hint)
    else:
        yield Finding("Traces", place.shown, "ok", f"{way}; somebody listens there")


def _sealing(read: settings.Settings) -> Finding:
    """Whether what is kept is encrypted, and where the key comes from, which is not told."""
    source = read.key_source()
    if source is None:
        return Finding("Store", "encryption", "info", "off: what is kept of runs is in the clear")
    try:
        read.codec()
    except MagentError as error:
        return Finding("Store", "encryption", "no", error.message, error.hint)
    return Finding("Store", "encryption", "ok", f"AES-256-GCM; the key is in {source}")


def _of_the_file(file: str | None) -> Mapping[str, Any]:
    try:
        name = file_of(file, needed=False)
        return {} if name is None else Crew(name).root()
    except MagentError:
        return {}  # told with the agents


def _values(
    read: settings.Settings, workflow: Mapping[str, Any], store: str | None
) -> Iterator[tuple[tuple[str, ...], Any, str]]:
    """Each setting that has a value, and the first that says it: flag, environment, workflow, settings file, magent."""
    told = dict.fromkeys([*_BUILT_IN, *settings.IN_ENVIRONMENT, *_paths(read.data)])
    for path in told:
        of_workflow = workflow if path[0] in _OF_THE_FILE else {}
        sources: list[tuple[Any, str]] = [
            (store if path == ("store",) else None, "--store"),
            (_at(read.environment, path), "MAGENT_" + "_".join(path).upper()),
            (_at(of_workflow, path), "the workflow file"),
            (_at(read.data, path), str(read.file)),
            (_BUILT_IN.get(path), "built in"),
        ]
        for value, origin in sources:
            if isinstance(value, Mapping) and path == ("otlp",):
                break  # each of its own is told
            if value is not None:
                shown = urls.shown(str(value)) if path[0] in ("store", "otlp") else value
                yield path, "***" if _is_secret(path) else shown, origin
                break


def _paths(data: Mapping[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from _paths(value, (*before, key))
        else:
            yield (*before, key)


def _at(data: Any, path: Sequence[str]) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _is_secret(path: Sequence[str]) -> bool:
    """Headers of a webhook and the like may hold keys."""
    return "headers" in path or any(is_key(part) for part in path)


# ---- agents


def _agents(file: str | None, *, online: bool) -> Iterator[Finding]:
    try:
        name = file_of(file, needed=False)
        if name is None:
            yield Finding("Agents", "local", *_local(online))
            return
        crew = Crew(name)
    except InvalidWorkflow as invalid:
        first = invalid.problems[0]
        more = f" (and {len(invalid.problems) - 1} more)" if len(invalid.problems) > 1 else ""
        yield Finding(
            "Agents", first.position.file, "no", f"{first.message}{more}", f"magent validate {first.position.file}"
        )
        return
    except MagentError as error:
        yield Finding("Agents", file or "workflow.yaml", "no", error.message, error.hint)
        return
    for agent, (said, failure) in asked(reach_all(crew, online=online)).items():
        yield reached(agent, said, failure, "Agents")


def _local(online: bool) -> tuple[str, str, str | None]:
    """Without a file: the model that needs no key. That it is not installed is no fault."""
    said, failure = asked(reach(Crew(None), "local", online=online))
    return ("ok", said, None) if failure is None else ("info", failure.message, failure.hint)
