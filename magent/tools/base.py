"""What every kind of tool has in common: what it gets from the run, how it fails, and sets of tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from magent.events import Failure, WorkFailed
from magent.ports import Executor, Tool
from magent.spec.takes import Takes


@dataclass(frozen=True, slots=True)
class ToolEnvironment:
    """What tools get from the run, beside their settings. `child_environ` is what their children see; `seen` are the
    names that templates of `run` tools may use beside the parameters: `inputs`, `env`, `run`. `cwd` is where the run
    was first started."""

    executor: Executor
    child_environ: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, Any] = field(default_factory=dict)
    cwd: str = "."


class Toolset(Protocol):
    """What one entry of `tools` comes to: one tool, or a server's or a group's."""

    async def open(self) -> Mapping[str, Tool]:
        """Its tools by their names within it (`read`); one that stands alone under "". Called once: the mapping changes
        where they do. Raises WorkFailed (`tool`)."""
        ...

    async def close(self) -> None:
        """Idempotent; ends what `open` began."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """A set whose tools are known without asking anybody. `lasts`: it knows nothing of a run."""

    tools: Mapping[str, Tool]
    lasts: ClassVar[bool] = False

    async def open(self) -> Mapping[str, Tool]:
        return self.tools

    async def close(self) -> None:
        return None


def failed(message: str, hint: str | None = None, **more: Any) -> WorkFailed:
    """A failure of type `tool` to raise."""
    return WorkFailed(Failure("tool", message, hint=hint, **more))


def given(name: str, taken: Takes, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the tool `name`, with defaults. Raises WorkFailed (`tool`) for one that its file knows not."""
    if unknown := taken.unknown(arguments):
        raise failed(f"'{name}' takes no '{unknown[0][:100]}'", f"it takes {', '.join(taken.fields) or 'nothing'}")
    return taken.filled(arguments)


def size(count: float) -> str:
    """A number of bytes for people: `1 MB`, `64 KB`, `12 bytes`."""
    for unit, factor in (("MB", 1_000_000), ("KB", 1000)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:g} bytes"
