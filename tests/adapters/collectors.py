"""Collectors that others wrote: OpenTelemetry's own services, spoken to over gRPC and HTTP on loopback, as they define
them. They keep what they are sent."""

from __future__ import annotations

import gzip
import json
import threading
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc


@dataclass
class Kept:
    """`url` is where it listens; `headers` are those of each request, `bodies` those over HTTP, unpacked."""

    url: str = ""
    traces: list[Any] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def clear(self) -> None:
        for each in (self.traces, self.metrics, self.headers, self.bodies):
            each.clear()

    @property
    def spans(self) -> list[Any]:
        """Spans as they came, one protobuf message each."""
        groups = (group for request in self.traces for group in request.resource_spans)
        return [span for group in groups for scope in group.scope_spans for span in scope.spans]

    @property
    def resource(self) -> dict[str, Any]:
        (found,) = ({each.key: each.value.string_value for each in group.resource.attributes}
                    for request in self.traces[:1] for group in request.resource_spans)  # fmt: skip
        return found

    @property
    def counted(self) -> dict[str, Any]:
        """The newest of each metric, by name."""
        groups = (group for request in self.metrics for group in request.resource_metrics)
        return {each.name: each for group in groups for scope in group.scope_metrics for each in scope.metrics}


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in span.attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)


_PACKED: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "deflate": zlib.decompress}
_IDS = ("traceId", "spanId", "parentSpanId")


def from_json(body: bytes, message: Any) -> Any:
    """OTLP as JSON, as the protocol has it: ids are hexadecimal, where protobuf's own JSON has base64."""

    def read(value: dict[str, Any]) -> dict[str, Any]:
        return {name: b64encode(bytes.fromhex(each)).decode() if name in _IDS else each for name, each in value.items()}

    return ParseDict(json.loads(body, object_hook=read), message)


@contextmanager
def over_grpc(*, metrics: bool = True) -> Iterator[Kept]:
    kept = Kept()

    class Traces(trace_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:
            kept.headers.append({key: value for key, value in context.invocation_metadata() if isinstance(value, str)})
            kept.traces.append(request)
            return trace_pb.ExportTraceServiceResponse()

    class Metrics(metrics_grpc.MetricsServiceServicer):
        def Export(self, request: Any, _context: Any) -> Any:
            kept.metrics.append(request)
            return metrics_pb.ExportMetricsServiceResponse()

    with ThreadPoolExecutor(4) as workers:
        server = grpc.server(workers)
        adds: Any = trace_grpc
        adds.add_TraceServiceServicer_to_server(Traces(), server)
        adds = metrics_grpc
        if metrics:
            adds.add_MetricsServiceServicer_to_server(Metrics(), server)
        kept.url = f"grpc://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            yield kept
        finally:
            server.stop(None).wait()


@contextmanager
def over_http(*, metrics: bool = True) -> Iterator[Kept]:
    kept = Kept()
    requests: dict[str, tuple[list[Any], Any]] = {
        "/v1/traces": (kept.traces, trace_pb.ExportTraceServiceRequest),
        "/v1/metrics": (kept.metrics, metrics_pb.ExportMetricsServiceRequest),
    }
    if not metrics:
        del requests["/v1/metrics"]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            body = _PACKED.get(self.headers.get("content-encoding", ""), bytes)(body)
            known = requests.get(self.path)
            if known is not None:
                kept.bodies.append(body)
                plain = self.headers["content-type"] == "application/json"
                known[0].append(from_json(body, known[1]()) if plain else known[1].FromString(body))
                kept.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200 if known else 404)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
