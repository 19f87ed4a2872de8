"""The floors: who may import whom. The tables below are the architecture; a new module takes its place in them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "magent"

# A module imports only from floors above it in this table (which are below it in the building), and from what is named
# before it on its own floor.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("version", "errors", "source", "clock", "durations", "cells", "plain", "hiding", "keys", "urls"),
    ("expressions",),
    ("model", "events", "shapes", "state"),
    ("spans", "ports", "answers", "layout", "graph", "draw", "roles", "functions", "entries", "foreign", "glance"),
    ("spec",),
    ("commands", "offers", "wrappers"),
    ("engine",),
    ("warden", "groups", "process", "apart"),
    ("stores", "human", "agents", "tools", "tracing"),
    (
        "settings", "retention", "masks", "streaming", "outfit", "preflight", "toolkit", "forecast", "loading",
        "outcome", "history", "explained", "records", "said", "traces", "answering", "asking", "figures", "notify",
        "telemetry", "life", "opening", "moving", "copying", "forks", "app", "crew", "sweeping", "api", "report",
        "differ",
    ),
    ("__init__",),
    ("cli",),
    ("__main__",),
)  # fmt: skip

# Inside a package a module imports only from those named before it.
INSIDE: dict[str, tuple[str, ...]] = {
    "agents": (
        "base", "calls", "wire", "refusals", "envelope", "spoken", "command", "function", "replies", "download",
        "throttle", "prices", "custom", "__init__", "parts", "exchange", "reach", "models", "patterns", "grammar",
        "choice", "local",
    ),
    "answers": ("seal", "schema", "flags", "whole", "document", "__init__"),
    "cli": (
        "__init__", "verbs", "declared", "guess", "help", "complete", "complete_runs", "complete_visits",
        "console", "parser", "main",
        "tables", "people", "questions",
        "flags", "files", "inputs", "shapes", "chunks", "progress", "board", "beside", "paint", "story", "screen",
        "download",
        "dated", "live", "results", "reports", "execution",
        "visits",
        "raster", "report",
        "run", "resume_plan", "resume", "respond", "validate", "graph", "runs", "runs_show", "runs_history", "runs_end",
        "clean", "runs_copy", "trace_rows", "trace", "explain", "diff",
        "checkpoints", "schema", "roles", "findings", "agents", "tools", "sweep", "stats", "doctor", "completion",
    ),
    "differ": ("__init__", "renames", "files", "runs"),
    "explained": ("told", "values", "edges", "begins", "ends", "__init__"),
    "draw": (
        "canvas", "marks", "passes", "overlay", "pictures", "words", "spine", "boxes", "scopes",
        "letters", "layers", "align", "lanes", "routes", "sheet", "frames", "nest", "look",
        "to_text", "to_dot", "to_mermaid", "to_json", "to_svg", "__init__",
    ),
    "engine": (
        "__init__", "values", "scopes", "joins", "tree", "reopen", "fold", "snapshot", "view", "route", "arrive",
        "conclude", "settle", "plan",
        "company", "reach", "visited", "origin", "likeness", "repeats", "twins", "fates", "replay", "redecide",
        "work", "budget", "retrying", "using", "chains", "sessions", "casting", "converse", "delegate",
        "ask", "nodes", "attempt", "uncertain", "recorder",
        "collecting", "driver", "outcomes", "people", "desk", "launching", "patience", "leaving", "drive", "run",
    ),
    "expressions": (
        "problems", "values", "registry", "operators", "functions", "predicates", "regexes",
        "filters_data", "filters_numbers", "filters_text",
        "lexer", "syntax", "accesses", "survey", "compile_expressions", "compile", "templates",
        "shell_cursor", "shell_words", "shell_flow", "shell_roles", "shell_script", "shell_compounds", "shell_commands",
        "shell", "__init__",
    ),
    "human": (
        "__init__", "chain", "custom", "file", "prompts", "keyboard", "toolbar", "child", "editor", "lines", "lists",
        "frame", "stage", "drawn", "display", "form", "kinds", "terminal",
    ),
    "report": ("__init__", "html", "facts", "values", "timeline", "sections", "page"),
    "roles": ("words", "role", "decision", "index", "text", "ranking", "router", "__init__"),
    "spans": (
        "__init__", "ids", "span", "words", "places", "tree", "model_calls", "lives", "visits", "steps", "reading",
        "path", "chrome", "measures", "here",
    ),
    "spec": (
        "__init__",
        "composer_text", "composer_result", "composer_scalars", "composer", "traps_lines", "traps_faults", "traps",
        "schema_rules", "schema_keywords", "schema_roots", "schema_say", "schema_library", "schema_sound",
        "schema_words", "schema_values", "schema", "takes", "reference", "builtins",
        "loader_bundle", "loader_files", "loader_data", "loader", "catalogue", "build", "checks",
    ),
    "spec.checks": (
        "views", "positions", "texts", "context", "references", "tools", "agents", "roles", "nulls", "writes", "shapes",
        "scopes", "names", "values", "unused", "__init__",
    ),
    "stores": (
        "ids", "codec", "sealed", "disk", "places", "holders", "locking", "tails", "checkpoints", "book", "summary",
        "memory", "journal", "whole", "file", "rows", "batches", "row_store", "sqlite_pace", "sqlite_pages",
        "sqlite_salvage", "sqlite_tables", "sqlite_mend", "sqlite_link", "sqlite",
        "postgres_tables", "postgres_link", "postgres_watch", "postgres_writer", "postgres", "__init__",
    ),
    "tracing": ("__init__", "line", "pipeline", "address", "as_json", "convert", "otlp", "custom"),
    "tools": (
        "base", "calculator", "files_open", "files_find", "files", "http_hosts", "http_connect",
        "http_request", "web_search", "json_bounds", "json_query", "program", "shell", "docstrings", "signatures",
        "function", "custom", "mcp_words", "mcp_child", "mcp_values", "mcp_http", "mcp_link", "mcp", "__init__",
    ),
}  # fmt: skip

ADAPTERS = frozenset(("stores", "human", "agents", "tools", "tracing"))
BELOW_ADAPTERS = frozenset(("engine",))  # on a lower floor, but nothing of an adapter's

# Libraries that take long to import, and the packages that may do so at the top of a module.
HEAVY: dict[str, frozenset[str]] = {
    "pydantic_ai": frozenset(),
    "pydantic": frozenset({"tools"}),  # with the SDK of MCP: `mcp_link` and `mcp_http` are imported by name, on use
    "mcp": frozenset({"tools"}),
    "mcp_types": frozenset({"tools"}),
    "httpx2": frozenset({"tools"}),
    "anyio": frozenset({"tools"}),
    "openai": frozenset(),
    "psycopg": frozenset(),
    "resvg_py": frozenset(),
    "cryptography": frozenset(),
    "xllamacpp": frozenset(),
    "opentelemetry": frozenset({"tracing"}),  # `convert` and `as_json` are imported by name, on use
    "google": frozenset({"tracing"}),
    "requests": frozenset({"tracing"}),
    "grpc": frozenset(),
    "httpx": frozenset(),
    "questionary": frozenset(),
    "prompt_toolkit": frozenset(),
    "rich": frozenset(),
    "networkx": frozenset(),
    "jsonschema": frozenset(),
    "typer": frozenset({"cli"}),
    "jinja2": frozenset({"expressions"}),
}
NEVER_FOR_HELP = (
    "asyncio", "pydantic", "mcp", "anyio", "networkx", "jsonschema", "rich", "jinja2", "typer", "ruamel", "re2",
    "questionary",
    "magent.app", "magent.engine", "magent.spec", "magent.expressions",
)  # fmt: skip


@dataclass(frozen=True)
class Import:
    target: str  # dotted
    line: int
    hidden: bool  # inside a function


def modules() -> list[str]:
    """Every module of the package, such as `cli.run`, `spec.checks.edges` and `spec.__init__`."""
    files = sorted(PACKAGE.rglob("*.py"))
    return [".".join(file.relative_to(PACKAGE).with_suffix("").parts) for file in files]


@cache
def imports(module: str) -> tuple[Import, ...]:
    tree = ast.parse((PACKAGE / (module.replace(".", "/") + ".py")).read_text("utf-8"))
    return tuple(_imports(tree, hidden=False))


def _imports(node: ast.AST, *, hidden: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, hidden) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: imports are absolute here"
            yield from (Import(_target(child.module or "", alias.name), child.lineno, hidden) for alias in child.names)
        elif not _only_for_types(child):
            inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _imports(child, hidden=hidden or inside)


def _only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _target(module: str, name: str) -> str:
    """`from magent.cli import files` is an import of the module `magent.cli.files`, if there is one."""
    return f"{module}.{name}" if _is_module(f"{module}.{name}") else module


def _is_module(dotted: str) -> bool:
    path = ROOT / dotted.replace(".", "/")
    return dotted.startswith("magent") and (path.with_suffix(".py").is_file() or (path / "__init__.py").is_file())


def _own(module: str) -> Iterator[tuple[Import, str]]:
    """The imports of magent's own modules, as names like `cli.run`; a package is its `__init__`."""
    for found in imports(module):
        if found.target == "magent" or found.target.startswith("magent."):
            name = found.target.removeprefix("magent").removeprefix(".")
            path = PACKAGE / name.replace(".", "/")
            yield found, f"{name}.__init__".removeprefix(".") if path.is_dir() else name


