"""Who is sent a run's spans while it runs: the collector that flag, settings or environment name, exporters of other
packages, and what a program hands over."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from magent import settings
from magent.keys import GUARD
from magent.model import Workflow
from magent.ports import Exporter
from magent.said import Listener
from magent.settings import Settings
from magent.spans.ids import Trace
from magent.spans.span import Span
from magent.tracing import address, custom, otlp
from magent.tracing.address import Address
from magent.tracing.line import BATCH, Line
from magent.tracing.pipeline import Pipeline
from magent.urls import passwords

PATIENCE = 2.0  # seconds in which the rest is sent when a life has ended


class Maker(NamedTuple):
    """`content`: it wants what was said and given, too."""

    make: Callable[[], Exporter]
    content: bool = True


Makers = Mapping[str, Maker]


def makers(wanted: str | None = None, handed: Sequence[Any] = ()) -> Makers:
    """What makes each exporter, by how it is called. `wanted`: the collector's URL. Raises UsageError for what cannot
    be; but where only OpenTelemetry's variables want something, no run is refused for it."""
    found = {f"exporter {type(each).__name__}": Maker(custom.handed(each)) for each in handed}
    for name in (each.strip() for each in os.environ.get("MAGENT_EXPORTERS", "").split(",")):
        if name:
            found[f"exporter {name}"] = Maker(custom.named(name))
    place = collector(settings.read(), wanted)
    if place is not None:
        if place.url is not None and not otlp.available():
            raise otlp.MISSING
        found[place.shown] = Maker(lambda: otlp.Otlp(place), place.content)
    return found


def pipeline(workflow: Workflow, found: Makers) -> Pipeline | None:
    """What a life of a run tells its spans to; None where nobody wants them."""
    if not found:
        return None
    lines = [Line(name, maker.make) for name, maker in found.items()]
    listener = Listener(workflow) if any(maker.content for maker in found.values()) else None
    return Pipeline(workflow, lines) if listener is None else Pipeline(workflow, lines, listener.asked)


def send(trace: Trace, spans: Sequence[Span], place: Address) -> int:
    """Sends the spans of a run that was recorded, as often as somebody wants: they are the same. Gives how many; with
    what was said and given only where settings or environment say so. Raises UsageError where the library is missing,
    MagentError where they are not taken."""
    said = settings.read().get("otlp")
    content = bool(said.get("content")) if isinstance(said, Mapping) else False
    place = replace(place, content=content or address.wants_content(os.environ))
    exporter = otlp.Otlp(place, live=False)
    for at in range(0, len(spans), BATCH):
        exporter.export(trace, spans[at : at + BATCH])
    exporter.close()
    return len(spans)


def collector(found: Settings, wanted: str | None = None) -> Address | None:
    """In this order: `wanted`, MAGENT_OTLP, the settings file, OpenTelemetry's own variables. Raises UsageError."""
    if address.disabled(os.environ):
        return None
    said = wanted if wanted is not None else found.get("otlp")
    more: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
    url = more.get("endpoint") if more else said
    place = address.from_environment(os.environ) if url is None else named(str(url))
    content = bool(more.get("content")) or address.wants_content(os.environ)
    return None if place is None else replace(place, content=content)


def named(url: str) -> Address:
    """Raises UsageError for what is no address."""
    for password in passwords(url):
        GUARD.learn(password)
    return address.read(url, os.environ)
