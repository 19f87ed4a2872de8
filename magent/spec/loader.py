"""Files → a `Bundle`: the workflow file, what it includes and calls, and the texts and shapes it names, all read once.

Nothing is judged here but what keeps a file from being read; whether a document is a workflow is for `spec.schema` and
`spec.checks`. A file that cannot be read is a problem at the place that names it, and reading goes on with the others.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from magent.errors import InvalidWorkflow, RunDamaged
from magent.source import Map, Position, Problem, Seq, Text, dotted, locate, nearest, sort_key
from magent.spec.composer import MAX_DEPTH, MAX_VALUES
from magent.spec.composer_result import MAX_PROBLEMS
from magent.spec.composer_text import MAX_BYTES
from magent.spec.traps import read

SECTIONS = ("agents", "roles", "tools", "chains", "defaults")
TEXT_KEYS = ("prompt", "system", "instructions")
MAX_FILES = 500
MAX_TOTAL = 64_000_000  # bytes of all files together

SURROGATE_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


@dataclass(slots=True)
class Document:
    """One file. `file` is how users are shown it, `home` its absolute directory; `sources` maps each file that its data
    came from (its own, prompts, shapes) to its lines. After `from_json` data is plain, without places, and sources empty."""

    file: str
    home: str
    data: dict[str, Any]
    sources: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Bundle:
    """All the documents of a workflow.

    `documents` and `libraries` are keyed by absolute path, the root first; `includes` gives each document and library the
    keys of the libraries it sees, in order, transitively; `targets` gives it, by the text of `uses`, the key of the
    document that is called (absent where that file could not be read: the problem is among `problems`).
    """

    root: str
    documents: dict[str, Document] = field(default_factory=dict)
    libraries: dict[str, Document] = field(default_factory=dict)
    includes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    targets: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def sources(self) -> dict[str, list[str]]:
        """The lines of every file that was read, by the name users are shown."""
        merged: dict[str, list[str]] = {}
        for document in (*self.documents.values(), *self.libraries.values()):
            merged |= document.sources
        return merged

    def document(self, key: str) -> Document:
        """The workflow document or library of this key."""
        return self.documents.get(key) or self.libraries[key]

    def target(self, key: str, uses: str) -> str | None:
        """The key of the document that `uses` names in document `key`; None where it could not be read."""
        return self.targets.get(key, {}).get(uses)

    def definitions(self, key: str, section: str) -> dict[str, tuple[Any, Document]]:
        """What a section (agents, roles, tools, chains, defaults) holds for this document, each with the document it
        stands in: the file's own first, then those of its libraries. The file's own wins."""
        return {name: (owner.data[section][name], owner) for name, (owner, _) in self._owners(key, section)[0].items()}

    def _owners(
        self, key: str, section: str
    ) -> tuple[dict[str, tuple[Document, str]], list[tuple[str, Document, Document]]]:
        """Who defines each name, and the names that two libraries define where neither includes the other."""
        owners: dict[str, tuple[Document, str]] = {}
        clashes = []
        for owner_key in (key, *self.includes.get(key, ())):
            document = self.document(owner_key)
            for name in _mapping(document.data, section):
                known, known_key = owners.get(name, (document, owner_key))
                if name not in owners or known_key in self.includes.get(owner_key, ()) and known_key != key:
                    if known_key not in (key, owner_key) and owner_key in self.includes.get(known_key, ()):
                        continue  # they include one another: the first wins
                    owners[name] = (document, owner_key)
                elif known_key not in (key, owner_key) and owner_key not in self.includes.get(known_key, ()):
                    clashes.append((name, known, document))
        return owners, clashes

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON that needs no file any more; places and sources are left out."""
        frozen = {
            "root": self.root,
            "documents": {key: _frozen(document) for key, document in self.documents.items()},
            "libraries": {key: _frozen(document) for key, document in self.libraries.items()},
            "includes": self.includes,
            "targets": self.targets,
        }
        copy: dict[str, Any] = json.loads(json.dumps(frozen))
        return copy

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Bundle:
        """The bundle that `to_json` gave. Raises RunDamaged where it is something else."""
        try:
            return cls(
                data["root"],
                {key: Document(each["file"], each["home"], each["data"]) for key, each in data["documents"].items()},
                {key: Document(each["file"], each["home"], each["data"]) for key, each in data["libraries"].items()},
                {key: tuple(keys) for key, keys in data["includes"].items()},
                {key: dict(keys) for key, keys in data["targets"].items()},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise RunDamaged(
                "the workflow kept with the run cannot be read", "it was changed or is incomplete"
            ) from error


def _frozen(document: Document) -> dict[str, Any]:
    return {"file": document.file, "home": document.home, "data": document.data}


def _mapping(data: Any, key: str) -> Mapping[str, Any]:
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def load(path: str, *, text: bytes | None = None) -> Bundle:
    """Reads a workflow file and all it refers to; `text` stands in for the file's content. Raises InvalidWorkflow where
    the file itself cannot be read as a mapping; all other problems are in `problems` of what is returned."""
    key = os.path.abspath(path)
    reading = _Reading(Bundle(key))
    start = Position(shown(key), 1, 1)
    try:
        content = read_file(key) if text is None else text
    except Unreadable as error:
        problem = Problem("unreadable-file", f"cannot read {path!r}: {error.reason}", start, hint=error.hint)
        raise InvalidWorkflow([problem]) from None
    document = reading.compose(key, content)
    if document is None:
        raise InvalidWorkflow(sorted(reading.problems, key=sort_key), reading.sources)
    return reading.finish(document)


def load_data(data: Mapping[str, Any], home: str) -> Bundle:
    """A bundle from a mapping made by a program, as if it were a file in directory `home`. Raises InvalidWorkflow where
    it is no mapping; a value that JSON does not know is a problem that names its path."""
    home = os.path.abspath(home)
    reading = _Reading(Bundle(os.path.join(home, DATA)))
    if not isinstance(data, Mapping):
        raise InvalidWorkflow([Problem("not-a-workflow", f"a workflow is a mapping, not {type(data).__name__}", START)])
    copied = _Copy(reading.problems).value(data, ())
    return reading.finish(Document(DATA, home, copied, {DATA: []}))


def load_yaml(data: bytes, file: str) -> tuple[Any, list[Problem], list[str]]:
    """One YAML or JSON text: its data (Map, Seq, Text and scalars; None where it cannot be read), its problems (`file`
    is the name they use) and its lines. An empty file is a problem with the code `empty-file`."""
    if file.endswith(".json"):
        data = _joined(data)
    return read(data, file)


def _joined(data: bytes) -> bytes:
    r"""JSON writes characters beyond U+FFFF as two escapes (`\ud83d\ude00`), which YAML does not take."""

    def join(match: re.Match[str]) -> str:
        high, low = int(match[2], 16), int(match[3], 16)
        return match[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))

    return SURROGATE_PAIR.sub(join, data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def is_file(uses: str) -> bool:
    """Whether the `uses` of a subgraph node names a file, not one of `subgraphs`."""
    return "/" in uses or uses.endswith((".yaml", ".yml"))


# ---- files ----------------------------------------------------------------------------------------------------------


class Unreadable(Exception):
    """A file that cannot be read: `reason` ends "cannot read 'x': …"."""

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def read_file(path: str) -> bytes:
    """The content of a regular file. Raises Unreadable, at once also for pipes and devices."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        raise Unreadable("there is no such file", _similar(path)) from None
    except (OSError, ValueError) as error:
        raise Unreadable(getattr(error, "strerror", None) or str(error)) from None
    with open(handle, "rb") as file:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise Unreadable("it is a directory")
        if not stat.S_ISREG(mode):
            raise Unreadable("it is not a regular file")
        try:
            content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from None
    if len(content) > MAX_BYTES:
        raise Unreadable(f"it is larger than magent reads ({MAX_BYTES // 1_000_000} MB)")
    return content


def _similar(path: str) -> str | None:
    folder, name = os.path.split(path)
    try:
        near = nearest(name, sorted(os.listdir(folder))[:1000])
    except (OSError, ValueError):
        return None
    return f"did you mean {shown(os.path.join(folder, near))!r}?" if near else None


def shown(path: str) -> str:
    """How users are shown a file: relative to the current directory where it is below it."""
    try:
        here = os.getcwd()
    except OSError:
        return path
    below = os.path.join(here, "")
    return path[len(below) :] if path.startswith(below) else path


# ---- reading all the documents -----------------------------------------------------------------------------------------


class _Reading:
    """The work of one `load`: a list of references still to be followed."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.problems = bundle.problems
        self.sources: dict[str, list[str]] = {}
        self.direct: dict[str, list[str]] = {}  # what each file includes itself
        self.broken: set[str] = set()
        self.files = 0
        self.bytes = 0

    def finish(self, root: Document) -> Bundle:
        bundle = self.bundle
        bundle.documents[bundle.root] = root
        waiting = [(bundle.root, root)]
        while waiting:
            key, document = waiting.pop()
            self.inline(document)
            waiting += [*self.libraries_of(key, document), *self.callees_of(key, document)]
        for key in (*bundle.documents, *bundle.libraries):
            bundle.includes[key] = self.closure(key)
        self.clashes()
        bundle.problems[:] = sorted(dict.fromkeys(bundle.problems), key=sort_key)
        return bundle

    def compose(self, key: str, content: bytes) -> Document | None:
        """The document of a file's content, or None, with its problems noted."""
        name = shown(key)
        data, problems, lines = load_yaml(content, name)
        self.problems += problems
        self.sources[name] = lines
        if isinstance(data, Map):
            return Document(name, os.path.dirname(key), data, {name: lines})
        if data is not None or not problems:
            found = "a list" if isinstance(data, list) else "null" if data is None else "a single value"
            message = f"a mapping is expected here ('magent: 1', …), this is {found}"
            self.problems.append(Problem("not-a-workflow", message, locate(data, (), fallback=Position(name, 1, 1))))
        return None

    def read(self, document: Document, name: str, place: Position, path: tuple[str | int, ...]) -> bytes | None:
        """The content of the file that `document` names at `place`, or None, with the problem noted."""
        self.files += 1
        try:
            if self.files > MAX_FILES:
                raise Unreadable(f"more than {MAX_FILES} files are read already")
            content = read_file(os.path.normpath(os.path.join(document.home, name)))
            self.bytes += len(content)
            if self.bytes > MAX_TOTAL:
                raise Unreadable(f"all files together are larger than magent reads ({MAX_TOTAL // 1_000_000} MB)")
        except Unreadable as error:
            hint = error.hint or f"paths are relative to {shown(document.home) or '.'}"
            problem = Problem("unreadable-file", f"cannot read '{name}': {error.reason}", place, dotted(path), hint)
            self.problems.append(problem)
            return None
        return content

    def libraries_of(self, key: str, document: Document) -> Iterator[tuple[str, Document]]:
        names = document.data.get("include")
        for index, name in enumerate(names if isinstance(names, list) else []):
            if not isinstance(name, str):
                continue
            path = ("include", index)
            place = locate(document.data, path)
            target = os.path.normpath(os.path.join(document.home, name))
            if target == key:
                self.problems.append(Problem("include-itself", "a file cannot include itself", place, dotted(path)))
                continue
            if target not in self.bundle.libraries and target not in self.broken:
                content = self.read(document, name, place, path)
                library = None if content is None else self.compose(target, content)
                if library is None:
                    self.broken.add(target)
                    continue
                self.bundle.libraries[target] = library
                yield target, library
            if target in self.bundle.libraries:
                self.direct.setdefault(key, []).append(target)

    def callees_of(self, key: str, document: Document) -> Iterator[tuple[str, Document]]:
        for path, node in _nodes(document.data):
            uses = node.get("uses")
            if not isinstance(uses, str) or not is_file(uses):
                continue
            path = (*path, "uses")
            target = os.path.normpath(os.path.join(document.home, uses))
            if target not in self.bundle.documents and target not in self.broken:
                content = self.read(document, uses, locate(document.data, path), path)
                callee = None if content is None else self.compose(target, content)
                if callee is None:
                    self.broken.add(target)
                    continue
                self.bundle.documents[target] = callee
                yield target, callee
            if target in self.bundle.documents:
                self.bundle.targets.setdefault(key, {})[uses] = target

    def closure(self, key: str) -> tuple[str, ...]:
        seen: dict[str, None] = {}
        waiting = list(reversed(self.direct.get(key, ())))
        while waiting:
            library = waiting.pop()
            if library not in seen and library != key:
                seen[library] = None
                waiting += reversed(self.direct.get(library, ()))
        return tuple(seen)

    # ---- {file: …} ----------------------------------------------------------------------------------------------

    def inline(self, document: Document) -> None:
        """Puts the content of files in the place of `{file: …}`."""
        for path, owner in _owners_of_files(document.data):
            for key in (*TEXT_KEYS, "output"):
                reference = owner.get(key)
                if isinstance(reference, dict) and len(reference) == 1 and isinstance(reference.get("file"), str):
                    self.replace(document, owner, key, (*path, key))

    def replace(self, document: Document, owner: Map, key: str, path: tuple[str | int, ...]) -> None:
        name = owner[key]["file"]
        place = locate(document.data, (*path, "file"))
        content = self.read(document, name, place, (*path, "file"))
        file = shown(os.path.normpath(os.path.join(document.home, name)))
        value: Any
        if key == "output":
            value = self.shape(document, file, content, place, path)
        else:
            value = self.text(document, file, content, place, path)
        if isinstance(owner, Map):
            owner.put(key, value, owner.key_positions[key], Position(file, 1, 1) if content is not None else place)

    def text(
        self, document: Document, file: str, content: bytes | None, place: Position, path: tuple[str | int, ...]
    ) -> Text:
        text = Text("(missing)")
        if content is not None:
            try:
                text = Text(content.decode("utf-8").removeprefix("\ufeff"))
                document.sources[file] = text.splitlines()
            except UnicodeDecodeError:
                message = f"cannot read '{file}': it is not UTF-8 text"
                self.problems.append(Problem("encoding", message, place, dotted(path), "save it as UTF-8"))
        text.style = "file"
        return text

    def shape(
        self, document: Document, file: str, content: bytes | None, place: Position, path: tuple[str | int, ...]
    ) -> Map:
        if content is None:
            return Map(place)
        data, problems, lines = load_yaml(content, file)
        document.sources[file] = lines
        self.problems += problems
        if isinstance(data, Map):
            return data
        if not problems:
            message = f"'{file}' must hold a mapping of field names to JSON Schemas"
            self.problems.append(Problem("bad-shape", message, place, dotted(path)))
        return Map(place)

    def clashes(self) -> None:
        for key in self.bundle.documents:
            for section in SECTIONS:
                for name, first, second in self.bundle._owners(key, section)[1]:
                    kind = "default" if section == "defaults" else section.removesuffix("s")
                    if section == "defaults" and first.data[section][name] == second.data[section][name]:
                        continue
                    path = (section, name)
                    message = f"the {kind} '{name}' comes from two libraries, {first.file} and {second.file}"
                    hint = f"rename or remove one, or define '{name}' in {self.bundle.documents[key].file}: the file's own wins"
                    place, related = locate(second.data, path, key=True), locate(first.data, path, key=True)
                    self.problems.append(
                        Problem("duplicate-definition", message, place, dotted(path), hint, related=related)
                    )


def _nodes(data: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every node of the file, those of its subgraphs included, with its path."""
    for name, node in _mapping(data, "nodes").items():
        if isinstance(node, dict):
            yield ("nodes", name), node
    for graph, body in _mapping(data, "subgraphs").items():
        for name, node in _mapping(body, "nodes").items():
            if isinstance(node, dict):
                yield ("subgraphs", graph, "nodes", name), node


def _owners_of_files(data: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every mapping whose prompt, system, instructions or output may be `{file: …}`."""
    yield from _nodes(data)
    for section in ("agents", "roles"):
        for name, body in _mapping(data, section).items():
            if isinstance(body, dict):
                yield (section, name), body
    if _mapping(data, "defaults"):
        yield ("defaults",), data["defaults"]


# ---- data from programs ----------------------------------------------------------------------------------------------

DATA = "<data>"
START = Position(DATA, 1, 1)


class _Copy:
    """Plain data → Map, Seq and scalars; what JSON does not know becomes a problem and null."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.count = 0

    def refuse(self, path: tuple[str | int, ...], message: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem("not-json", message, START, dotted(path)))

    def value(self, value: Any, path: tuple[str | int, ...]) -> Any:
        self.count += 1
        if len(path) > MAX_DEPTH or self.count > MAX_VALUES:
            self.refuse(path[:8], f"this is nested deeper than {MAX_DEPTH} levels, or endless")
            return None
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Mapping):
            return self.mapping(value, path)
        if isinstance(value, (list, tuple)):
            items = Seq(START)
            for index, item in enumerate(value):
                items.put(self.value(item, (*path, index)), START)
            return items
        return self.scalar(value, path)

    def mapping(self, value: Mapping[Any, Any], path: tuple[str | int, ...]) -> Map:
        copy = Map(START)
        for key, item in value.items():
            if isinstance(key, str):
                copy.put(str(key), self.value(item, (*path, key)), START, START)
            else:
                self.refuse(path, f"a key must be a text, {key!r:.60} is not")
        return copy

    def scalar(self, value: Any, path: tuple[str | int, ...]) -> Any:
        if isinstance(value, str) and _encodable(value):
            return str(value)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float) and math.isfinite(value):
            return float(value)
        self.refuse(path, f"{value!r:.60} ({type(value).__name__}) is nothing that JSON knows")
        return None


def _encodable(text: str) -> bool:
    return text.isascii() or not any(0xD800 <= ord(char) <= 0xDFFF for char in text)
