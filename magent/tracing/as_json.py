"""OTLP as JSON: what OpenTelemetry's library writes as protobuf is written as the protocol has it in JSON, just before
it goes out: ids in hexadecimal, names in camel case, 64-bit numbers as text, enumerations as numbers."""

from __future__ import annotations

import gzip
import json
import zlib
from base64 import b64decode
from collections.abc import Callable
from functools import partial
from typing import Any

import requests
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_KINDS: dict[str, Any] = {"traces": ExportTraceServiceRequest, "metrics": ExportMetricsServiceRequest}
_IDS = ("traceId", "spanId", "parentSpanId")
_PACKED: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "gzip": (gzip.decompress, gzip.compress),
    "deflate": (zlib.decompress, zlib.compress),
}


def session(signal: str) -> requests.Session:
    """For the library's exporter of traces or metrics."""
    made = requests.Session()
    made.auth = partial(_rewrite, signal)  # is given each request when it is ready but for its length
    return made


def _rewrite(signal: str, request: Any) -> Any:
    opened, packed = _PACKED.get(request.headers.get("content-encoding", ""), (bytes, bytes))
    message = _KINDS[signal].FromString(opened(request.body))
    request.headers["content-type"] = "application/json"
    request.body = packed(json.dumps(as_json(message), separators=(",", ":")).encode())
    return request


def as_json(message: Any) -> Any:
    """A request of a collector's services, as the protocol has it in JSON."""
    return _named(MessageToDict(message, use_integers_for_enums=True))


def _named(value: Any) -> Any:
    if isinstance(value, list):
        return [_named(each) for each in value]
    if isinstance(value, dict):
        return {
            name: b64decode(each).hex() if name in _IDS and isinstance(each, str) else _named(each)
            for name, each in value.items()
        }
    return value
