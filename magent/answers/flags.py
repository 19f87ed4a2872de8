"""Answers on the command line: how to say one, the line that says it, and the flags read back."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from magent.answers.schema import DECISIONS, FIRST_FIELD, has_default, shown, text_of
from magent.errors import UsageError
from magent.ports import Question

_FLAGS = {
    "approval": ("approve", "reject"),
    "feedback": ("text",),
    "choice": ("choose",),
    "rating": ("rate",),
    "review": ("decision", "text", "content"),
    "validation": ("valid", "invalid", "error"),
}
ANSWER_FLAGS = tuple(name for names in _FLAGS.values() for name in names)


def describe(question: Question) -> str:
    """One line on how to answer, with the flags of `magent respond`."""
    values = [text_of(option["value"]) for option in question.options]
    known = ", ".join(values[:12]) + (f" and {len(values) - 12} more" if len(values) > 12 else "")
    low, high = question.scale
    line = {
        "approval": "answer with true or false (--approve, --reject)",
        "feedback": "answer with text (--text)",
        "choice": f"answer with a list of {known} (--choose, once for each)"
        if question.multiple
        else f"answer with one of {known} (--choose)",
        "rating": f"answer with a whole number from {low} to {high} (--rate)",
        "review": f"answer with {', '.join(DECISIONS[:-1])} or {DECISIONS[-1]} (--decision)",
        "validation": "answer with true or false (--valid, --invalid with --error)",
    }[question.input]
    return f"{line}; `form` takes {', '.join(question.form)} (--answer JSON)" if question.form else line


def command(question: Question, run_id: str, node: str | None = None, store: str | None = None) -> str:
    """The `magent respond` line that answers, ready for a shell: with the default's answer, else one that fits.

    `node` is what names the question (its node's name where that is enough); without it, its address. `store` is the
    URL of a store that must be named to be found.
    """
    words = ["magent", "respond", run_id, node or question.path or question.node, *_example_flags(question)]
    return shlex.join([*words, *(["--store", store] if store else [])])


def _example_flags(question: Question) -> list[str]:
    default = question.default if question.has_default else None
    if any(not has_default(schema) for schema in question.form.values()):
        return ["--answer", json.dumps(_example(question, default), ensure_ascii=False)]
    value = _first(question, default)
    words = [text_of(item) for item in (value if isinstance(value, list) else [value])]
    if question.input in ("approval", "validation"):
        return [f"--{_FLAGS[question.input][0 if value else 1]}"]
    flag = f"--{_FLAGS[question.input][0]}"
    return [part for word in words for part in ([f"{flag}={word}"] if word.startswith("-") else [flag, word])]


def _first(question: Question, default: Any) -> Any:
    """The value of the first field to show: the default's, else one that is accepted."""
    if isinstance(default, Mapping):
        default = default.get(FIRST_FIELD[question.input])
    if default is not None:
        return default
    options = [option["value"] for option in question.options[:1]]
    return {
        "approval": True,
        "feedback": "your text",
        "choice": options if question.multiple else next(iter(options), ""),
        "rating": question.scale[1],
        "review": DECISIONS[0],
        "validation": True,
    }[question.input]


def _example(question: Question, default: Any) -> dict[str, Any]:
    """A whole answer to fill in: the default's values, else the plainest of each type."""
    answer = dict(default) if isinstance(default, Mapping) else {}
    given = answer.get("form") or {}
    answer[FIRST_FIELD[question.input]] = _first(question, default)
    answer["form"] = {name: given.get(name, _plainest(schema)) for name, schema in question.form.items()}
    return answer


def _plainest(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return "…"
    for key in ("default", "const"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    number = schema.get("minimum", schema.get("maximum", 0))
    plain: dict[Any, Any] = {
        "boolean": True,
        "integer": number,
        "number": number,
        "array": [],
        "object": {},
        "null": None,
    }
    return plain.get(kind, "…")


def from_flags(question: Question, flags: Mapping[str, Any]) -> Any:
    """The answer that the flags of `magent respond` mean, for `normalise`; None where no flag was given.

    `flags` by name: approve, reject, valid, invalid (True: given); text, rate, decision, content, answer, comment;
    choose, error (lists). False, None and empty lists mean: not given. Raises UsageError for a flag that does not fit.
    """
    given = {name: value for name, value in flags.items() if value is not None and value is not False and value != []}
    comment = given.pop("comment", None)
    answer = _answer(question, given)
    if comment is None:
        return answer
    if answer is None:
        raise UsageError("--comment alone answers nothing", describe(question))
    whole = dict(answer) if isinstance(answer, Mapping) else {FIRST_FIELD[question.input]: answer}
    if question.input == "review" and whole.get("comments") is None:
        whole["comments"] = comment  # a review's remarks are what a comment on it is
    return whole | {"comment": comment}


def _answer(question: Question, given: Mapping[str, Any]) -> Any:
    named = [name for name in given if name in ANSWER_FLAGS or name == "answer"]
    if not named:
        return None
    if "answer" in named:
        if len(named) > 1:
            raise UsageError(f"--answer is the whole answer: leave --{_other(named, 'answer')} out")
        return _json("answer", str(given["answer"]), "text needs double quotes: --answer '\"blue\"'; ")
    fitting = _FLAGS[question.input]
    for name in named:
        if name not in fitting:
            raise UsageError(
                f"--{name} does not fit: '{question.node}' asks for {_ARTICLE[question.input]}", describe(question)
            )
    return _READERS[question.input](question, given)


_ARTICLE = {
    "approval": "an approval",
    "feedback": "feedback",
    "choice": "a choice",
    "rating": "a rating",
    "review": "a review",
    "validation": "a validation",
}


def _other(names: list[str], name: str) -> str:
    return next(other for other in names if other != name)


def _json(flag: str, text: str, advice: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        hint = f"{advice}in a shell, put single quotes around the JSON"
        raise UsageError(f"--{flag} is not JSON: {str(error)[:200]} in {shown(text)}", hint) from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _either(given: Mapping[str, Any], yes: str, no: str) -> bool:
    if yes in given and no in given:
        raise UsageError(f"--{yes} and --{no} exclude each other")
    return yes in given


def _approval(_: Question, given: Mapping[str, Any]) -> Any:
    return {"approved": _either(given, "approve", "reject")}


def _feedback(_: Question, given: Mapping[str, Any]) -> Any:
    return {"text": given["text"]}


def _choice(question: Question, given: Mapping[str, Any]) -> Any:
    chosen = given["choose"] if isinstance(given["choose"], (list, tuple)) else [given["choose"]]
    values = [_option(question, text) for text in chosen]
    if question.multiple:
        return {"choice": values}
    if len(values) > 1:
        raise UsageError(f"'{question.node}' takes one choice, not {len(values)}", describe(question))
    return {"choice": values[0]}


def _option(question: Question, text: Any) -> Any:
    """The option that is written so; the text itself where none is, for `normalise` to refuse."""
    values = [option["value"] for option in question.options]
    return next((value for value in values if text_of(value) == text_of(text)), text)


def _rating(_: Question, given: Mapping[str, Any]) -> Any:
    try:
        return {"rating": int(str(given["rate"]))}
    except ValueError as error:
        raise UsageError(f"--rate takes a whole number, not {shown(given['rate'])}") from error


def _review(question: Question, given: Mapping[str, Any]) -> Any:
    if "decision" not in given:
        raise UsageError("--text and --content need a --decision beside them", describe(question))
    answer = {"decision": given["decision"]}
    if "text" in given:
        answer["comments"] = given["text"]
    if "content" in given:
        plain = question.content is None or isinstance(question.content, str)
        answer["content"] = (
            given["content"] if plain else _json("content", given["content"], "what was shown is data: ")
        )
    return answer


def _validation(_: Question, given: Mapping[str, Any]) -> Any:
    if "error" in given and "invalid" not in given:
        raise UsageError("--error goes with --invalid")
    valid = _either(given, "valid", "invalid")
    return {"valid": valid, "errors": list(given.get("error", []))}


_READERS = {
    "approval": _approval,
    "feedback": _feedback,
    "choice": _choice,
    "rating": _rating,
    "review": _review,
    "validation": _validation,
}
