"""Literal values against what they stand for: defaults, answers, numbers, durations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from magent.answers import check_literal
from magent.source import Problem
from magent.spec.checks.context import Context
from magent.spec.checks.references import has_template, misfit
from magent.spec.checks.shapes import ANSWER_FIELDS
from magent.spec.checks.views import GraphView, Place, is_template, mapping, sequence
from magent.spec.takes import takes


def _fields(context: Context) -> Iterator[tuple[Place, Any]]:
    """Every named JSON Schema: inputs, state keys, output and form fields, parameters."""
    for graph in context.graphs:
        for section in ("inputs", "state"):
            for name, schema in mapping(graph.data.get(section)).items():
                yield graph.place / (section, name), schema
        for node, body in graph.nodes.items():
            for section in ("output", "form"):
                for name, schema in mapping(body.get(section)).items():
                    yield graph.at(node, section, name), schema
    for _, document in context.all_documents():
        data = mapping(document.data)
        for owner, body in mapping(data.get("tools")).items():
            if (taken := takes(body)) is not None:
                for name, schema in taken.fields.items():
                    yield Place(document, ("tools", owner, *taken.path, name)), schema
        for owner, body in mapping(data.get("chains")).items():
            for name, schema in mapping(mapping(body).get("inputs")).items():
                yield Place(document, ("chains", owner, "inputs", name)), schema


def check_defaults(context: Context) -> Iterator[Problem]:
    """A default fits its own schema; null always does, as it makes a field optional."""
    for place, schema in _fields(context):
        if not isinstance(schema, Mapping) or schema.get("default") is None or has_template(schema["default"]):
            continue
        for sentence in misfit(_plain(schema), schema["default"]):
            yield (place / "default").problem("wrong-default", f"the default does not fit its own schema: {sentence}")


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a state key, without what the language adds."""
    return {key: value for key, value in schema.items() if key != "reduce"}


def check_reducers(context: Context) -> Iterator[Problem]:
    """What a reducer starts from is of the kind it works on."""
    kinds = {"append": list, "extend": list, "union": list, "merge": Mapping}
    for graph in context.graphs:
        for name, schema in graph.declared.items():
            reduce, default = mapping(schema).get("reduce"), mapping(schema).get("default")
            if not isinstance(reduce, str) or default is None or misfit(_plain(schema), default):
                continue
            number = isinstance(default, (int, float)) and not isinstance(default, bool)
            fits = isinstance(default, kinds[reduce]) if reduce in kinds else reduce != "sum" or number
            if not fits:
                needs = {"merge": "a mapping", "sum": "a number"}.get(reduce, "a list")
                message = f"`reduce: {reduce}` starts from {needs}, and the default is {default!r}"
                yield (graph.place / ("state", name, "default")).problem("wrong-default", message)


def check_answers(context: Context) -> Iterator[Problem]:
    """The default of a human_input is an answer that a person could give."""
    for graph in context.graphs:
        for name, node in graph.nodes.items():
            if graph.type_of(name) == "human_input" and node.get("input") in tuple(ANSWER_FIELDS):
                yield from _answer(graph, name, node)


def _answer(graph: GraphView, name: str, node: Mapping[str, Any]) -> Iterator[Problem]:
    if node.get("on_timeout") == "default" and "default" not in node:
        message = "`on_timeout: default` needs a `default`, the answer to take then"
        yield graph.at(name, "on_timeout").problem("no-default-answer", message)
    scale = mapping(node.get("scale"))
    low, high = scale.get("min", 1), scale.get("max", 5)
    if not isinstance(low, int) or not isinstance(high, int):
        return
    if low >= high:
        yield graph.at(name, "scale").problem("bad-scale", f"`max` ({high}) must be larger than `min` ({low})")
    elif "default" in node and not any(has_template(node.get(key)) for key in ("default", "options", "form")):
        given, form = node["default"], mapping(node.get("form"))
        multiple = node.get("multiple") is True
        wrong = check_literal(
            node["input"], given, options=node.get("options"), multiple=multiple, scale=(low, high), form=form
        )
        for reason in wrong:
            yield graph.at(name, "default").problem("wrong-answer", f"this is no answer to '{name}': {reason}")


def check_wait_for(context: Context) -> Iterator[Problem]:
    """As many successes as are waited for must be possible; `collect` waits for all."""
    for graph in context.graphs:
        for name, node in graph.nodes.items():
            if graph.type_of(name) != "parallel":
                continue
            wait_for = node.get("wait_for", "all")
            count = _branches(node)
            number = wait_for if isinstance(wait_for, int) and not isinstance(wait_for, bool) else 0
            if count is not None and number > count:
                message = (
                    f"`wait_for: {number}` can never be reached: '{name}' has {count} branch{'es'[: 2 * (count != 1)]}"
                )
                yield graph.at(name, "wait_for").problem("wait-for", message, hint="write `all`, or a smaller number")
            if node.get("on_branch_error") == "collect" and wait_for != "all" and not is_template(wait_for):
                message = f"`on_branch_error: collect` goes with `wait_for: all`, not with `{wait_for}`"
                related = graph.at(name, "wait_for")
                yield graph.at(name, "on_branch_error").problem("collect-needs-all", message, related=related)


def _branches(node: Mapping[str, Any]) -> int | None:
    found = node.get("branches", node.get("for_each"))
    return len(found) if isinstance(found, list) else None


def check_lists_to_go_over(context: Context) -> Iterator[Problem]:
    """A state key that is declared as something else is no list to go over."""
    for graph in context.graphs:
        for name, node in graph.nodes.items():
            source = node.get("for_each")
            if not isinstance(source, str):
                continue
            steps = source.strip().split(".")
            if len(steps) != 2 or steps[0] not in ("inputs", "state"):
                continue
            table = graph.inputs if steps[0] == "inputs" else graph.declared
            kind = mapping(table.get(steps[1])).get("type")
            if isinstance(kind, str) and kind != "array":
                message = f"`for_each` goes over a list, and `{source.strip()}` is declared as `{kind}`"
                yield graph.at(name, "for_each").problem("not-a-list", message)


def check_items_written_out(context: Context) -> Iterator[Problem]:
    """`for_each: ["{{ x }}"]`: items that are written out are taken as they are, so that a template stays text."""
    for graph in context.graphs:
        for name, node in graph.nodes.items():
            for index, item in enumerate(sequence(node.get("for_each"))):
                if has_template(item):
                    message = "items that are written out are taken as they are: this template stays text"
                    hint = 'write an expression that gives the list: `for_each: "[inputs.first, state.second]"`'
                    yield graph.at(name, "for_each", index).warning("literal-item", message, hint=hint)


def check_session_names(context: Context) -> Iterator[Problem]:
    """`session: "{{ x }}"`: the name of a conversation is taken as it is, so that a template is one for everybody."""
    for graph in context.graphs:
        for name, node in graph.nodes.items():
            if has_template(node.get("session")):
                message = "a session is named literally: this template stays text, and names one conversation for all"
                hint = "name it outright, as in `session: talk`; a subgraph that is called for each has one of its own"
                yield graph.at(name, "session").warning("literal-session", message, hint=hint)
