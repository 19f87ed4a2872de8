"""Fixtures that several packages of tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from magent.keys import GUARD
from tests.postgres import Postgres
from tests.terminal import ROOT, Golden


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-screens", action="store_true", help="write the golden screens anew")


def pytest_configure() -> None:
    """The processes that tests start run the magent of this checkout, which is compiled once for all of them."""
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(update=bool(request.config.getoption("--update-screens")))


@pytest.fixture(autouse=True)
def _settings_of_this_machine_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith(("MAGENT_", "OTEL_")) or name in ("NO_COLOR", "FORCE_COLOR", "TRACEPARENT", "TRACESTATE"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _secrets_of_one_test_are_none_of_the_next() -> Iterator[None]:
    yield
    GUARD.forget()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Tests that bound what something costs measure magent, not the coverage tool that looks on."""
    tracer = sys.gettrace()
    if item.get_closest_marker("untraced") is None or tracer is None:
        yield
        return
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for whoever needs one first; a test that stops it starts it again."""
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
