"""`.magent.yaml`: what a project prefers. The order: flag, environment, workflow file, settings file, built in.

In the environment a setting is called by its path: `MAGENT_STORE`, `MAGENT_DURABILITY`, `MAGENT_LIMITS_BUDGET_USD` …
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magent import stores, urls
from magent.errors import InvalidWorkflow, UsageError
from magent.keys import GUARD
from magent.ports import RunStore
from magent.spec.loader import Bundle, load_yaml, shown
from magent.spec.schema import validate
from magent.stores.codec import Codec
from magent.stores.places import SETTINGS as NAME
from magent.stores.places import find_settings
from magent.stores.sealed import MAKE_ONE, Keyring, parse_key

__all__ = ["NAME", "Settings", "open_store", "read"]

STORE = "file:.magent"
IN_ENVIRONMENT = (
    ("store",),
    ("durability",),
    ("otlp",),
    ("encryption", "key_env"),
    ("human",),
    ("checkpoints", "every"),
    ("checkpoints", "interval"),
    ("checkpoints", "keep"),
    ("limits", "max_steps"),
    ("limits", "max_concurrency"),
    ("limits", "timeout"),
    ("limits", "budget", "tokens"),
    ("limits", "budget", "usd"),
    ("defaults", "agent"),
)
_OF_THE_FILE = ("limits", "checkpoints", "notify")  # what a workflow file may say as well


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says, what the settings file says, and that file (None: there is none)."""

    environment: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    file: str | None = None

    def get(self, key: str) -> Any:
        """The environment's value, else the file's, else None. For what no workflow file says."""
        return self.environment.get(key, self.data.get(key))

    def store(self) -> str:
        """The URL of the store. A relative path in the settings file counts from that file. Raises UsageError."""
        url = str(self.get("store") or STORE)
        if "store" in self.environment or self.file is None:
            return url
        return stores.of_a_file(urls.anchored(url, Path(self.file).parent))

    def codec(self) -> Codec | None:
        """What seals runs, where a key is given; None: they are in the clear. Raises UsageError."""
        said = self._encryption()
        if said is None:
            return None
        keys = [_key(name) for name in (said["key_env"], *said.get("old_key_envs", ()))]
        return Keyring(keys)

    def key_source(self) -> str | None:
        """The variable that holds the key, and what says so; None where runs are in the clear."""
        said = self._encryption()
        if said is None:
            return None
        return f"{said['key_env']} ({'MAGENT_ENCRYPTION_KEY_ENV' if 'encryption' in self.environment else self.file})"

    def _encryption(self) -> Mapping[str, Any] | None:
        merged: Mapping[str, Any] | None = _over(self.environment.get("encryption"), self.data.get("encryption"))
        return merged

    def complete(self, bundle: Bundle) -> None:
        """Puts the environment's settings over those of the workflow, and the file's where the workflow has none.

        So a run's frozen workflow holds them, and a resume finds what the run began with.
        """
        root = bundle.documents[bundle.root].data
        for key in _OF_THE_FILE:
            if (found := _over(self.environment.get(key), _over(root.get(key), self.data.get(key)))) is not None:
                root[key] = found
        for key in bundle.documents:
            self._give_agent(bundle, key)

    def _give_agent(self, bundle: Bundle, key: str) -> None:
        """The preferred agent, in a file that has one of that name."""
        data = bundle.documents[key].data
        for settings, wins in ((self.environment, True), (self.data, False)):
            preferred = (settings.get("defaults") or {}).get("agent")
            free = wins or "agent" not in bundle.definitions(key, "defaults")
            if preferred in bundle.definitions(key, "agents") and free:
                data["defaults"] = _over({"agent": preferred}, data.get("defaults"))


def _key(name: str) -> bytes:
    text = os.environ.get(name)
    if not text:
        raise UsageError(f"runs are to be encrypted, and ${name} holds no key", f"set it; {MAKE_ONE}")
    GUARD.learn(text.strip())
    return parse_key(text, f"${name}")


def _over(first: Any, second: Any) -> Any:
    """Mapping on mapping, deeply; whatever else `first` is stands, unless it is None. Neither is changed."""
    if not isinstance(first, dict) or not isinstance(second, dict):
        return second if first is None else first
    merged = copy.copy(second)  # which knows its places in the file
    for key, value in first.items():
        merged[key] = _over(value, second.get(key))
    return merged


def read(start: Path | None = None) -> Settings:
    """The environment and the nearest settings file upwards from here. Raises InvalidWorkflow for a file that cannot be
    used, UsageError for a variable, and for a file of another user."""
    environment = _environment(os.environ)
    file = find_settings((start or Path.cwd()).resolve())
    return Settings(environment) if file is None else Settings(environment, _read(file), str(file))


def open_store(url: str | None = None) -> RunStore:
    """The store of a URL, else of MAGENT_STORE, else of the settings file, else `file:.magent`. Raises UsageError."""
    settings = read()
    return stores.open_store(settings.store() if url is None else url, settings.codec())


def open_store_under(url: str, name: str) -> RunStore:
    """The store of a URL, under the key in the variable of that name; in the clear where it is `none`. Raises
    UsageError."""
    return stores.open_store(url, None if name == "none" else Keyring([_key(name)]))


def _environment(environ: Mapping[str, str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for path in IN_ENVIRONMENT:
        name = "MAGENT_" + "_".join(path).upper()
        if environ.get(name):
            value = _nested(path, _scalar(environ[name]))
            for problem in validate(value, "settings"):
                raise UsageError(f"{name}: {problem.message}", problem.hint)
            settings = _over(value, settings)
    return settings


def _nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    return {path[0]: _nested(path[1:], value) if path[1:] else value}


def _scalar(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _read(file: Path) -> dict[str, Any]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{shown(str(file))} cannot be read: {error.strerror}") from error
    data, problems, lines = load_yaml(content, shown(str(file)))
    problems = [each for each in problems if each.code != "empty-file"]
    problems = problems or ([] if data is None else validate(data, "settings"))
    if any(problem.severity == "error" for problem in problems):
        raise InvalidWorkflow(problems, {shown(str(file)): lines})
    return data or {}
