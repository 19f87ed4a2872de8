"""What loading gives: the documents of a workflow, and who sees whose definitions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from magent.errors import RunDamaged
from magent.source import Problem

SECTIONS = ("agents", "roles", "tools", "chains", "defaults")


@dataclass(slots=True)
class Document:
    """One file. `file` is how users are shown it, `home` its absolute directory.

    `data` is a `source.Map` that knows its places; `sources` maps each file that the data came from (its own, prompts,
    shapes) to its lines. After `Bundle.from_json` data is plain, without places, and sources are empty.
    """

    file: str
    home: str
    data: dict[str, Any]
    sources: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Bundle:
    """All the documents of a workflow.

    `documents` (the root first) and `libraries` are keyed by absolute path. `includes` gives, for the key of a document
    or library, the keys of the libraries it sees, in order, transitively. `targets` gives, by key and text of `uses`,
    the key of the document that is called; one that could not be read is absent, and its problem is in `problems`.
    `predefined` are the roles of magent's own that the workflow was built with, where it uses roles.
    """

    root: str
    documents: dict[str, Document] = field(default_factory=dict)
    libraries: dict[str, Document] = field(default_factory=dict)
    includes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    targets: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    predefined: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sources(self) -> dict[str, list[str]]:
        """The lines of every file that was read, by the name users are shown."""
        merged: dict[str, list[str]] = {}
        for document in (*self.documents.values(), *self.libraries.values()):
            merged |= document.sources
        return merged

    def target(self, key: str, uses: str) -> str | None:
        """The key of the document that the file name `uses` means in document `key`; None where it was not readable."""
        return self.targets.get(key, {}).get(uses)

    def definitions(self, key: str, section: str) -> dict[str, tuple[Any, Document]]:
        """What a section (agents, roles, tools, chains, defaults) holds for document or library `key`: by name the
        definition and the document it stands in. The file's own comes first and wins over its libraries', a library's
        own over those that it includes."""
        owners, _ = self.owners(key, section)
        return {name: (entries(self.find(owner), section)[name], self.find(owner)) for name, owner in owners.items()}

    def owners(
        self, key: str, section: str, direct: Sequence[str] = ()
    ) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
        """The key of the document that defines each name, and (name, first, second) where two libraries define it and
        neither overrides the other: because none of them includes the other, or because both are in `direct`."""
        owners = dict.fromkeys(entries(self.find(key), section), key)
        clashes = []
        for library in self.includes.get(key, ()):
            for name in entries(self.find(library), section):
                known = owners.setdefault(name, library)
                beside = known in direct and library in direct
                if known in (key, library) or (not beside and library in self.includes.get(known, ())):
                    continue
                if not beside and known in self.includes.get(library, ()):
                    owners[name] = library
                else:
                    clashes.append((name, known, library))
        return owners, clashes

    def find(self, key: str) -> Document:
        """The workflow document or library of this key."""
        return self.documents[key] if key in self.documents else self.libraries[key]

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON data that needs no file any more; places and lines are left out."""
        frozen: dict[str, Any] = {
            "root": self.root,
            "documents": dict(_frozen(self.documents)),
            "libraries": dict(_frozen(self.libraries)),
            "includes": self.includes,
            "targets": self.targets,
        }
        if self.predefined:
            frozen["predefined"] = self.predefined
        plain: dict[str, Any] = json.loads(json.dumps(frozen))
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Bundle:
        """The bundle that `to_json` gave. Raises RunDamaged where it is something else."""
        try:
            bundle = cls(
                data["root"],
                dict(_thawed(data["documents"])),
                dict(_thawed(data["libraries"])),
                {key: tuple(keys) for key, keys in data["includes"].items()},
                {key: dict(keys) for key, keys in data["targets"].items()},
                predefined=data.get("predefined", {}),
            )
            _check_whole(bundle)
            return bundle
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise RunDamaged(
                "the workflow kept with the run cannot be read", "it was changed or is incomplete"
            ) from error


def _check_whole(bundle: Bundle) -> None:
    """Raises ValueError where it refers to what is not in it."""
    wanted = {bundle.root, *(target for named in bundle.targets.values() for target in named.values())}
    included = {library for libraries in bundle.includes.values() for library in libraries}
    if not (wanted <= set(bundle.documents) and included <= {*bundle.libraries, *bundle.documents}):
        raise ValueError("a file is missing")
    for each in (*bundle.documents.values(), *bundle.libraries.values()):
        if not all(isinstance(name, str) for name in (each.file, each.home)):
            raise TypeError("a file has no name")


def entries(document: Document, section: str) -> Mapping[str, Any]:
    """A section of a document; empty where it has none, or something that is no mapping."""
    found = document.data.get(section)
    return found if isinstance(found, dict) else {}


def _frozen(documents: dict[str, Document]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, document in documents.items():
        yield key, {"file": document.file, "home": document.home, "data": document.data}


def _thawed(documents: Mapping[str, Any]) -> Iterator[tuple[str, Document]]:
    for key, each in documents.items():
        yield key, Document(each["file"], each["home"], dict(each["data"]))
