"""The dashboard and the alert rules ask for what is really sent, by the names that Prometheus gives it."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import magent
from magent.ports import Reply, Usage
from magent.spans.measures import INSTRUMENTS
from magent.stores import open_store
from tests.adapters.collectors import Kept, attributes, over_http
from tests.engine.crew import Scripted, broken, calls

FOLDER = Path(__file__).parents[2] / "workflows" / "grafana"
DASHBOARD, ALERTS = (json.loads(FOLDER.joinpath(name).read_text("utf-8")) for name in ("magent.json", "alerts.json"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]] + [
    data["model"]["expr"] for rule in RULES for data in rule["data"] if "expr" in data["model"]
]
FLOW: dict[str, Any] = {
    "magent": 1,
    "name": "all",
    "agents": {"a": {"model": "openai:gpt-5-mini"}},
    "tools": {"calculator": {"builtin": "calculator"}},
    "nodes": {
        "draft": {"prompt": "x", "agent": "a", "tools": ["calculator"], "retry": {"max_attempts": 2, "delay": "1ms"},
                  "next": "ask"},
        "ask": {"type": "human_input", "input": "approval", "prompt": "ok?"},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def sent() -> Iterator[dict[str, Any]]:
    """What a run that does a little of everything sends: each metric as Prometheus calls it, with its labels."""
    with over_http() as kept:
        yield names(kept)


def names(kept: Kept) -> dict[str, Any]:
    reply = Reply("done", usage=Usage(10, 5, 0.5, 1), model="gpt-5-mini-1")
    agent = Scripted(broken("agent"), calls(("calculator", {"expression": "1+1"})), reply)
    magent.run(FLOW, store=open_store("memory:"), agents={"a": agent}, answers={"ask": True}, otlp=kept.url)
    found: dict[str, Any] = {}
    for name, metric in kept.counted.items():
        kind = metric.WhichOneof("data")
        labels = {key.replace(".", "_") for point in getattr(metric, kind).data_points for key in attributes(point)}
        for called in prometheus(name, metric.unit, kind):
            found[called] = labels | ({"le"} if called.endswith("_bucket") else set())
    return found


def prometheus(name: str, unit: str, kind: str) -> list[str]:
    """By the rules of OpenTelemetry's compatibility with Prometheus: units in words, `_total` behind counters."""
    called = name.replace(".", "_")
    word = {"s": "seconds", "": ""}.get(unit, "" if unit.startswith("{") else unit)
    called += f"_{word}" if word and not called.endswith(f"_{word}") else ""
    return [f"{called}_total"] if kind == "sum" else [f"{called}_{end}" for end in ("bucket", "sum", "count")]


def asked(expression: str) -> dict[str, set[str]]:
    """The metrics that an expression names, each with the labels that it is selected by."""
    found: dict[str, set[str]] = {}
    for name, selector in re.findall(r"\b((?:magent|gen_ai_client)_\w+)(?:\{(.*?)\})?", expression):
        found.setdefault(name, set()).update(re.findall(r"(\w+)(?:=~|=)", selector))
    return found


def grouped(expression: str) -> set[str]:
    """The labels that are left."""
    return {label.strip() for group in re.findall(r"sum by \((.*?)\)", expression) for label in group.split(",")}


def test_everything_that_is_counted_was_sent(sent: dict[str, Any]) -> None:
    called = {prometheus(each.name, each.unit, "sum")[0] if each.kind == "counter" else
              prometheus(each.name, each.unit, "histogram")[0] for each in INSTRUMENTS.values()}  # fmt: skip
    assert called <= sent.keys()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_for_what_is_sent(sent: dict[str, Any], expression: str) -> None:
    metrics = asked(expression)
    assert metrics
    for name, labels in metrics.items():
        assert name in sent
        assert labels <= sent[name]
    assert all(grouped(expression) <= sent[name] for name in metrics)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_legend_names_labels_that_are_left(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        used = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert used <= grouped(target["expr"])


def test_an_alert_tells_labels_that_are_left() -> None:
    for rule in RULES:
        told = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert told <= grouped(rule["data"][0]["model"]["expr"])
        assert rule["condition"] == rule["data"][-1]["refId"]
    assert len({rule["uid"] for rule in RULES}) == len(RULES)


def test_a_share_is_taken_of_what_the_failed_ones_are_a_part_of() -> None:
    """Labels that only those have that did not fail, such as the model that answered, would make every share 100 %."""
    for rule in (rule for rule in RULES if " / " in rule["data"][0]["model"]["expr"]):
        part, whole = rule["data"][0]["model"]["expr"].split(" / ")
        assert grouped(part) == grouped(whole) <= {"workflow", "agent"}


def test_a_bound_of_an_alert_on_a_quantile_is_a_bound_of_its_buckets() -> None:
    """Between two bounds a quantile is guessed: what took a little more than the lower one would count as much more."""
    for rule in (rule for rule in RULES if "histogram_quantile" in rule["data"][0]["model"]["expr"]):
        (metric,) = asked(rule["data"][0]["model"]["expr"])
        (evaluator,) = (each["evaluator"] for each in rule["data"][-1]["model"]["conditions"])
        (bounds,) = (
            each.bounds
            for each in INSTRUMENTS.values()
            if each.bounds and prometheus(each.name, each.unit, "")[0] == metric
        )
        assert set(evaluator["params"]) <= set(bounds)


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in itertools.combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