def _top(module: str) -> str:
    return module.split(".")[0]


def _place(top: str) -> tuple[int, int]:
    return next((level, floor.index(top)) for level, floor in enumerate(FLOORS) if top in floor)


def _levels(module: str) -> Iterator[tuple[str, str]]:
    """`spec.checks.names` stands in the package `spec` as `checks`, and in `spec.checks` as `names`."""
    parts = module.split(".")
    for depth in range(1, len(parts)):
        yield ".".join(parts[:depth]), parts[depth]


@pytest.mark.parametrize("module", modules())
def test_a_module_has_its_place_in_the_tables(module: str) -> None:
    assert any(_top(module) in floor for floor in FLOORS), f"{module} stands on no floor: put it into FLOORS"
    for package, unit in _levels(module):
        assert unit in INSIDE.get(package, ()), f"{module} has no place: put it into INSIDE[{package!r}]"


@pytest.mark.parametrize("package", list(INSIDE))
def test_the_tables_name_what_there_is(package: str) -> None:
    there = {unit for module in modules() for around, unit in _levels(module) if around == package}
    assert set(INSIDE[package]) - there == set()


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_from_below(module: str) -> None:
    here = _place(_top(module))
    for found, target in _own(module):
        if _top(target) != _top(module):
            assert _place(_top(target)) < here, f"{module}:{found.line} imports {target}, which is not below it"


