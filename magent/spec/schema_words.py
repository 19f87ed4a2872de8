"""What `schema_rules` finds in a document, in words: the key, what was found, what was expected, what to write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from magent.source import Path, Problem, dotted, locate, sort_key
from magent.spec.schema_roots import NO_REQUIRED, NODE_TYPES, Near, Roots, Words
from magent.spec.schema_rules import Fault, is_number
from magent.spec.schema_say import found, kind_of, show, types_in_words

WORKING = frozenset({"timeout", "retry", "output", "effects"})
_NAMES = frozenset(
    ("name", "target", "variable", "agent_name", "role_name", "chain_name", "tool_name", "call_target", "address")
)
_HABITS = {  # how other tools call it
    "if": "a condition is written under `when`",
    "depends_on": "the order is said by `next`: each node names what follows it",
    "needs": "the order is said by `next`: each node names what follows it",
    "edges": "edges are written under `next` of the node they leave",
    "steps": "the nodes of a graph are written under `nodes`",
    "tasks": "the nodes of a graph are written under `nodes`",
    "jobs": "the nodes of a graph are written under `nodes`",
    "then": "where to go is written under `next`",
    "args": "arguments are written under `with`",
    "arguments": "arguments are written under `with`",
    "params": "arguments are written under `with`",
    "cmd": "a command is written under `run`",
    "shell": "a command is written under `run`",
    "script": "a command is written under `run`",
    "retries": "write `retry: {max_attempts: 3}`",
    "nullable": "`default: null` lets a field be null",
    "optional": "`default: null` makes a field optional",
}


def problems(faults: Iterable[Fault], document: Any, root: Mapping[str, Any]) -> list[Problem]:
    """The faults as problems, each said once, sorted by place. `root` is the workflow's schema: who takes which key."""
    teller = _Teller(document, root)
    seen: set[tuple[Path, str]] = set()
    made: list[Problem] = []
    for words in teller.tell(list(faults)):
        if (words.path, words.message) not in seen:
            seen.add((words.path, words.message))
            place = locate(document, words.path, key=words.key)
            made.append(Problem(words.code, words.message, place, dotted(_plain(words.path)), words.hint))
    return sorted(made, key=sort_key)


def _plain(path: Path) -> Path:
    return tuple(step if type(step) in (int, str) else str(step) for step in path)


def _subject(path: Path) -> str:
    """What a sentence is about: the last key, or the item of the last list."""
    if not path:
        return "the document"
    if isinstance(path[-1], int) and len(path) > 1:
        names = [step for step in path if isinstance(step, str)]
        return f"item {path[-1] + 1} of `{names[-1]}`" if names else f"item {path[-1] + 1}"
    return f"`{path[-1]}`"


