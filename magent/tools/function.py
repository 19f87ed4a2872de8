"""A tool that is a Python function: its parameters come from its signature, what it says of itself from its docstring.
It is imported when it is first asked what it takes, or called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

from magent.events import WorkFailed
from magent.foreign import called, raised
from magent.functions import FunctionNotFound, load_function
from magent.model import ToolSpec
from magent.ports import ToolContext
from magent.spec.takes import takes
from magent.tools.base import Fixed, ToolEnvironment, failed, given
from magent.tools.docstrings import read
from magent.tools.signatures import Signature, Unsuitable, signature_of


class FunctionTool:
    """Gives what the function returns; what it raises is a failure with the exception's type and message."""

    external = False
    confirm = False

    def __init__(self, spec: ToolSpec, settings: Mapping[str, Any]) -> None:
        self.name = spec.name
        self.target = str(settings["call"])
        self._home = spec.home
        self._takes = takes(settings)

    @cached_property
    def function(self) -> Callable[..., Any]:
        try:
            return load_function(self.target, self._home)
        except FunctionNotFound as error:
            raise failed(error.message, error.hint) from error

    @cached_property
    def _signature(self) -> Signature:
        try:
            return signature_of(self.function)
        except Unsuitable as error:
            if self._takes is not None:  # the file says what it takes: it is handed on as it is
                return Signature(read(inspect.getdoc(self.function)).summary, {}, {})
            raise failed(f"{self.target} cannot be a tool: {error}", "write its `parameters`") from error

    @property
    def description(self) -> str:
        return self._signature.description

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        return self._signature.parameters if self._takes is None else self._takes.schema

    async def call(self, arguments: Mapping[str, Any], _context: ToolContext, /) -> Any:
        wanted = dict(arguments) if self._takes is None else given(self.name, self._takes, arguments)
        function = self.function
        try:
            made = self._signature.arguments(wanted)
        except ValueError as error:
            raise failed(f"the arguments of '{self.name}' do not fit: {error}") from error
        try:
            return await called(partial(function, **made))
        except WorkFailed as error:
            raise WorkFailed(error.failure._replace(type="tool")) from error
        except (Exception, SystemExit) as error:
            raise failed(raised(self.target, error), data={"exception": type(error).__name__}) from error


def function(spec: ToolSpec, settings: Mapping[str, Any], _environment: ToolEnvironment) -> Fixed:
    return Fixed({"": FunctionTool(spec, settings)})
