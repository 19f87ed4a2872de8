"""OTLP by OpenTelemetry's own library, over HTTP (protobuf or JSON) or gRPC. It is imported when the first spans are
sent."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import math
import os
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from magent.errors import MagentError, UsageError
from magent.keys import GUARD
from magent.spans.ids import Trace
from magent.spans.measures import INSTRUMENTS, measures
from magent.spans.span import Span
from magent.tracing.address import Address
from magent.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource

MISSING = UsageError("OTLP needs OpenTelemetry's library", "pip install 'magent-cli[otlp]'")
PATIENCE = 2.5  # seconds for which a collector is tried that is sent a recorded run
_LOGGER = "opentelemetry"


_WORDS = re.compile(r"code: (\d+), reason: (.*)|\[Errno -?\d+\] ([\w ]+)|Error details: (.*)")
_OWN = ("Shutdown in progress", "Exporter already shutdown")  # what it says of our giving up
_TOO_LATE = ("batch due to timeout", "DEADLINE_EXCEEDED")
_TAKES_NONE = ("404, reason: Not Found", "405, reason: Method Not Allowed", "StatusCode.UNIMPLEMENTED")


class SendFailed(MagentError):
    """A collector did not take what it was sent."""


class Otlp:
    """Fills `ports.Exporter`. `live`: what a run does not want to be seen (its trace is not sampled) is not sent, and
    what is counted goes along. Raises UsageError where the library is missing."""

    def __init__(self, address: Address, *, live: bool = True) -> None:
        self._address = address
        self._live = live
        self._heard = _Heard()
        try:
            self._resource = _resource()
            self._traces = _traces(address, None if live else _patience()) if "traces" in address.signals else None
            self._metrics = _Metrics(address) if live and "metrics" in address.signals else None
        except ImportError as error:
            raise MISSING from error

    def export(self, trace: Trace, spans: Sequence[Span], /) -> None:
        if self._metrics is not None:
            self._metrics.count(spans)
        sender = self._traces
        if sender is None or (self._live and not trace.sampled):
            return
        from opentelemetry.sdk.trace.export import SpanExportResult

        convert = importlib.import_module("magent.tracing.convert").convert
        made = [convert(trace, span, self._resource, content=self._address.content) for span in spans]
        with self._heard:
            if sender.export(made) is not SpanExportResult.SUCCESS:
                raise SendFailed(self._heard.said() or "it refused them")

    def close(self) -> None:
        with self._heard:
            if self._metrics is not None:
                self._metrics.close()
            self.give_up()
            if said := self._heard.said():
                raise SendFailed(said)

    def trouble(self) -> str:
        return self._heard.said()

    def give_up(self) -> None:
        traces, self._traces = self._traces, None
        if traces is not None:
            traces.shutdown()


def available() -> bool:
    """Whether the library is installed."""
    try:
        return all(importlib.util.find_spec(f"opentelemetry.exporter.otlp.proto.{way}") for way in ("http", "grpc"))
    except ImportError:
        return False


class _Heard(logging.Handler):
    """What the library says of its troubles, which it tells its log alone: for a line of ours, not for the screen."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        if not text.startswith(_OWN) and not ("metrics" in text and any(each in text for each in _TAKES_NONE)):
            self._said.append(text)

    def __enter__(self) -> None:
        self._said.clear()
        logging.getLogger(_LOGGER).addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger(_LOGGER).removeHandler(self)

    def said(self) -> str:
        """What it said first that tells something; "" where it said nothing."""
        said = list(self._said)
        if any(each in text for text in said[:1] for each in _TOO_LATE):
            return "it did not answer in time"
        found = next(filter(None, map(_WORDS.search, said)), None)
        text = (said[0] if said else "") if found is None else " ".join(filter(None, found.groups()))
        return GUARD.hide(text)[:300]


def _resource(**more: str) -> Resource:
    """What all spans are of. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    own = {"service.name": "magent", "service.version": VERSION, **more}
    return Resource.create({**own, **OTELResourceDetector().detect().attributes})


def _patience() -> float | None:
    """Seconds for which a batch is tried, where somebody waits for it; None: as OpenTelemetry's variables say."""
    names = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
    return None if any(os.environ.get(name, "").strip() for name in names) else PATIENCE


def _traces(address: Address, timeout: float | None) -> Any:
    endpoint = address.of("traces")
    if address.grpc:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc

        return Grpc(endpoint=endpoint, insecure=None if endpoint is None else not address.secure, timeout=timeout)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http

    return Http(endpoint=endpoint, timeout=timeout, session=_session(address, "traces"))


def _sender(address: Address) -> Any:
    """Of metrics."""
    endpoint = address.of("metrics")
    if address.grpc:
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as Grpc

        return Grpc(endpoint=endpoint, insecure=None if endpoint is None else not address.secure)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as Http

    return Http(endpoint=endpoint, session=_session(address, "metrics"))


def _session(address: Address, signal: str) -> Any:
    """What speaks JSON; None: the library's own."""
    return importlib.import_module("magent.tracing.as_json").session(signal) if address.json else None


class _Metrics:
    """What is counted and added up while this process lives; each process is an instance of its own."""

    def __init__(self, address: Address) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        self._reader = PeriodicExportingMetricReader(_sender(address), export_interval_millis=_interval())
        resource = _resource(**{"service.instance.id": str(uuid.uuid4())})
        self._provider = MeterProvider([self._reader], resource=resource, shutdown_on_exit=False)
        self._instruments = _instruments(self._provider)

    def count(self, spans: Iterable[Span]) -> None:
        for span in spans:
            for measure in measures(span):
                self._instruments[measure.instrument](measure.value, measure.attributes)

    def close(self) -> None:
        self._provider.shutdown()  # which sends what was counted since it was sent last


def _interval() -> float:
    """Milliseconds between two sendings, as OpenTelemetry's variable says."""
    try:
        return float(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL") or 60_000)
    except ValueError:
        return math.inf


def _instruments(provider: MeterProvider) -> Mapping[str, Any]:
    meter = provider.get_meter("magent", VERSION)
    found: dict[str, Any] = {}
    for name, each in INSTRUMENTS.items():
        if each.kind == "counter":
            found[name] = meter.create_counter(name, each.unit, each.help).add
        else:
            bounds = list(each.bounds)
            made = meter.create_histogram(name, each.unit, each.help, explicit_bucket_boundaries_advisory=bounds)
            found[name] = made.record
    return found
