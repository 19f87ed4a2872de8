"""Tools: what an agent or a task can use. Each class fills `ports.Tool`; a table names the built-in ones, which are
imported on use.

Modules, in order: calculator.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, cast

from magent.errors import UsageError
from magent.model import ToolSpec
from magent.ports import Tool
from magent.source import did_you_mean

BUILTINS = {"calculator": "magent.tools.calculator:Calculator"}
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
    module, _, made = BUILTINS[name].partition(":")
    return cast("Tool", getattr(importlib.import_module(module), made)())


_HINT = f"available now: {', '.join(BUILTINS)}"
