"""Where a collector is and how it is spoken to, from a URL or from OpenTelemetry's own variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from magent import urls
from magent.errors import UsageError

HINT = "such as http://localhost:4318 (OTLP over HTTP) or grpc://localhost:4317"
_GRPC_PORT = 4317
_SCHEMES = ("http", "https", "grpc", "grpcs")
SIGNALS = ("traces", "metrics")
_JSON = "http/json"


@dataclass(frozen=True, slots=True)
class Address:
    """`url` None: where OpenTelemetry's variables say. `signals` of traces and metrics; `content`: what was said and
    given goes along; `json`: over HTTP it is written as JSON, not as protobuf."""

    url: str | None
    grpc: bool
    secure: bool = True
    signals: tuple[str, ...] = SIGNALS
    content: bool = False
    json: bool = False

    @property
    def shown(self) -> str:
        return "the collector that OTEL_EXPORTER_OTLP_ENDPOINT names" if self.url is None else urls.shown(self.url)

    @property
    def host(self) -> tuple[str, int] | None:
        """Name and port, where the URL is known."""
        parts = urlsplit(self.url or "")
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, _GRPC_PORT)
        return (parts.hostname, port) if parts.hostname else None

    def of(self, signal: str) -> str | None:
        """The address for that signal."""
        if self.url is None:
            return None
        url = self.url.replace("grpcs://", "https://", 1).replace("grpc://", "http://", 1)
        base = url.rstrip("/")
        if self.grpc:
            return base
        if base.endswith(("/v1/traces", "/v1/metrics")):
            base = base.rpartition("/v1/")[0]
        return f"{base}/v1/{signal}"


def read(url: str, environ: Mapping[str, str]) -> Address:
    """Raises UsageError for what is no address."""
    try:
        parts = urlsplit(url)
        port = parts.port
        known = parts.scheme in _SCHEMES and parts.hostname
    except ValueError:
        known = None
    if not known:
        raise UsageError(f"'{urls.shown(url)}' is no address of a collector", HINT)
    said = _protocol(environ)
    grpc = parts.scheme.startswith("grpc") or (port == _GRPC_PORT and not said.startswith("http")) or said == "grpc"
    secure = parts.scheme in ("https", "grpcs")
    return Address(url, grpc, secure, _signals(environ), json=said == _JSON and not grpc)


def from_environment(environ: Mapping[str, str]) -> Address | None:
    """Where OpenTelemetry's variables want spans to go; None where they name no collector."""
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", *(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT" for signal in SIGNALS))
    named = [name for name in names if environ.get(name, "").strip()]
    if not named:
        return None
    signals = SIGNALS if names[0] in named else tuple(each for each in SIGNALS if any(each.upper() in n for n in named))
    wanted = tuple(each for each in signals if each in _signals(environ))
    said = _protocol(environ)
    return Address(None, said == "grpc", signals=wanted, json=said == _JSON) if wanted else None


def disabled(environ: Mapping[str, str]) -> bool:
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def wants_content(environ: Mapping[str, str]) -> bool:
    """Whether the convention's own variable says that prompts and answers may leave this machine."""
    said = environ.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "").strip().lower()
    return said in ("true", "1", "span_only", "span_and_event")


def _protocol(environ: Mapping[str, str]) -> str:
    named = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    return next((environ[name].strip().lower() for name in named if environ.get(name, "").strip()), "")


def _signals(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Those that OTEL_TRACES_EXPORTER and OTEL_METRICS_EXPORTER do not turn off."""
    said = {each: environ.get(f"OTEL_{each.upper()}_EXPORTER", "").strip().lower() for each in SIGNALS}
    return tuple(each for each in SIGNALS if said[each] != "none")
