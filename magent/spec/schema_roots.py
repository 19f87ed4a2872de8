"""One mistake often makes several faults: here it is found, so that it is told once and the faults are left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from magent.source import Path, nearest
from magent.spec.schema_rules import Fault

NODE_TYPES = ("task", "start", "end", "condition", "parallel", "loop", "subgraph", "human_input")
NO_REQUIRED = "there is no `required` here: a field without `default` must be given"
_THINGS = frozenset({"prompt", "run", "call", "tool", "chain", "wait"})
_COMPARED = 1000  # so many different words are compared; a file with more mistakes is not mended by that


class Words(NamedTuple):
    """A problem before it has a position: `key` says that its place is the last key itself, not the value."""

    code: str
    message: str
    path: Path
    key: bool = False
    hint: str | None = None


class Near:
    """The known word that is most like a given one, or None; remembers, and stops after many, as comparing is slow."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, tuple[str, ...]], str | None] = {}

    def __call__(self, word: Any, known: Iterable[str]) -> str | None:
        if not isinstance(word, str):
            return None
        question = (word, tuple(known))
        if question not in self._seen and len(self._seen) < _COMPARED:
            self._seen[question] = nearest(*question)
        return self._seen.get(question)


class Roots:
    """The mistakes behind a document's faults: `words` tells them, `explain` says which faults they stand for."""

    def __init__(self, faults: Sequence[Fault], document: Any, definitions: Mapping[str, Any], near: Near) -> None:
        self.document = document
        self.near = near
        self.definitions = definitions
        self.words: list[Words] = []
        self._nodes: set[Path] = set()  # whose type is guessed
        self._all_below: set[Path] = set()
        self._misplaced = {
            fault.path for fault in faults if fault.keyword == "not" and fault.rule.keywords["not"] == {}
        }
        self._meant: dict[Path, set[str]] = {}  # by mapping: the keys that its misspelt ones mean
        for fault in faults:
            self._look(fault)
            self._note_misspelt(fault)

    def explain(self, fault: Fault) -> bool:
        path = fault.path
        if path in self._nodes or (fault.keyword == "not" and path[:-1] in self._nodes):
            return True
        if _is_under(path, self._all_below) or (fault.keyword != "not" and _is_under(path, self._misplaced)):
            return True
        return self._is_misspelt(fault)

    def _look(self, fault: Fault) -> None:
        path, value, keyword = fault.path, fault.value, fault.keyword
        if fault.rule.name == "edge" and keyword == "type" and isinstance(value, str) and path[-2:-1] == ("next",):
            self._list_of_names(path[:-1])
        elif fault.rule.title == "a task" and keyword in ("additionalProperties", "required") and "type" not in value:
            self._untyped(path, value)
        elif fault.rule.name in ("field", "state_key") and path[-1] == "type" and value == "object":
            self._object_for_fields(path[:-1])

    # --- `next: [a, b]`

    def _list_of_names(self, path: Path) -> None:
        names = _get(self.document, path)
        if path in self._all_below or not isinstance(names[0], str) or not all(isinstance(name, str) for name in names):
            return
        self._all_below.add(path)
        several = f"write `branches: [{', '.join(names[:5])}]` in a node of type parallel"
        hint = f"write `next: {names[0]}`" if len(names) == 1 else several
        if len(hint) > 200:
            hint = "write them under `branches` in a node of type parallel"
        message = "`next` is a list of names: to run several at once use `parallel`"
        self.words.append(Words("list-of-names", message, (*path, 0), False, hint))

    # --- a node without `type`

    def _untyped(self, path: Path, node: Mapping[str, Any]) -> None:
        if path in self._nodes or not (kinds := self._guesses(node)):
            return
        self._nodes.add(path)
        first = next(key for key in node if key not in self._keys("task"))
        message = f"a node with `{first}` is a {' or a '.join(f'`{kind}`' for kind in kinds)}: it needs its `type`"
        self.words.append(Words("missing-key", message, path, True, f"write `type: {kinds[0]}`"))

    def _guesses(self, node: Mapping[str, Any]) -> list[str]:
        """The types that can be meant: all the node's strange keys belong to each, and few others are strange to it."""
        strange = [key for key in node if key not in self._keys("task")]
        kinds = [kind for kind in NODE_TYPES if strange and all(key in self._keys(kind) for key in strange)]
        misfits = {kind: sum(key not in self._keys(kind) for key in node) for kind in kinds}
        return [kind for kind in kinds if misfits[kind] == min(misfits.values())]

    def _keys(self, kind: str) -> Mapping[str, Any]:
        keys: Mapping[str, Any] = self.definitions.get(kind, {}).get("properties", {})
        return keys

    # --- `inputs: {type: object, properties: {…}}`: a whole JSON Schema where its fields are wanted

    def _object_for_fields(self, path: Path) -> None:
        fields = _get(self.document, path)
        if isinstance(properties := fields.get("properties"), dict):
            self._all_below.add(path)
            message = f"`{path[-1]}` maps names to JSON Schemas: write here what is under `properties`"
            hint = f"`{path[-1]}: {{{', '.join(map(str, list(properties)[:3]))}: …}}`; {NO_REQUIRED}"
            if path[0] == "tools":
                hint += ". Or write it as it is under `function: {parameters: …}`, OpenAI's form"
            self.words.append(Words("wrong-type", message, path, True, hint))

    # --- a misspelt key

    def _note_misspelt(self, fault: Fault) -> None:
        if fault.keyword == "additionalProperties" and isinstance(fault.detail, str):
            near = self.near(fault.detail, fault.rule.keywords.get("properties", ()))
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


def _is_under(path: Path, places: set[Path]) -> bool:
    return bool(places) and any(path[:end] in places for end in range(len(path) + 1))


def _get(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document
