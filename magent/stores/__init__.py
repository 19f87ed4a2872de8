"""Where runs are recorded. A URL's scheme names the store, which is imported on use.

Other people's stores: a class with the methods of `ports.RunStore`, made from its URL, under the entry point group
`magent.stores` or by its dotted path (`mypackage.stores.Redis:…`). One that keeps bytes takes `codec` as well (see
`codec`), and is refused without it where what is kept has to be sealed.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

from magent import entries
from magent.errors import UsageError
from magent.functions import FunctionNotFound
from magent.ports import RunStore
from magent.source import did_you_mean

if TYPE_CHECKING:
    from magent.stores.codec import Codec

STORES = {
    "file": "magent.stores.file.FileStore",
    "memory": "magent.stores.memory.MemoryStore",
    "postgres": "magent.stores.postgres.PostgresStore",
    "postgresql": "magent.stores.postgres.PostgresStore",
    "sqlite": "magent.stores.sqlite.SqliteStore",
}


def open_store(url: str, codec: Codec | None = None) -> RunStore:
    """The store that a URL names: `file:.magent`, `file:/srv/runs`, `memory:` …, which writes with `codec` (None: in
    the clear). Raises UsageError."""
    scheme, colon, _ = url.partition(":")
    if not colon:
        raise UsageError(f"{url!r} is no URL of a store", f"write file:{url}" if url else "write file:.magent")
    make = _find(scheme)
    if codec is None:
        return make(url)
    if "codec" not in inspect.signature(make).parameters:
        raise UsageError(
            f"the store '{scheme}:' would write in the clear: it takes no codec",
            "give it a parameter `codec` that all it keeps goes through, or take another store with --store",
        )
    return make(url, codec=codec)


def of_a_file(url: str) -> str:
    """The URL of a store that a settings file names: one of magent's own, or an installed package's. A file may have
    come with somebody's directory, and must not choose what is imported. Raises UsageError."""
    if "." in url.partition(":")[0]:
        raise UsageError(
            f"a settings file cannot name a store by its class ({url!r})",
            "say it with --store or MAGENT_STORE, or give its package an entry point of the group `magent.stores`",
        )
    return url


def known() -> list[str]:
    """The schemes there are, others' included."""
    return sorted({*STORES, *entries.offered(entries.STORES)})


def _find(scheme: str) -> Callable[..., RunStore]:
    path = STORES.get(scheme) or (scheme if "." in scheme.strip(".") else None)
    if path:
        return _import(path)
    if made := _installed(scheme):
        return made
    names = known()
    raise UsageError(
        f"there is no store '{scheme}:'; there are {', '.join(f'{name}:' for name in names)}",
        did_you_mean(scheme, names) or "write file:DIRECTORY, such as file:.magent",
    )


def _installed(scheme: str) -> Callable[..., RunStore] | None:
    try:
        made: Callable[..., RunStore] | None = entries.load_entry(entries.STORES, scheme, f"the store '{scheme}:'")
    except FunctionNotFound as error:
        raise UsageError(error.message, error.hint) from error
    return made


def _import(path: str) -> Callable[..., RunStore]:
    module, _, name = path.rpartition(".")
    try:
        made = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"the store '{path}:' cannot be loaded: {error}", "is its package installed?") from error
    if isinstance(made, type):  # nothing else is called to see what comes of it
        return made
    raise UsageError(f"'{path}' is no store", "magent.ports.RunStore says what a store has")
