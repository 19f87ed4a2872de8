"""From words to a verb's function: typer declares the options, this parses them.

Typer would convert each value through pydantic, whose import costs more than all the rest of a command (0.17 s), and
its errors would be its own. So values are taken as texts, lists of texts and flags, and the verbs convert them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from magent.cli import VERSION_LINE
from magent.cli.console import Console, Globals
from magent.errors import UsageError
from magent.source import did_you_mean

# The parser's own class of usage errors: typer carries it inside or takes it from click, depending on its version.
ParserError: type[Exception] = typer.BadParameter.__bases__[0]


def _globals(
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors and final hints only.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Print more, and tracebacks.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="Print without colours.")] = False,
    store: Annotated[str | None, typer.Option("--store", metavar="URL", help="Where runs are kept.")] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """The options that every verb takes; never called, read for its declarations."""


class Verb(TyperCommand):
    """A command whose values stay texts, with the global options added; `ctx.obj` is the Console."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = self._given(ctx, args)
        asks_help = given.get(getattr(self.get_help_option(ctx), "name", None) or "help")
        if asks_help or given.get("version"):
            told = self.get_help(ctx) if asks_help else VERSION_LINE
            self.callback = lambda: ctx.obj.result(told)
            return []
        values = {param.name: _value(param, given) for param in self.params}
        names = Globals.__dataclass_fields__
        ctx.obj.configure(Globals(**{name: values.pop(name) for name in names}))
        del values["version"]
        ctx.params = values
        return []

    def _given(self, ctx: Any, args: list[str]) -> dict[str, Any]:
        try:
            given, rest, _ = self.make_parser(ctx).parse_args(args=list(args))
        except ParserError as error:
            raise self._usage_error(ctx, error) from error
        if rest:
            raise UsageError(f"unexpected argument '{rest[0]}'", f"see {ctx.command_path} --help")
        return dict(given)

    def _usage_error(self, ctx: Any, error: Exception) -> UsageError:
        name = getattr(error, "option_name", None)
        if name and hasattr(error, "possibilities"):
            known = [option for param in self.get_params(ctx) for option in (*param.opts, *param.secondary_opts)]
            return UsageError(f"no such option '{name}'", did_you_mean(name, known) or f"see {ctx.command_path} --help")
        message = str(error.format_message()) if hasattr(error, "format_message") else str(error)
        return UsageError(message[:1].lower() + message[1:].rstrip("."), f"see {ctx.command_path} --help")


def _value(param: Any, given: dict[str, Any]) -> Any:
    value = given.get(param.name)
    if isinstance(value, (str, list, tuple, bool)):
        return value
    return param.default if isinstance(param.default, (str, bool)) else None


def command(function: Callable[..., Any]) -> Verb:
    """The parser of a verb's function, which takes `ctx: typer.Context` first."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(cls=Verb, context_settings={"help_option_names": ["-h", "--help"]})(function)
    shared = typer.Typer(add_completion=False, rich_markup_mode=None)
    shared.command(cls=Verb)(_globals)
    made = typer.main.get_command(app)
    assert isinstance(made, Verb)
    made.params.extend(typer.main.get_command(shared).params)
    return made


def execute(function: Callable[..., Any], name: str, args: Sequence[str], console: Console) -> int:
    """Parses the words and calls the function. Returns its exit code. Raises UsageError."""
    verb = command(function)
    with verb.make_context(f"magent {name}", list(args), obj=console) as ctx:
        return int(verb.invoke(ctx) or 0)
