"""What a run did is sent to collectors that others wrote, live and afterwards; nothing that they do harms a run."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import sampling
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import magent
from magent import settings, telemetry, traces
from magent.errors import InvalidWorkflow, MagentError, UsageError
from magent.outcome import Result
from magent.ports import Reply, RunStore, Usage
from magent.spans import ids
from magent.spans.ids import Trace
from magent.spans.measures import INSTRUMENTS
from magent.spans.span import Span
from magent.stores import open_store
from magent.tracing import line, otlp
from magent.tracing.address import Address, from_environment, read
from magent.tracing.convert import LONGEST
from magent.tracing.line import Line
from tests.adapters.collectors import Kept, attributes, over_grpc, over_http
from tests.cli.helpers import ROOT
from tests.cli.helpers import magent as run_magent
from tests.engine.crew import Scripted, calls
from tests.packages import install

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FLOW: dict[str, Any] = {
    "magent": 1,
    "name": "tides",
    "agents": {"writer": {"model": "openai:gpt-5-mini"}},
    "tools": {"calculator": {"builtin": "calculator"}},
    "nodes": {
        "draft": {"prompt": "tides", "agent": "writer", "tools": ["calculator"], "next": "each"},
        "each": {"type": "parallel", "for_each": "range(3) | list", "body": "item", "next": "bad"},
        "item": {"set": {"n": "{{ item }}"}},
        "bad": {"run": "exit 3", "on_error": "continue", "next": "ask"},
        "ask": {"type": "human_input", "input": "approval", "prompt": "Publish?"},
    },
}


@pytest.fixture(scope="module", params=["http", "grpc"])
def collector(request: pytest.FixtureRequest) -> Iterator[Kept]:
    with {"http": over_http, "grpc": over_grpc}[request.param]() as kept:
        yield kept


@pytest.fixture(scope="module")
def http() -> Iterator[Kept]:
    with over_http() as kept:
        yield kept


@pytest.fixture(autouse=True)
def _empty(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "PATIENCE", 60)  # seconds, on a machine that is busy with other tests
    for name in {"collector", "http"} & set(request.fixturenames):
        request.getfixturevalue(name).clear()


def writer() -> Scripted:
    answer = Reply("It rises.", usage=Usage(100, 20, 0.004, 1), model="gpt-5-mini-2026")
    return Scripted(calls(("calculator", {"expression": "6*7"})), answer)


async def run(store: RunStore, source: Any = FLOW, **options: Any) -> Result:
    return await magent.load(source).run(store=store, run_id="r1", **{"agents": {"writer": writer()}, **options})


async def whole(store: RunStore) -> traces.Traced:
    return await traces.traced(store, "r1")


# ---- live and afterwards


async def test_a_run_is_sent_as_it_happens_in_parts_and_the_same_afterwards(here: Path, collector: Kept) -> None:
    store = open_store(f"file:{here}/.magent")
    first = await run(store, otlp=collector.url)
    assert (first.status, first.unsent) == ("waiting", ())
    assert [span.name for span in collector.spans if span.name == "invoke_workflow tides"]
    assert not [span.name for span in collector.spans if span.name == "ask"]  # which is not over
    answers = {"ask": {"approved": True}}
    second = await magent.resume("r1", store=store, otlp=collector.url, answers=answers)
    assert (second.status, second.unsent) == ("completed", ())
    live = {span.span_id: span.SerializeToString(deterministic=True) for span in collector.spans}
    assert len(live) == len(collector.spans)
    found = await whole(store)
    assert {bytes.fromhex(span.id) for span in found.spans} == live.keys()
    assert {span.trace_id.hex() for span in collector.spans} == {found.trace.id}
    collector.clear()
    assert telemetry.send(found.trace, found.finished, telemetry.named(collector.url)) == len(found.spans)
    assert {span.span_id: span.SerializeToString(deterministic=True) for span in collector.spans} == live
    assert not collector.metrics  # what is counted was counted when it happened


async def test_spans_speak_the_words_of_the_conventions_and_hang_together(here: Path, collector: Kept) -> None:
    await run(open_store("memory:"), otlp=collector.url)
    spans = {span.name: span for span in collector.spans}
    known = {span.span_id for span in collector.spans}
    root = spans["invoke_workflow tides"]
    assert [span.name for span in collector.spans if span.parent_span_id not in known] == [root.name]
    chats = [attributes(span) for span in collector.spans if span.name == "chat gpt-5-mini"]
    assert chats[1].items() >= {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5-mini",
        "gen_ai.response.model": "gpt-5-mini-2026", "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20, "magent.cost_usd": 0.004, "gen_ai.agent.name": "writer",
    }.items()  # fmt: skip
    assert attributes(spans["execute_tool calculator"])["gen_ai.tool.name"] == "calculator"
    assert attributes(spans["invoke_agent writer"])["gen_ai.operation.name"] == "invoke_agent"
    assert (spans["bad"].status.code, "exit code 3" in spans["bad"].status.message) == (2, True)
    assert (spans["draft"].status.code, spans["draft"].events[0].name) == (1, "route")
    assert collector.resource["service.name"] == "magent"
    told = json.dumps([attributes(span) for span in collector.spans])
    assert "6*7" not in told  # what was said and given stays here
    assert "It rises." not in told


async def test_what_was_said_and_given_goes_along_where_somebody_says_so(
    here: Path, http: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDE_SECRET", "swordfish-1")
    here.joinpath(".magent.yaml").write_text(json.dumps({"otlp": {"endpoint": http.url, "content": True}}))
    draft = {**FLOW["nodes"]["draft"], "prompt": "tides {{ inputs.what }}"}
    nodes = {**FLOW["nodes"], "draft": draft}
    inputs = {"what": {"type": "string", "default": "swordfish-1"}}
    flow = {**FLOW, "secrets": ["TIDE_SECRET"], "inputs": inputs, "nodes": nodes}
    answer = Reply("It rises, swordfish-1.", usage=Usage(1, 1, 0.0, 1))
    agent = Scripted(calls(("calculator", {"expression": "6*7"})), answer)
    await run(open_store("memory:"), flow, agents={"writer": agent})
    told = [attributes(span) for span in http.spans]
    (tool,) = (each for each in told if each.get("gen_ai.tool.name"))
    assert json.loads(tool["gen_ai.tool.call.arguments"]) == {"expression": "6*7"}
    answers = [each["gen_ai.output.messages"] for each in told if "gen_ai.output.messages" in each]
    assert json.loads(answers[-1])[0]["parts"] == [{"type": "text", "content": "It rises, ***."}]
    assert "swordfish" not in json.dumps(told)
    asked = [each["gen_ai.input.messages"] for each in told if "gen_ai.input.messages" in each]
    assert len(asked) == 3  # of two calls of the model, and of the agent
    assert {json.loads(each)[0]["parts"][0]["content"] for each in asked} == {"tides ***"}


@pytest.mark.parametrize(
    "said", ["\n" * 40_000, "\x01" * 16_000, '"' * 31_000 + "x", "long " * 20_000, "short"], ids=range(5)
)
async def test_messages_are_whole_json_however_long_and_whatever_is_said(here: Path, http: Kept, said: str) -> None:
    here.joinpath(".magent.yaml").write_text(json.dumps({"otlp": {"endpoint": http.url, "content": True}}))
    cut = said == "long " * 20_000
    agent = Scripted(Reply(said, usage=Usage(1, 1, 0.0, 1), cut=cut))
    await run(
        open_store("memory:"),
        {**FLOW, "nodes": {"draft": {"prompt": "tides", "agent": "writer"}}},
        agents={"writer": agent},
    )
    (chat,) = (attributes(span) for span in http.spans if span.name.startswith("chat "))
    assert len(chat["gen_ai.output.messages"]) <= LONGEST
    (message,) = json.loads(chat["gen_ai.output.messages"])
    assert message["finish_reason"] == ("length" if cut else "stop")
    content = message["parts"][0]["content"]
    assert content == said or (content[-1] == "…" and said.startswith(content[:-1]) and len(content) > 5_000)


async def test_what_nodes_and_people_were_given_goes_by_the_names_that_viewers_show(here: Path, http: Kept) -> None:
    """Those of OpenInference; a question's kind keeps its own."""
    here.joinpath(".magent.yaml").write_text(json.dumps({"otlp": {"endpoint": http.url, "content": True}}))
    nodes = {
        "sum": {"set": {"n": 2}, "next": "say"},
        "say": {"run": "echo out", "next": "ask"},
        "ask": FLOW["nodes"]["ask"],
    }
    flow = {
        **FLOW,
        "nodes": nodes,
        "inputs": {"a": {"type": "integer", "default": 1}},
        "outputs": {"n": "{{ state.n }}"},
    }
    await run(open_store("memory:"), flow, agents={}, answers={"ask": True})
    told = {span.name: attributes(span) for span in http.spans}
    life, wait = told["invoke_workflow tides"], told["wait for a person"]
    assert (json.loads(life["input.value"]), life["input.mime_type"]) == ({"a": 1}, "application/json")
    assert (json.loads(life["output.value"]), life["output.mime_type"]) == ({"n": 2}, "application/json")
    assert json.loads(told["say"]["output.value"])["data"] == "out"
    assert (wait["magent.input"], wait["input.value"]) == ("approval", "Publish?")
    assert "input.mime_type" not in wait  # text
    assert json.loads(wait["output.value"])["approved"] is True


