"""Files → a `Bundle`: the workflow file, what it includes and calls, and the texts and shapes it names, all read once.

Nothing is judged here but what keeps a file from being read; whether a document is a workflow is for `spec.schema` and
`spec.checks`. A file that cannot be read is a problem at the place that names it, and reading goes on with the others.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from magent.errors import InvalidWorkflow
from magent.source import Map, Path, Position, Problem, Text, dotted, locate, sort_key
from magent.spec.composer_text import split_lines
from magent.spec.loader_bundle import SECTIONS, Bundle, Document, entries
from magent.spec.loader_data import DATA, START, Copy
from magent.spec.loader_files import Shelf, Unreadable, read_file, shown
from magent.spec.traps import read

__all__ = ["Bundle", "Document", "is_file", "load", "load_data", "load_yaml", "shown"]

TEXT_KEYS = ("prompt", "system", "instructions")
STAND_IN = "(the file could not be read)"  # in the place of a text that is missing

SURROGATE_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


def load(path: str, *, text: bytes | None = None) -> Bundle:
    """Reads a workflow file and all that it refers to; `text` stands in for the file's own content. Raises
    InvalidWorkflow where the file itself cannot be read as a mapping; other problems are in those of the bundle."""
    key = os.path.abspath(path)
    reading = _Reading(Bundle(key))
    try:
        content = read_file(key) if text is None else text
    except Unreadable as error:
        hint = f"did you mean '{shown(error.similar)}'?" if error.similar else None
        place = Position(shown(key), 1, 1)
        problem = Problem("unreadable-file", f"cannot read '{path}': {error.reason}", place, hint=hint)
        raise InvalidWorkflow([problem]) from None
    document = reading.compose(key, content)
    if document is None:
        raise InvalidWorkflow(sorted(reading.problems, key=sort_key), reading.sources)
    return reading.finish(document)


def load_data(data: Mapping[str, Any], home: str) -> Bundle:
    """A bundle from a mapping made by a program, as if it stood in a file in directory `home`. Raises InvalidWorkflow
    where it is no mapping; a value that JSON does not know is a problem that names its path."""
    if not isinstance(data, Mapping):
        raise InvalidWorkflow([Problem("not-a-workflow", f"a workflow is a mapping, not {type(data).__name__}", START)])
    home = os.path.abspath(home)
    bundle = Bundle(os.path.join(home, DATA))
    copy = Copy(bundle.problems).value(data, ())
    return _Reading(bundle).finish(Document(DATA, home, copy, {DATA: []}))


def load_yaml(data: bytes, file: str) -> tuple[Any, list[Problem], list[str]]:
    """One YAML or JSON text: its data (Map, Seq, Text and scalars; None where it cannot be read), its problems (with
    `file` as their file) and its lines. That nothing stands in it is a problem with the code `empty-file`."""
    return read(_joined(data) if file.endswith(".json") else data, file)


def _joined(data: bytes) -> bytes:
    r"""JSON writes characters beyond U+FFFF as two escapes (`\ud83d\ude00`), which YAML does not take."""

    def join(match: re.Match[str]) -> str:
        high, low = int(match[2], 16), int(match[3], 16)
        return match[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))

    if b"\\u" not in data:
        return data
    return SURROGATE_PAIR.sub(join, data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def is_file(uses: str) -> bool:
    """Whether the `uses` of a subgraph node names a file, not one of `subgraphs`."""
    return "/" in uses or uses.endswith((".yaml", ".yml"))


class _Reading:
    """The work of one load: documents whose references are still to be followed."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.problems = bundle.problems
        self.sources: dict[str, list[str]] = {}
        self.shelf = Shelf()
        self.direct: dict[str, list[str]] = {}  # what each document includes itself
        self.broken: set[str] = set()
        self.texts: dict[str, Text | None] = {}
        self.shapes: dict[str, Any] = {}

    def finish(self, root: Document) -> Bundle:
        bundle = self.bundle
        bundle.documents[bundle.root] = root
        waiting = deque([(bundle.root, root)])
        while waiting:
            key, document = waiting.popleft()
            self.inline(document)
            waiting += self.libraries_of(key, document)
            waiting += self.callees_of(key, document)
        for key in (*bundle.documents, *bundle.libraries):
            bundle.includes[key] = self.closure(key)
        self.clashes()
        bundle.problems[:] = sorted(dict.fromkeys(bundle.problems), key=sort_key)
        return bundle

    def compose(self, key: str, content: bytes) -> Document | None:
        """The document in a file's content, or None, with its problems noted."""
        name = shown(key)
        data, problems, lines = load_yaml(content, name)
        self.problems += problems
        self.sources[name] = lines
        if isinstance(data, Map):
            return Document(name, os.path.dirname(key), data, {name: lines})
        if data is not None or not problems:
            found = "a list" if isinstance(data, list) else "null" if data is None else "a single value"
            message = f"the file must hold a mapping that begins with 'magent: 1', this is {found}"
            self.problems.append(Problem("not-a-workflow", message, locate(data, (), fallback=Position(name, 1, 1))))
        return None

    def read(self, document: Document, name: str, path: Path) -> bytes | None:
        """The content of the file that `document` names at `path`, or None, with the problem noted."""
        try:
            return self.shelf.read(_target(document, name))
        except Unreadable as error:
            hint = None
            if "{{" in name:
                hint = "the name of a file takes no {{ … }}"
            elif error.similar:
                hint = f"did you mean '{_like(name, document.home, error.similar)}'?"
            elif error.missing:
                hint = f"it is looked for in {shown(os.path.dirname(_target(document, name)))}"
            self.note("unreadable-file", f"cannot read '{name}': {error.reason}", document, path, hint)
            return None

    def note(self, code: str, message: str, document: Document, path: Path, hint: str | None = None) -> None:
        self.problems.append(Problem(code, message, locate(document.data, path), dotted(path), hint))

    # ---- references to documents --------------------------------------------------------------------------------

    def libraries_of(self, key: str, document: Document) -> Iterator[tuple[str, Document]]:
        names = document.data.get("include")
        for index, name in enumerate(names if isinstance(names, list) else []):
            if not isinstance(name, str):
                continue
            target = _target(document, name)
            if target == key:
                self.note("include-itself", "a file cannot include itself", document, ("include", index), "remove this")
                continue
            if new := self.follow(self.bundle.libraries, target, document, ("include", index), name):
                yield target, new
            if target in self.bundle.libraries and target not in self.direct.setdefault(key, []):
                self.direct[key].append(target)

    def callees_of(self, key: str, document: Document) -> Iterator[tuple[str, Document]]:
        for path, node in _nodes(document):
            uses = node.get("uses")
            if not isinstance(uses, str) or not is_file(uses):
                continue
            target = _target(document, uses)
            if new := self.follow(self.bundle.documents, target, document, (*path, "uses"), uses):
                yield target, new
            if target in self.bundle.documents:
                self.bundle.targets.setdefault(key, {})[uses] = target

    def follow(
        self, known: dict[str, Document], target: str, document: Document, path: Path, name: str
    ) -> Document | None:
        """The document at `target` where it is met for the first time; it is put among the known ones."""
        if target in known or target in self.broken:
            return None
        content = self.read(document, name, path)
        new = None if content is None else self.compose(target, content)
        if new is not None:
            known[target] = new
        elif content is not None:
            self.broken.add(target)  # its own problems say why
        return new

    def closure(self, key: str) -> tuple[str, ...]:
        seen: dict[str, None] = {}
        waiting = list(reversed(self.direct.get(key, ())))
        while waiting:
            library = waiting.pop()
            if library not in seen and library != key:
                seen[library] = None
                waiting += reversed(self.direct.get(library, ()))
        return tuple(seen)

    def clashes(self) -> None:
        """The same name from two libraries that a workflow sees."""
        said = set()
        for key, document in self.bundle.documents.items():
            for section in SECTIONS:
                for clash in self.bundle.owners(key, section, self.direct.get(key, ()))[1]:
                    if (section, *clash) not in said:
                        said.add((section, *clash))
                        self.clash(document, section, *clash)

    def clash(self, document: Document, section: str, name: str, first_key: str, second_key: str) -> None:
        first, second = self.bundle.find(first_key), self.bundle.find(second_key)
        if section == "defaults" and first.data[section][name] == second.data[section][name]:
            return
        what = "default" if section == "defaults" else section.removesuffix("s")
        path = (section, name)
        place, related = locate(second.data, path, key=True), locate(first.data, path, key=True)
        message = f"two libraries define the {what} '{name}': {first.file} and {second.file}"
        hint = f"rename one of them, or define '{name}' in {document.file}: the file's own wins"
        self.problems.append(Problem("duplicate-definition", message, place, dotted(path), hint, related=related))

    # ---- {file: …} ----------------------------------------------------------------------------------------------

    def inline(self, document: Document) -> None:
        """Puts the content of files in the place of `{file: …}`."""
        for path, owner in _users_of_files(document):
            for key in ("function",) if path[0] == "tools" else (*TEXT_KEYS, "output"):
                reference = owner.get(key)
                if isinstance(reference, dict) and len(reference) == 1 and isinstance(reference.get("file"), str):
                    self.replace(document, owner, key, reference["file"], (*path, key))

    def replace(self, document: Document, owner: Map, key: str, name: str, path: Path) -> None:
        content = self.read(document, name, (*path, "file"))
        file = shown(_target(document, name))
        place = locate(document.data, (*path, "file")) if content is None else Position(file, 1, 1)
        if key in _SHAPES:
            value: Any = Map(place) if content is None else self.shape(document, file, content, path)
            value = _opened(value) if key == "function" else value
        else:
            value = (None if content is None else self.text(document, file, content, path)) or _text(STAND_IN)
        owner.put(key, value, owner.key_positions[key], place)

    def text(self, document: Document, file: str, content: bytes, path: Path) -> Text | None:
        if file not in self.texts:
            try:
                self.texts[file] = _text(content.decode("utf-8").removeprefix("\ufeff"))
            except UnicodeDecodeError:
                self.texts[file] = None
        text = self.texts[file]
        if text is None:
            message = f"cannot read '{file}': it is not UTF-8 text"
            self.note("encoding", message, document, (*path, "file"), "save it as UTF-8")
        elif file not in document.sources:
            document.sources[file] = split_lines(text)
        return text

    def shape(self, document: Document, file: str, content: bytes, path: Path) -> Map:
        if file not in self.shapes:
            self.shapes[file], problems, self.sources[file] = load_yaml(content, file)
            self.problems += problems
            if not isinstance(self.shapes[file], Map) and not problems:
                message = f"'{file}' must hold {_SHAPES[str(path[-1])]}"
                self.note("bad-shape", message, document, (*path, "file"))
        document.sources[file] = self.sources[file]
        data = self.shapes[file]
        return data if isinstance(data, Map) else Map(Position(file, 1, 1))