class _Teller:
    def __init__(self, document: Any, root: Mapping[str, Any]) -> None:
        self.document = document
        self.root = root
        self.definitions = root.get("definitions", {})
        self.nearest = Near()

    def tell(self, faults: list[Fault]) -> Iterator[Words]:
        roots = Roots(faults, self.document, self.definitions, self.nearest)
        yield from roots.words
        yield from (self._one(fault) for fault in faults if not roots.explain(fault))

    # --- one sentence a fault

    def _one(self, fault: Fault) -> Words:
        teller = _TELLERS.get(fault.keyword)
        if teller is None:
            return Words("bad-value", f"{_subject(fault.path)} is not what its schema asks for", fault.path)
        return teller(self, fault)

    def near(self, word: Any, known: Iterable[str]) -> str | None:
        near = self.nearest(word, known)
        return f"did you mean '{near}'?" if near else None

    def unknown(self, fault: Fault) -> Words:
        key, noun = fault.detail, fault.rule.title or _subject(fault.path)
        path = (*fault.path, key)
        if not isinstance(key, str):
            return Words(
                "bad-name", f"a key must be text, found {found(key)}", path, True, f"write it in quotes: '{key}'"
            )
        known = list(fault.rule.keywords.get("properties", {}))
        if owners := self._owners(fault.rule.name, noun, key):
            taker = noun.removesuffix(" node")
            return Words("misplaced-key", f"{taker} takes no `{key}`; {owners}", path, True, _HABITS.get(key))
        hint = _HABITS.get(key) or self.near(key, known) or f"known here: {', '.join(known)}"
        return Words("unknown-key", f"unknown key `{_short(key)}` in {noun}", path, True, hint)

    def _owners(self, name: str, noun: str, key: str) -> str | None:
        if noun == "a library":
            return "a workflow does" if key in self.root.get("properties", {}) else None
        if name not in NODE_TYPES:
            return None
        kinds = [kind for kind in NODE_TYPES if kind != name and key in self.definitions[kind]["properties"]]
        if not kinds:
            return None
        named = [_node_words(kind, key) for kind in kinds]
        return (named[0] if len(named) == 1 else ", ".join(named[:-1]) + f" or {named[-1]}") + " does"

    def missing(self, fault: Fault) -> Words:
        said = fault.rule.keywords.get("errorMessage")
        noun = fault.rule.title or _subject(fault.path)
        hint = "write `magent: 1` as the first line" if fault.detail == "magent" else None
        return Words("missing-key", said or f"{noun} needs `{fault.detail}`", fault.path, True, hint)

    def wrong_type(self, fault: Fault) -> Words:
        path, value, keywords = fault.path, fault.value, fault.rule.keywords
        if path and path[-1] == "required" and self._is_of_field(fault):
            hint = "`default: null` makes a field optional; leave `required` out"
            return Words("required-keyword", NO_REQUIRED, path, True, hint)
        if said := keywords.get("errorMessage"):
            return Words("wrong-type", said, path)
        if not path:
            empty = f"the file is empty: {fault.rule.title} is a mapping"
            return Words(
                "wrong-type", empty if value is None else f"{fault.rule.title} is a mapping, found {found(value)}", path
            )
        wanted = _expected(fault, path)
        if value is None:
            return Words("wrong-type", f"{_subject(path)} is empty: expected {wanted}", path, bool(path))
        return Words(
            "wrong-type", f"{_subject(path)} must be {wanted}, found {found(value)}", path, False, _type_hint(fault)
        )

    def _is_of_field(self, fault: Fault) -> bool:
        """Whether a `required` stands among fields, or in one, and not in a schema within."""
        inside = len(fault.path) < 3 or fault.path[-3] in ("properties", "$defs", "definitions", "patternProperties")
        return fault.rule.name in ("field", "state_key") or (fault.rule.title == "a list of keys" and not inside)

    def not_among(self, fault: Fault) -> Words:
        known = fault.rule.keywords.get("enum") or [fault.rule.keywords.get("const")]
        said = fault.rule.keywords.get("errorMessage")
        listed = ", ".join(str(one) if isinstance(one, str) else show(one) for one in known[:40])
        hint = self.near(fault.value, [one for one in known if isinstance(one, str)])
        expected = f"expected one of {listed}" if len(known) > 1 else f"expected {listed}"
        if fault.rule.title and "title" not in fault.rule.keywords:  # a part of something that takes other values too
            expected = f"expected {fault.rule.title}"
        if fault.value is None:
            return Words(
                "bad-value", said or f"{_subject(fault.path)} is empty: {expected}", fault.path, bool(fault.path)
            )
        shown = show(fault.value) if not isinstance(fault.value, (list, dict)) else kind_of(fault.value)
        return Words("bad-value", said or f"{_subject(fault.path)} is {shown}: {expected}", fault.path, False, hint)

    def no_match(self, fault: Fault) -> Words:
        keywords, value = fault.rule.keywords, fault.value
        name, named = fault.rule.name, "name" in fault.rule.title
        code = "bad-duration" if name.startswith("duration") else "bad-name" if named or name in _NAMES else "bad-value"
        if value == "":
            return Words(code, f"{_subject(fault.path)} is empty: expected {_expected(fault, fault.path)}", fault.path)
        said = keywords.get("patternErrorMessage") or f"expected {_expected(fault, fault.path)}"
        hint = (
            "to choose by a value use a `condition` with `switch`"
            if name == "target" and "{{" in value
            else _type_hint(fault)
        )
        return Words(code, f"{_subject(fault.path)} is {show(value)}: {said}", fault.path, False, hint)

    def bad_key(self, fault: Fault) -> Words:
        key, path = fault.detail, (*fault.path, fault.detail)
        if not isinstance(key, str):
            return Words(
                "bad-name", f"a key must be text, found {found(key)}", path, True, f"write it in quotes: '{key}'"
            )
        if fault.rule.title == "a keyword of JSON Schema" or "anyOf" in fault.rule.keywords:
            known = list(self.definitions.get("keyword", {}).get("enum", ()))
            known += ["reduce"] if "anyOf" in fault.rule.keywords else []
            hint = self.near(key, known) or _HABITS.get(key)
            return Words("unknown-key", f"unknown keyword `{_short(key)}` in a JSON Schema", path, True, hint)
        said = fault.rule.keywords.get("patternErrorMessage", "it is no name")
        return Words("bad-name", f"{show(key)} cannot be a name here: {said}", path, True)

    def refused(self, fault: Fault) -> Words:
        said = fault.rule.keywords.get("errorMessage") or f"{_subject(fault.path)} must not be there"
        return Words("misplaced-key", said, fault.path, True)

    def size(self, fault: Fault) -> Words:
        keyword, bound = fault.keyword, fault.rule.keywords[fault.keyword]
        if said := fault.rule.keywords.get("errorMessage"):
            return Words("bad-value", said, fault.path)
        if keyword.startswith("min") and len(fault.value) == 0:
            return Words("bad-value", f"{_subject(fault.path)} is empty", fault.path)
        thing = {"Items": "items", "Length": "characters", "Properties": "keys"}[keyword[3:]]
        most = "at least" if keyword.startswith("min") else "at most"
        return Words(
            "bad-value",
            f"{_subject(fault.path)} must have {most} {bound} {thing}, found {len(fault.value)}",
            fault.path,
        )

    def bound(self, fault: Fault) -> Words:
        bound = fault.rule.keywords[fault.keyword]
        most = {
            "minimum": "at least",
            "maximum": "at most",
            "exclusiveMinimum": "more than",
            "exclusiveMaximum": "less than",
        }
        code = "bad-duration" if fault.rule.name.startswith("duration") else "bad-value"
        sentence = f"{_subject(fault.path)} must be {most[fault.keyword]} {show(bound)}, found {show(fault.value)}"
        return Words(code, sentence, fault.path)

    def twice(self, fault: Fault) -> Words:
        item = fault.value[fault.detail]
        shown = show(item) if not isinstance(item, (dict, list)) else "the same item"
        return Words("bad-value", f"{_subject(fault.path)} holds {shown} twice", (*fault.path, fault.detail))

    def lacking(self, fault: Fault) -> Words:
        said = fault.rule.keywords.get("errorMessage") or f"{_subject(fault.path)} lacks an item that is needed"
        return Words("missing-key", said, fault.path)

    def too_deep(self, fault: Fault) -> Words:
        return Words("bad-value", f"nested deeper than {len(fault.path) - 1} levels", fault.path[:-1])

    def told(self, fault: Fault) -> Words:
        """The fault brings its own code and sentence."""
        code, sentence = fault.detail
        return Words(code, sentence, fault.path)


