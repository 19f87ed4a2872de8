"""Python functions that a workflow names, looked at without being imported: whether they are there, and what they say
of themselves. So the file of a stranger can be checked and listed with nothing of it run."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import os
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from typing import NamedTuple

from magent.functions import FunctionNotFound, has_module, is_target

LARGEST = 2_000_000  # bytes of a source file

_Scope = ast.Module | ast.ClassDef
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Glance(NamedTuple):
    """What is known of a function or class. `sure`: its definition was seen; else it may be there or not."""

    doc: str = ""
    sure: bool = False


def glance(target: str, home: str) -> Glance:
    """Of `package.module:name`, seen from the directory `home`. Raises FunctionNotFound where it cannot be there."""
    module, _, name = target.partition(":")
    if not is_target(target):
        raise FunctionNotFound(
            f"'{target}' names no function", "write module:function, such as mypkg.planning:make_plan"
        )
    scope: ast.AST | None = _source(module, os.path.realpath(home))
    for part in name.split("."):
        if not isinstance(scope, _Scope):
            return Glance()
        names = dict(_names(scope))
        if part not in names:
            if None in names or isinstance(scope, ast.ClassDef):  # a star, or what the class inherits
                return Glance()
            near = difflib.get_close_matches(part, [each for each in names if each], 1)
            raise FunctionNotFound(f"'{module}' has no '{part}'", f"did you mean '{near[0]}'?" if near else None)
        scope = names[part]
    return Glance(ast.get_docstring(scope) or "", sure=True) if isinstance(scope, _Definition) else Glance()


def _source(module: str, home: str) -> ast.Module | None:
    """The module's syntax tree; None where it has no source that could be read."""
    spec = _spec(module, home)
    if spec.origin is None or not spec.origin.endswith(".py"):
        return None
    try:
        with open(spec.origin, "rb") as file:
            text = file.read(LARGEST + 1)
        return ast.parse(text) if len(text) <= LARGEST else None
    except (OSError, RecursionError, MemoryError):
        return None
    except (SyntaxError, ValueError) as error:
        raise FunctionNotFound(f"'{module}' cannot be imported: {type(error).__name__}: {error}") from error


def _spec(module: str, home: str) -> ModuleSpec:
    """Where the module is; no package that it is in is imported for that."""
    top, *rest = module.split(".")
    spec = PathFinder.find_spec(top, [home]) if has_module(home, top) else _installed(top)
    for index in range(len(rest) + 1):
        name = ".".join([top, *rest[:index]])
        if index and spec is not None:
            spec = PathFinder.find_spec(name, list(spec.submodule_search_locations or ()))
        if spec is None:
            hint = f"put {name.replace('.', '/')}.py there, or install the package that has it"
            raise FunctionNotFound(f"there is no module '{name}': not in {home}, and none is installed", hint)
    assert spec is not None
    return spec


def _installed(top: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(top)
    except (ValueError, ImportError):  # a module that was loaded without one
        return None


def _names(scope: ast.AST) -> Iterator[tuple[str | None, ast.AST | None]]:
    """What the body of a module or class binds, definitions as they are; None stands for names that are not told."""
    waiting = [scope]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, _Definition):
                yield node.name, node
                if node.name == "__getattr__":
                    yield None, None
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    yield (None if alias.name == "*" else alias.asname or alias.name.partition(".")[0]), None
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id, None
            else:
                waiting.append(node)
