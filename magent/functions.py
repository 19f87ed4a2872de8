"""Python functions that a workflow names as `module:name`: found, imported, kept.

A module of the workflow's own directory (its home) wins over an installed one of the same name, and two homes may each
have their own `helpers.py`. A home leads `sys.path` only while one of its modules is imported. Afterwards its modules
stay in `sys.modules` like any other, but never in the place of another module of that name; all are kept here by home.
What such a function imports later, when it runs, is found through a finder at the end of `sys.meta_path`.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec, PathFinder
from types import FrameType, ModuleType
from typing import Any

_LOCK = threading.RLock()
_HOMES: dict[str, dict[str, ModuleType]] = {}  # directory → the modules that came from it, by dotted name


class FunctionNotFound(Exception):
    """A target names no function. `message` says what was looked for and where, `hint` what to do."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def load_function(target: str, home: str) -> Callable[..., Any]:
    """The callable that `package.module:name` (or `module:Class.method`) means, seen from the directory `home`.

    Raises FunctionNotFound; what the module's own code raised at import is its cause. A second call is a look-up.
    """
    found = load_object(target, home)
    if not callable(found):
        raise FunctionNotFound(f"'{target}' is of type {type(found).__name__}, not a function", "name a function")
    return found  # type: ignore[no-any-return]


def load_object(target: str, home: str) -> Any:
    """As `load_function`, whatever it is that the target means."""
    module_name, _, name = target.partition(":")
    if not is_target(target):
        raise FunctionNotFound(
            f"'{target}' names no function", "write module:function, such as mypkg.planning:make_plan"
        )
    found: Any = _module(module_name, os.path.realpath(home))
    for part in name.split("."):
        if not hasattr(found, part):
            raise FunctionNotFound(f"'{module_name}' has no '{name}'", _nearest(part, found))
        found = getattr(found, part)
    return found


def is_target(text: str) -> bool:
    """Whether it is written as `package.module:name` is."""
    module_name, _, name = text.partition(":")
    return all(part.isidentifier() for part in [*module_name.split("."), *name.split(".")])


def has_module(home: str, name: str) -> bool:
    """Whether the directory `home` itself holds the module, or the package that it is in."""
    return _has(os.path.realpath(home), name.partition(".")[0])


def _nearest(name: str, owner: object) -> str | None:
    near = difflib.get_close_matches(name, [other for other in dir(owner) if not other.startswith("_")], 1)
    return f"did you mean '{near[0]}'?" if near else None


def _module(name: str, home: str) -> ModuleType:
    with _LOCK:
        kept = _HOMES.setdefault(home, {})
        if name in kept:
            return kept[name]
        if _FINDER not in sys.meta_path:
            sys.meta_path.append(_FINDER)
        if not _has(home, name.partition(".")[0]):
            return _import(name, home)
        with _home_first(home, name, kept):
            return _import(name, home)


def _import(name: str, home: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(missing + "."):
            hint = f"put {missing.replace('.', '/')}.py there, or install the package that has it"
            raise FunctionNotFound(
                f"there is no module '{missing}': not in {home}, and none is installed", hint
            ) from error
        raise FunctionNotFound(f"'{name}' imports '{missing}', which is not there", "install what it needs") from error
    except (Exception, SystemExit) as error:
        raise FunctionNotFound(f"'{name}' cannot be imported: {type(error).__name__}: {error}") from error


@contextmanager
def _home_first(home: str, target: str, kept: dict[str, ModuleType]) -> Iterator[None]:
    """Imports see `home` first, and none of the other modules that bear a name of one of its own."""
    aside = {name: module for name, module in list(sys.modules.items()) if _in_the_way(name, module, home, target)}
    for name in aside:
        del sys.modules[name]
    sys.modules.update(kept)
    sys.path.insert(0, home)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        with suppress(ValueError):
            sys.path.remove(home)
        _put_back(aside, home, kept)


def _put_back(aside: dict[str, ModuleType], home: str, kept: dict[str, ModuleType]) -> None:
    """Keeps home's modules, and takes those out of `sys.modules` whose names belong to someone else as well."""
    taken = {name.partition(".")[0] for name in aside}
    for name, module in list(sys.modules.items()):
        if not _comes_from(name, module, home):
            continue
        kept[name] = module
        top = name.partition(".")[0]
        if top in taken or (home not in sys.path and PathFinder.find_spec(top) is not None):
            del sys.modules[name]
    sys.modules.update(aside)


def _in_the_way(name: str, module: ModuleType, home: str, target: str) -> bool:
    """A loaded module of a name that home has, too. The standard library goes aside only for the module asked for."""
    top = name.partition(".")[0]
    wanted = target.partition(".")[0]
    if top == "__main__" or (top in sys.stdlib_module_names and top != wanted):
        return False
    return _has(home, top) and not _comes_from(name, module, home)


def _has(home: str, top: str) -> bool:
    """`home` holds `top.py`, or a package of that name (with or without `__init__.py`; a directory of data is none)."""
    spec = PathFinder.find_spec(top, [home])
    if spec is None:
        return False
    return spec.origin is not None or PathFinder.find_spec(top) is None


def _comes_from(name: str, module: ModuleType, home: str) -> bool:
    """Directly from `home`: what a virtual environment inside it holds is installed, not home's."""
    top = os.path.join(home, name.partition(".")[0])
    place = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", [])), None)
    if not isinstance(place, str):
        return False
    place = os.path.realpath(place)
    return place == top or place.startswith((top + os.sep, top + "."))


class _LateFinder:
    """Finds what a function of some home imports while it runs, when that home leads `sys.path` no more."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None:
            return None
        home = self._home_of_importer()
        return PathFinder.find_spec(fullname, [home], target) if home else None

    def _home_of_importer(self) -> str | None:
        owners = {id(vars(module)): home for home, modules in _HOMES.items() for module in modules.values()}
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            if home := owners.get(id(frame.f_globals)):
                return home
            frame = frame.f_back
        return None


_FINDER = _LateFinder()
