"""`.magent.yaml`: what a project prefers. The order: flag, environment, workflow file, settings file, built in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magent.errors import InvalidWorkflow
from magent.spec.loader import load_yaml, shown
from magent.spec.schema import validate

NAME = ".magent.yaml"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings file's content, and the file (None: there is none)."""

    data: Mapping[str, Any] = field(default_factory=dict)
    file: str | None = None

    def get(self, key: str, environment: str | None = None) -> Any:
        """The environment's value, else the file's, else None."""
        if environment and os.environ.get(environment):
            return os.environ[environment]
        return self.data.get(key)

    def store(self) -> str:
        """The URL of the store. A relative path in the settings file counts from that file."""
        url = os.environ.get("MAGENT_STORE")
        if url:
            return url
        url = self.data.get("store")
        if not isinstance(url, str):
            return "file:.magent"
        scheme, _, path = url.partition(":")
        if scheme == "file" and self.file and not os.path.isabs(path):
            return f"file:{Path(self.file).parent / path}"
        return url


def read(start: Path | None = None) -> Settings:
    """The nearest settings file upwards from here. Raises InvalidWorkflow where it cannot be used."""
    here = (start or Path.cwd()).resolve()
    for directory in (here, *here.parents):
        file = directory / NAME
        if file.is_file():
            return _read(file)
    return Settings()


def _read(file: Path) -> Settings:
    data, problems, lines = load_yaml(file.read_bytes(), shown(str(file)))
    problems = problems or ([] if data is None else validate(data, "settings"))
    if any(problem.severity == "error" for problem in problems):
        invalid = InvalidWorkflow(problems)
        invalid.sources = {shown(str(file)): lines}
        raise invalid
    return Settings(data or {}, str(file))