_SHAPES = {"output": "a mapping of field names to JSON Schemas", "function": "one tool in OpenAI's form"}


def _opened(tool: Map) -> Map:
    """A tool in OpenAI's form without the `{type: function, function: …}` around it."""
    inner = tool.get("function")
    return inner if isinstance(inner, Map) and set(tool) <= {"type", "function"} else tool


def _text(content: str) -> Text:
    """The text of a file. Its style is "file": line and column in it are line and column in the file."""
    text = Text(content)
    text.style = "file"
    return text


def _target(document: Document, name: str) -> str:
    """The absolute path of the file that `document` names."""
    return os.path.normpath(os.path.join(document.home, name))


def _like(name: str, home: str, path: str) -> str:
    """`path` written as `name` is: absolute, or relative to `home`."""
    if os.path.isabs(name):
        return path
    relative = os.path.relpath(path, home)
    return f"./{relative}" if name.startswith("./") else relative


def _nodes(document: Document) -> Iterator[tuple[Path, Map]]:
    """Every node of a document, those of its subgraphs included, with its path."""
    for name, node in entries(document, "nodes").items():
        if isinstance(node, Map):
            yield ("nodes", name), node
    for graph, body in entries(document, "subgraphs").items():
        nodes = body.get("nodes") if isinstance(body, dict) else None
        for name, node in nodes.items() if isinstance(nodes, dict) else ():
            if isinstance(node, Map):
                yield ("subgraphs", graph, "nodes", name), node


def _users_of_files(document: Document) -> Iterator[tuple[Path, Map]]:
    """Every mapping whose prompt, system, instructions, output or function may be `{file: …}`."""
    yield from _nodes(document)
    for section in ("agents", "roles", "tools"):
        for name, body in entries(document, section).items():
            if isinstance(body, Map):
                yield (section, name), body
    if isinstance(defaults := entries(document, "defaults"), Map):
        yield ("defaults",), defaults