async def test_what_is_counted_adds_up(here: Path, collector: Kept) -> None:
    await run(open_store("memory:"), otlp=collector.url)
    counted = collector.counted
    assert counted.keys() <= INSTRUMENTS.keys()
    (runs,) = counted["magent.runs"].sum.data_points
    assert (runs.as_int, attributes(runs)) == (1, {"workflow": "tides", "status": "waiting"})
    tokens: Counter[str] = Counter()
    for point in counted["magent.tokens"].sum.data_points:
        tokens[attributes(point)["direction"]] += point.as_int
    assert tokens == {"input": 110, "output": 25}
    cost = sum(point.as_double for point in counted["magent.cost.usd"].sum.data_points)
    assert cost == pytest.approx(0.005)
    visits = counted["magent.visits"].sum
    assert (visits.is_monotonic, sum(point.as_int for point in visits.data_points)) == (True, 6)
    (took,) = counted["magent.run.duration"].histogram.data_points
    assert (took.count, list(took.explicit_bounds)) == (1, list(INSTRUMENTS["magent.run.duration"].bounds))


# ---- who wants it


async def test_opentelemetrys_own_variables_name_collector_service_and_key(
    here: Path, collector: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = "grpc" if collector.url.startswith("grpc") else "http/protobuf"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.replace("grpc://", "http://"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", way)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hush-hush-1")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "nightly")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=ci")
    flow = {"magent": 1, "name": "w", "nodes": {"a": {"run": "echo $OTEL_EXPORTER_OTLP_HEADERS hush-hush-1"}}}
    result = await run(open_store("memory:"), flow, agents={})
    assert result.outputs["a"]["data"] == "***"  # children do not see the key, and nothing shows it
    assert collector.headers[0]["authorization"] == "Bearer hush-hush-1"
    assert (collector.resource["service.name"], collector.resource["deployment.environment.name"]) == ("nightly", "ci")


