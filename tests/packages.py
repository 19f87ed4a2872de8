"""A package of somebody else's, installed as pip would: modules and entry points where Python finds them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest


def install(site: Path, monkeypatch: pytest.MonkeyPatch, modules: Mapping[str, str], entries: str) -> None:
    info = site / "ours-1.dist-info"
    info.mkdir(parents=True)
    for name, source in modules.items():
        (site / f"{name}.py").write_text(source, "utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1\n", "utf-8")
    (info / "entry_points.txt").write_text(entries, "utf-8")
    monkeypatch.syspath_prepend(site)
