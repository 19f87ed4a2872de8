"""Exporters of other packages: entry points of the group `magent.exporters`, each a class that is made without
arguments, or a function that makes one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from magent import entries
from magent.errors import UsageError
from magent.ports import Exporter
from magent.source import did_you_mean


def named(name: str) -> Callable[[], Exporter]:
    """What makes the exporter of that name, when it is called. Raises UsageError where none is called so."""
    found = entries.offered(entries.EXPORTERS)
    if name not in found:
        there = f"there are: {', '.join(sorted(found))}" if found else "no installed package brings one"
        raise UsageError(f"no exporter is named '{name}'", did_you_mean(name, found) or there)
    return partial(_made, name)


def handed(exporter: Any) -> Callable[[], Exporter]:
    """Of one that a program hands over. Raises UsageError where it is none."""
    if not callable(getattr(exporter, "export", None)):
        message = f"an exporter has a method `export`: {type(exporter).__name__} has none"
        raise UsageError(message, "magent.ports.Exporter says what it takes")
    return lambda: _Whole(exporter)


def _made(name: str) -> Exporter:
    return _Whole(entries.load_entry(entries.EXPORTERS, name, f"the exporter '{name}'")())


class _Whole:
    """With a `close`, whether it brings one or not."""

    def __init__(self, exporter: Any) -> None:
        self.export = exporter.export
        self.close: Callable[[], Any] = getattr(exporter, "close", None) or (lambda: None)