@pytest.mark.parametrize("packed", ["none", "gzip", "deflate"])
async def test_as_json_it_says_what_it_says_as_protobuf(
    here: Path, http: Kept, monkeypatch: pytest.MonkeyPatch, packed: str
) -> None:
    store = open_store(f"file:{here}/.magent")
    await run(store, otlp=http.url)
    proto = {span.span_id: span for span in http.spans}
    http.clear()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", packed)
    found = await whole(store)
    telemetry.send(found.trace, found.finished, telemetry.named(http.url))
    assert {span.span_id: span for span in http.spans} == proto
    assert http.headers[0]["content-type"] == "application/json"
    (body,) = http.bodies
    told = json.loads(body)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    root = next(span for span in told if span["name"] == "invoke_workflow tides")
    assert (root["traceId"], root["kind"], isinstance(root["startTimeUnixNano"], str)) == (found.trace.id, 1, True)
    assert {span["spanId"] for span in told} == {span.id for span in found.finished}
    await magent.load(FLOW).run(store=open_store("memory:"), agents={"writer": writer()}, otlp=http.url)
    assert sum(point.as_int for point in http.counted["magent.visits"].sum.data_points) == 6


async def test_each_number_is_sent_once_at_the_end_of_a_life(here: Path, collector: Kept) -> None:
    await run(open_store("memory:"), otlp=collector.url)
    assert len(collector.metrics) == 1


