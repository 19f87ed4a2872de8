"""Tools: what an agent or a task can use. Each class fills `ports.Tool`; a table names the built-in ones.

Modules, in order: calculator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from magent.errors import UsageError
from magent.model import ToolSpec
from magent.ports import Tool
from magent.source import did_you_mean
from magent.tools.calculator import Calculator

BUILTINS: Mapping[str, Callable[[], Tool]] = {"calculator": Calculator}
PLANNED = ("files", "web_search", "http_request")


def make(spec: ToolSpec, settings: Mapping[str, Any]) -> Tool:
    """The tool that `spec` describes; `settings` are its own with templates rendered. Raises UsageError."""
    if spec.kind != "builtin":
        raise UsageError(f"the tool '{spec.name}' is of kind '{spec.kind}', which is not available yet", _HINT)
    name = str(settings.get("builtin", spec.name))
    if name in PLANNED:
        raise UsageError(f"the tool '{spec.name}' is the built-in '{name}', which is not available yet", _HINT)
    if name not in BUILTINS:
        near = did_you_mean(name, BUILTINS)
        raise UsageError(f"the tool '{spec.name}' names no built-in tool: '{name}'", near or _HINT)
    return BUILTINS[name]()


_HINT = f"available now: {', '.join(BUILTINS)}"