def _short(key: str) -> str:
    return key if len(key) <= 60 else key[:59] + "…"


def _node_words(kind: str, key: str) -> str:
    if kind == "task":
        return "a task that works" if key in WORKING else "a task"
    return f"`{kind}`"


def _expected(fault: Fault, path: Path) -> str:
    """What stands in a rule: its title where it has one, else its types in words."""
    keywords = fault.rule.keywords
    argument = keywords.get("type", [])
    types = [argument] if isinstance(argument, str) else list(argument)
    title = str(keywords.get("title", ""))
    if types == ["object"]:
        return (
            title
            if "mapping" in title
            else f"{title} (a mapping)"
            if title and path and title != f"`{path[-1]}`"
            else "a mapping"
        )
    if title:
        return title
    if "pattern" in keywords and "{{" in keywords["pattern"].replace("\\", ""):
        return types_in_words([kind for kind in types if kind != "string"]) + " or a template (`{{ … }}`)"
    return types_in_words(types)


def _type_hint(fault: Fault) -> str | None:
    value, argument = fault.value, fault.rule.keywords.get("type", [])
    types = [argument] if isinstance(argument, str) else list(argument)
    if isinstance(value, str) and fault.rule.name in ("field", "state_key", "form_field"):
        return f"write {{type: {value}}}" if value.isalpha() else "write a JSON Schema, such as {type: string}"
    if isinstance(value, str) and "boolean" in types and value.lower() in ("yes", "no", "on", "off", "true", "false"):
        return f"write {'true' if value.lower() in ('yes', 'on', 'true') else 'false'}, without quotes"
    if isinstance(value, str) and {"integer", "number"} & set(types) and _is_numeric(value):
        return f"write {value}, without quotes"
    if is_number(value) and fault.rule.title == "`retry`":
        return f"write {{max_attempts: {value}}}"
    if isinstance(value, (str, int, float)) and (types == ["array"] or types == ["array", "string"]):
        return f"write a list: [{value}]" if len(str(value)) <= 60 else "write a list"
    if is_number(value) and types == ["string"]:
        return f"write it in quotes: '{value}'"
    return None


def _is_numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_TELLERS: dict[str, Callable[[_Teller, Fault], Words]] = {
    "additionalProperties": _Teller.unknown,
    "required": _Teller.missing,
    "type": _Teller.wrong_type,
    "enum": _Teller.not_among,
    "const": _Teller.not_among,
    "pattern": _Teller.no_match,
    "propertyNames": _Teller.bad_key,
    "not": _Teller.refused,
    "false": _Teller.refused,
    "uniqueItems": _Teller.twice,
    "contains": _Teller.lacking,
    "told": _Teller.told,
    "depth": _Teller.too_deep,
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"), _Teller.size),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _Teller.bound),
}