@pytest.mark.parametrize(
    ("name", "value", "spans", "counted"),
    [
        ("OTEL_SDK_DISABLED", "true", False, False),
        ("OTEL_TRACES_EXPORTER", "none", False, True),
        ("OTEL_METRICS_EXPORTER", "none", True, False),
        ("TRACEPARENT", PARENT[:-1] + "0", False, True),
    ],
)
async def test_what_is_not_wanted_is_not_sent(
    here: Path, http: Kept, monkeypatch: pytest.MonkeyPatch, name: str, value: str, spans: bool, counted: bool
) -> None:
    monkeypatch.setenv(name, value)
    await run(open_store("memory:"), otlp=http.url)
    assert (bool(http.spans), bool(http.counted)) == (spans, counted)


@pytest.mark.parametrize("arg", ["0", "0.25", "1", "7", "", "half"])
@pytest.mark.parametrize("parent", [None, PARENT, PARENT[:-1] + "0"])
@pytest.mark.parametrize("name", [*sampling._KNOWN_SAMPLERS, "", "Always_Off", "unheard_of"])
def test_what_is_sampled_is_what_opentelemetrys_own_samplers_say(
    name: str, parent: str | None, arg: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", arg)
    logging.getLogger(sampling.__name__).setLevel(logging.CRITICAL)
    theirs = sampling._get_from_env_or_default() if name else sampling.DEFAULT_ON
    kept = ids.incoming({**os.environ, **({"TRACEPARENT": parent} if parent else {})})
    context = TraceContextTextMapPropagator().extract({"traceparent": parent} if parent else {})
    for number in range(40):
        ours = Trace.of(f"run{number}", 1.0, kept)
        said = theirs.should_sample(context, int(ours.id, 16), "x").decision is sampling.Decision.RECORD_AND_SAMPLE
        assert (ours.sampled, ours.at("a" * 16).traceparent[-2:]) == (said, "01" if said else "00")


@pytest.mark.parametrize("sampler", ["always_off", "parentbased_always_off"])
async def test_what_a_sampler_drops_is_dropped_in_every_life_and_by_those_who_are_called(
    here: Path, http: Kept, monkeypatch: pytest.MonkeyPatch, sampler: str
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    flow = {**FLOW, "nodes": {"a": {"run": "echo $TRACEPARENT", "next": "ask"}, "ask": FLOW["nodes"]["ask"]}}
    store = open_store(f"file:{here}/.magent")
    first = await run(store, flow, otlp=http.url, agents={})
    assert first.state["a"]["data"].endswith("-00")
    monkeypatch.delenv("OTEL_TRACES_SAMPLER")
    await magent.resume("r1", store=store, otlp=http.url, answers={"ask": {"approved": True}})
    assert (http.spans, bool(http.counted)) == ([], True)


def test_a_run_that_an_answer_goes_on_with_is_sent_too(
    here: Path, http: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    here.joinpath("w.yaml").write_text("{magent: 1, name: w, nodes: {a: {type: human_input, input: approval}}}")
    assert run_magent(capsys, "run", "w.yaml", "--no-input", "--id", "r1").code == 3
    refused = run_magent(capsys, "respond", "r1", "--approve", "--otlp", http.url)
    assert (refused.code, "--otlp goes with --resume" in refused.err) == (2, True)
    assert run_magent(capsys, "respond", "r1", "--approve", "--resume", "--otlp", http.url).code == 0
    assert {"resume w", "a", "wait for a person"} <= {span.name for span in http.spans}


def test_a_run_within_a_ci_jobs_trace_is_sent_as_a_part_of_it(
    here: Path, http: Kept, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRACEPARENT", PARENT)
    monkeypatch.setenv("MAGENT_OTLP", http.url)
    here.joinpath("w.yaml").write_text("{magent: 1, name: w, nodes: {a: {set: {x: 1}}}}")
    assert run_magent(capsys, "run", "w.yaml").code == 0
    root = next(span for span in http.spans if span.name == "invoke_workflow w")
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == tuple(PARENT.split("-")[1:3])
    sent = len(http.spans)
    told = run_magent(capsys, "trace", "--otlp", http.url)
    assert (told.code, told.out.strip()) == (0, root.trace_id.hex())
    assert f"{sent} spans of run" in told.err
    assert len(http.spans) == 2 * sent


@pytest.mark.parametrize(
    ("url", "grpc", "of_traces"),
    [
        ("http://c:4318", False, "http://c:4318/v1/traces"),
        ("https://c/otlp/", False, "https://c/otlp/v1/traces"),
        ("http://c:4318/v1/metrics", False, "http://c:4318/v1/traces"),
        ("http://c:4317", True, "http://c:4317"),
        ("grpc://c:9", True, "http://c:9"),
        ("grpcs://c:9", True, "https://c:9"),
    ],
)
def test_an_address_says_how_it_is_spoken_to(url: str, grpc: bool, of_traces: str) -> None:
    found = read(url, {})
    assert (found.grpc, found.of("traces"), found.secure) == (grpc, of_traces, of_traces.startswith("https"))


def test_the_variables_say_which_signals_go_where() -> None:
    assert from_environment({}) is None
    traces_alone = from_environment({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"})
    assert traces_alone == Address(None, False, signals=("traces",))
    both = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert from_environment(both) == Address(None, True)
    assert from_environment({**both, "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}) is None


def test_doctor_says_who_is_sent_spans_and_whether_anybody_listens_there(
    here: Path, http: Kept, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here.joinpath(".magent.yaml").write_text(json.dumps({"otlp": {"endpoint": http.url}}))
    found = json.loads(run_magent(capsys, "doctor", "--output", "json").out)["checks"]
    (told,) = (each for each in found if each["group"] == "Traces")
    assert (told["state"], told["name"]) == ("ok", http.url)
    (said,) = (each for each in found if each["name"].startswith("otlp."))
    assert (said["name"], said["says"]) == ("otlp.endpoint", http.url)
    monkeypatch.setenv("MAGENT_OTLP", "http://user:hush-hush-2@127.0.0.1:1")
    done = run_magent(capsys, "doctor")
    assert (done.code, "hush-hush-2" in done.out) == (1, False)
    assert "refused" in done.out


@pytest.mark.parametrize("url", ["localhost:4318", "ftp://c", "http://", "http://c:port", "http://[::"])
async def test_what_is_no_address_is_refused_before_anything_runs(here: Path, url: str) -> None:
    store = open_store(f"file:{here}/.magent")
    with pytest.raises(UsageError, match="no address of a collector"):
        await run(store, otlp=url)
    assert not list(await store.list())


def test_the_settings_of_it_are_checked(here: Path) -> None:
    here.joinpath(".magent.yaml").write_text("otlp: {contents: true}")
    with pytest.raises(InvalidWorkflow):
        settings.read()


# ---- nothing harms a run


class Silent:
    """Takes connections, and never says a word."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]


@pytest.fixture
def silent() -> Iterator[Silent]:
    made = Silent()
    yield made
    made.socket.close()


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_collector_that_hangs_holds_up_nothing_and_costs_a_line(here: Path, silent: Silent, scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:{silent.port}"
    here.joinpath("w.yaml").write_text("{magent: 1, name: w, nodes: {a: {set: {x: 1}}}}")
    program = "import sys; from magent import telemetry; from magent.cli.main import main; telemetry.PATIENCE = 0.3"
    command = [sys.executable, "-c", f"{program}; sys.exit(main(sys.argv[1:]))", "run", "w.yaml", "--otlp", url]
    environ = {**os.environ, "PYTHONPATH": ROOT, "OTEL_EXPORTER_OTLP_TIMEOUT": "900"}  # so long it would be held up
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False, timeout=200)
    assert done.returncode == 0
    warnings = [each for each in done.stderr.splitlines() if "warning" in each]
    assert warnings == [f"magent: warning: not all spans were sent to {url}: it did not answer in time"]


@pytest.mark.parametrize("scheme", ["http", "grpc"])
async def test_where_nobody_listens_the_run_ends_at_once_and_says_so(here: Path, scheme: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"{scheme}://127.0.0.1:{taken.getsockname()[1]}"
        (said,) = (await run(open_store("memory:"), otlp=url)).unsent
    assert said.startswith(f"not all spans were sent to {url}: ")
    assert "refused" in said


@pytest.mark.parametrize("scheme", ["http", "grpc"])
@pytest.mark.parametrize("patience", [None, "0.5"])
def test_a_recorded_run_is_not_sent_for_long_to_a_collector_that_is_not_there(
    here: Path, silent: Silent, scheme: str, patience: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given a few seconds, or as many as OpenTelemetry's variable says."""
    asked: list[float | None] = []
    real = otlp._traces

    def made(address: Address, timeout: float | None) -> Any:
        asked.append(timeout)
        return real(address, timeout)

    monkeypatch.setattr(otlp, "_traces", made)
    monkeypatch.setattr(otlp, "PATIENCE", 0.5)
    if patience is not None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", patience)
    place = telemetry.named(f"{scheme}://127.0.0.1:{silent.port}")
    spans = [Span("a" * 16, None, "life", "invoke_workflow w", "", 1, 0.0, 90.0, "completed")]
    with pytest.raises(MagentError):
        telemetry.send(Trace("c" * 32, "r1@1"), spans, place)
    assert asked == [None if patience else 0.5]
    assert otlp.PATIENCE <= 3


@pytest.mark.parametrize("way", [over_http, over_grpc])
async def test_a_collector_that_takes_no_metrics_gets_the_spans_without_a_word(here: Path, way: Any) -> None:
    with way(metrics=False) as kept:
        result = await run(open_store("memory:"), otlp=kept.url)
        assert (result.unsent, bool(kept.spans), kept.metrics) == ((), True, [])


def test_a_queue_that_is_full_loses_what_is_new_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "MOST", 10)
    go = threading.Event()
    got: list[Span] = []

    class Slow:
        def export(self, _trace: Trace, spans: Sequence[Span]) -> None:
            go.wait(10)
            got.extend(spans)

        def close(self) -> None:
            pass

    made = Line("slow", Slow)
    span = Span("1" * 16, None, "visit", "a", "a", 1, 0.0, 1.0)
    for _ in range(1000):
        made.put(Trace("t", "s"), [span])
    go.set()
    assert made.close(time.monotonic() + 10) == "they came faster than it took them"
    assert 10 <= len(got) < 1000


# ---- exporters of other packages


class Mine:
    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.got: list[Span] = []
        self.closed = 0

    def export(self, trace: Trace, spans: Sequence[Span]) -> None:
        assert len(trace.id) == 32
        if self.fault is not None:
            raise self.fault
        self.got += spans

    def close(self) -> None:
        self.closed += 1


async def test_an_exporter_that_is_handed_over_gets_every_span_once(here: Path) -> None:
    mine, store = Mine(), open_store("memory:")
    result = await run(store, exporters=(mine,))
    assert (result.unsent, mine.closed) == ((), 1)
    assert [span.id for span in mine.got] == [span.id for span in (await whole(store)).finished]
    assert "It rises." in [span.content.get("output") for span in mine.got if span.kind == "model"]


@pytest.mark.parametrize("how", [{"from_": "c"}, {"from_": "fan[2]/item"}, {"only_failed": True}, {"from_": 8}])
async def test_a_fork_is_sent_as_it_is_read_afterwards(here: Path, how: dict[str, Any]) -> None:
    fan = {"type": "parallel", "for_each": "range(4) | list", "body": "item", "on_branch_error": "collect", "next": "c"}
    item = {"run": "exit {{ 1 if item == 3 else 0 }}"}
    nodes = {"fan": fan, "item": item, "c": {"set": {"x": 1}}}
    mine, store = Mine(), open_store("memory:")
    await run(store, {"magent": 1, "name": "w", "nodes": nodes}, agents={})
    forked = await magent.resume("r1", store=store, exporters=(mine,), **how)
    read_later = (await traces.traced(store, forked.run_id)).finished
    assert [span.id for span in mine.got] == [span.id for span in read_later]
    assert [link.why for span in mine.got for link in span.links] == ["forked_from"]


async def test_one_that_raises_harms_nothing_and_is_told_of(here: Path) -> None:
    result = await run(open_store("memory:"), exporters=(Mine(RuntimeError("the disk is full")),))
    assert result.unsent == ("not all spans were sent to exporter Mine: the disk is full",)
    assert result.status == "waiting"
    with pytest.raises(UsageError, match="has none"):
        await run(open_store("memory:"), exporters=(object(),))


async def test_one_of_another_package_is_named_by_its_entry_point(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "got = []\nclass Ours:\n  def export(self, trace, spans):\n    got.extend(span.name for span in spans)\n"
    install(here / "site", monkeypatch, {"ourtraces": module}, "[magent.exporters]\nours = ourtraces:Ours\n")
    monkeypatch.setenv("MAGENT_EXPORTERS", "ours")
    assert (await run(open_store("memory:"))).unsent == ()
    import ourtraces  # type: ignore[import-not-found]

    assert "invoke_workflow tides" in ourtraces.got
    monkeypatch.setenv("MAGENT_EXPORTERS", "our")
    with pytest.raises(UsageError, match="no exporter is named 'our'"):
        await run(open_store("memory:"))