@pytest.mark.parametrize("module", [name for name in modules() if "." in name])
def test_inside_a_package_a_module_imports_only_from_those_before_it(module: str) -> None:
    for package, unit in _levels(module):
        before = INSIDE[package][: INSIDE[package].index(unit)]
        for found, target in _own(module):
            other = dict(_levels(target)).get(package, unit)
            assert other == unit or other in before, f"{module}:{found.line} imports {target}, which is not before it"


@pytest.mark.parametrize("module", [name for name in modules() if _top(name) in ADAPTERS])
def test_an_adapter_knows_neither_the_engine_nor_another_adapter(module: str) -> None:
    forbidden = (ADAPTERS | BELOW_ADAPTERS) - {_top(module)}
    for found, target in _own(module):
        assert _top(target) not in forbidden, f"{module}:{found.line} imports {target}"


@pytest.mark.parametrize("module", modules())
def test_no_import_of_magent_hides_in_a_function(module: str) -> None:
    hidden = [f"line {found.line}: {target}" for found, target in _own(module) if found.hidden]
    assert not hidden


@pytest.mark.parametrize("module", modules())
def test_slow_libraries_are_imported_where_they_are_used(module: str) -> None:
    for found in imports(module):
        library = found.target.split(".")[0]
        allowed = library not in HEAVY or _top(module) in HEAVY[library]
        assert found.hidden or allowed, f"{module}:{found.line} imports {library} at its top"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], [], ["run", "--help"], ["runs", "--help"], ["help", "respond"]]
)
def test_help_and_version_import_nothing_slow(arguments: list[str]) -> None:
    assert not {name for name in loaded_by(*arguments) if name.startswith(NEVER_FOR_HELP) and name != "magent.cli"}


def test_a_workflow_is_checked_without_what_runs_it(tmp_path: Path) -> None:
    file = tmp_path / "workflow.yaml"
    file.write_text("magent: 1\nname: one\nnodes: {mark: {set: {stage: drafted}}}\n")
    adapters = tuple(f"magent.{name}" for name in ("engine", "life", "human", "agents", "process"))
    assert not {name for name in loaded_by("validate", str(file)) if name.startswith(("asyncio", *adapters))}


def loaded_by(*arguments: str) -> set[str]:
    """The names of the modules that a call of the command line imports."""
    command = [sys.executable, "-X", "importtime", "-m", "magent", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "magent.cli" in loaded
    return loaded
