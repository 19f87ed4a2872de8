"""One mistake often makes several faults: here it is found, so that it is told once and the faults are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from magent.source import Path, nearest
from magent.spec.schema_rules import Fault

NODE_TYPES = ("task", "start", "end", "condition", "parallel", "loop", "subgraph", "human_input")
NO_REQUIRED = "there is no `required` here: a field without `default` must be given"
_THINGS = frozenset({"prompt", "run", "call", "tool", "chain", "wait"})
_COMPARED = 200  # so many misspelt keys are compared; a file with more is not mended by that


class Words(NamedTuple):
    """A problem before it has a position: `key` says that its place is the last key itself, not the value."""

    code: str
    message: str
    path: Path
    key: bool = False
    hint: str | None = None


class Roots:
    """The mistakes behind a document's faults: `words` tells them, `explain` says which faults they stand for."""

    def __init__(self, faults: Sequence[Fault], document: Any, definitions: Mapping[str, Any]) -> None:
        self.document = document
        self.definitions = definitions
        self.words: list[Words] = []
        self._nodes: set[Path] = set()  # whose type is guessed
        self._all_below: set[Path] = set()
        self._meant: dict[Path, set[str]] = {}  # by mapping: the keys that its misspelt ones mean
        for fault in faults:
            self._look(fault)
        for fault in faults[:_COMPARED]:
            self._note_misspelt(fault)

    def explain(self, fault: Fault) -> bool:
        path = fault.path
        if path in self._nodes or (fault.keyword == "not" and path[:-1] in self._nodes):
            return True
        if self._all_below and any(path[:end] in self._all_below for end in range(len(path) + 1)):
            return True
        return self._is_misspelt(fault)

    def _look(self, fault: Fault) -> None:
        path, value, keyword = fault.path, fault.value, fault.keyword
        if fault.rule.name == "edge" and keyword == "type" and isinstance(value, str) and path[-2:-1] == ("next",):
            self._list_of_names(path[:-1])
        elif fault.rule.title == "a task" and keyword in ("additionalProperties", "required") and "type" not in value:
            self._untyped(path, value)
        elif keyword in ("type", "required", "propertyNames"):
            self._object_for_fields(fault.path)

    # --- `next: [a, b]`

    def _list_of_names(self, path: Path) -> None:
        names = _get(self.document, path)
        if path in self._all_below or not isinstance(names[0], str) or not all(isinstance(name, str) for name in names):
            return
        self._all_below.add(path)
        several = f"write `branches: [{', '.join(names[:5])}]` in a node of type parallel"
        hint = f"write `next: {names[0]}`" if len(names) == 1 else several
        message = "`next` is a list of names: to run several at once use `parallel`"
        self.words.append(Words("list-of-names", message, (*path, 0), False, hint))

    # --- a node without `type`

    def _untyped(self, path: Path, node: Mapping[str, Any]) -> None:
        if path in self._nodes or (kind := self._guess(node)) is None:
            return
        self._nodes.add(path)
        first = next(key for key in node if key not in self._keys("task"))
        message = f"a node with `{first}` is a `{kind}`: it needs `type: {kind}`"
        self.words.append(Words("missing-key", message, path, True, f"write `type: {kind}`"))

    def _guess(self, node: Mapping[str, Any]) -> str | None:
        """The type that is meant, where all the node's strange keys belong to it."""
        strange = [key for key in node if key not in self._keys("task")]
        kinds = [kind for kind in NODE_TYPES if strange and all(key in self._keys(kind) for key in strange)]
        return min(kinds, key=lambda kind: sum(key not in self._keys(kind) for key in node), default=None)

    def _keys(self, kind: str) -> Mapping[str, Any]:
        keys: Mapping[str, Any] = self.definitions.get(kind, {}).get("properties", {})
        return keys

    # --- `inputs: {type: object, properties: {…}}`: a whole JSON Schema where its fields are wanted

    def _object_for_fields(self, path: Path) -> None:
        for end in range(1, len(path)):
            if path[end] not in ("type", "properties", "required") or path[:end] in self._all_below:
                continue
            fields = _get(self.document, path[:end])
            if not isinstance(fields, dict) or fields.get("type") != "object":
                continue
            if isinstance(properties := fields.get("properties"), dict):
                self._all_below.add(path[:end])
                name = path[end - 1]
                message = f"`{name}` maps names to JSON Schemas: write here what is under `properties`"
                hint = f"`{name}: {{{', '.join(map(str, list(properties)[:3]))}: …}}`; {NO_REQUIRED}"
                self.words.append(Words("wrong-type", message, path[:end], True, hint))

    # --- a misspelt key

    def _note_misspelt(self, fault: Fault) -> None:
        if fault.keyword == "additionalProperties" and isinstance(fault.detail, str):
            near = nearest(fault.detail, fault.rule.keywords.get("properties", {}))
            if near is not None and near not in fault.value:
                self._meant.setdefault(fault.path, set()).add(near)

    def _is_misspelt(self, fault: Fault) -> bool:
        """Whether the right spelling of another key would mend this fault too."""
        said = str(fault.rule.keywords.get("errorMessage", f"`{fault.detail}`"))
        if fault.keyword == "required":
            return any(f"`{name}`" in said for name in self._meant.get(fault.path, ()))
        if fault.keyword == "not" and said.startswith("a task that only sets"):
            return bool(self._meant.get(fault.path[:-1], set()) & _THINGS)
        return False


def _get(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document
