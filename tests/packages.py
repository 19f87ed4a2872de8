"""A package of somebody else's, installed as pip would: modules and entry points where Python finds them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # processes that are started import this, too
    import pytest


def install(site: Path, monkeypatch: pytest.MonkeyPatch, modules: Mapping[str, str], entries: str = "") -> None:
    monkeypatch.syspath_prepend(distribution(site, "ours", entries))
    for name, source in modules.items():
        (site / f"{name}.py").write_text(source, "utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)


def distribution(site: Path, name: str, entries: str) -> Path:
    """What an installer leaves of a package in `site`, beside its modules."""
    info = site / f"{name}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n", "utf-8")
    (info / "entry_points.txt").write_text(entries, "utf-8")
    return site
