"""An answer as given, whole or in its short form, made into a whole answer or refused with reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from magent.answers.flags import describe
from magent.answers.schema import (
    COMMON,
    FIRST_FIELD,
    answer_schema,
    faults,
    has_default,
    own_fields,
    read_options,
    schema_fault,
    shown,
)
from magent.errors import AnswerRefused
from magent.ports import Question

MAX_DEPTH = 200


def normalise(question: Question, given: Any) -> dict[str, Any]:
    """The whole answer that `given` (whole, or the short form) means; fields not given are null.

    `by`, `at`, `comment`, `via` are kept where given; who asks sets `at` and `via`. Raises AnswerRefused.
    """
    reasons, answer = _examine(question, given)
    if reasons:
        raise AnswerRefused(question.node, reasons, describe(question))
    return answer


def reasons_against(question: Question, given: Any) -> list[str]:
    """Why `given` does not answer the question; empty where it does."""
    return _examine(question, given)[0]


def check_literal(
    kind: str,
    given: Any,
    *,
    options: Any = None,
    multiple: bool = False,
    scale: tuple[int, int] = (1, 5),
    form: Mapping[str, Any] | None = None,
) -> list[str]:
    """Why `given`, as written in a file, cannot answer a question of this kind; empty where it can.

    `options` as written (`[a, {value, label}]`), `form` name → JSON Schema. Nothing here may be a template.
    """
    try:
        read = read_options(options) if kind == "choice" else ()
    except ValueError as error:
        return [str(error)]
    question = Question("", "", 1, kind, options=read, multiple=multiple, scale=scale, form=form or {})
    return reasons_against(question, given)


def check_question(question: Question) -> list[str]:
    """Why the question itself cannot be asked: no options, a form that is none, a default that does not fit."""
    if question.input == "choice":
        try:
            read_options(list(question.options))
        except ValueError as error:
            return [str(error)]
    if not isinstance(question.form, Mapping):
        return [f"`form` must be a mapping from names to JSON Schemas, not {shown(question.form)}"]
    for name, schema in question.form.items():
        if wrong := schema_fault(schema):
            return [f"the schema of `form.{name}` is wrong: {wrong}"]
    against = reasons_against(question, question.default) if question.has_default else []
    return [f"the default does not fit: {reason}" for reason in against]


def _examine(question: Question, given: Any) -> tuple[list[str], dict[str, Any]]:
    if given is None:
        return ["null is no answer"], {}
    short = not isinstance(given, Mapping)
    try:
        answer = _plain({FIRST_FIELD[question.input]: given} if short else given)
    except ValueError as error:
        return [str(error)], {}
    form = answer.get("form")
    if question.form and (form is None or isinstance(form, dict)):
        fallback = {name: _plain(schema["default"]) for name, schema in question.form.items() if has_default(schema)}
        answer["form"] = fallback | (form or {})
    found = faults(answer_schema(question), answer, question)
    if short:
        found = [_beyond_short(fault) for fault in found]
    return found, {} if found else _complete(question, answer)


def _beyond_short(fault: str) -> str:
    """A short form has no place for a form's fields; the sentence says so."""
    if fault.startswith("`form.") and fault.endswith(" is missing"):
        return f"{fault}: the short form has no place for it, give the whole answer"
    return fault


def _complete(question: Question, answer: dict[str, Any]) -> dict[str, Any]:
    fallback: dict[str, Any] = {"errors": [], "content": question.content}
    names = [*own_fields(question), *(["form"] if question.form else []), *COMMON]
    whole = {name: answer.get(name, fallback.get(name)) for name in names}
    if question.input == "rating":
        whole["rating"] = int(answer["rating"])
    return whole


def _plain(value: Any, depth: int = 0) -> Any:
    """A copy of plain dicts and lists. Raises ValueError for what is not JSON."""
    if depth > MAX_DEPTH:
        raise ValueError(f"the answer is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    raise ValueError(f"an answer holds JSON values only, not {shown(value)}")
