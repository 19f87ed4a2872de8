"""From words to a verb's function: typer parses them by what `declared` says.

Typer would convert each value through pydantic, whose import costs more than all the rest of a command (0.17 s), and
its errors would be its own. So values are taken as texts, lists of texts and flags, and the verbs convert them.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from inspect import Parameter, Signature
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from magent.cli.declared import Argument, Declared, Option
from magent.cli.verbs import second_words
from magent.errors import UsageError
from magent.source import did_you_mean

# The parser's own class of usage errors: typer carries it inside or takes it from click, depending on its version.
ParserError: type[Exception] = typer.BadParameter.__bases__[0]


class Verb(TyperCommand):
    """A command whose values stay texts."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = self._given(ctx, args)
        ctx.params = {param.name: _value(param, given) for param in self.params}
        return []

    def _given(self, ctx: Any, args: list[str]) -> dict[str, Any]:
        try:
            given, rest, _ = self.make_parser(ctx).parse_args(args=list(args))
        except ParserError as error:
            raise self._usage_error(ctx, error) from error
        if rest:
            raise UsageError(f"unexpected argument '{rest[0]}'", self._too_many(ctx, rest[0]))
        return dict(given)

    def _too_many(self, ctx: Any, word: str) -> str:
        name, equals, _ = word.partition("=")
        if equals and name.isidentifier() and any("-i" in param.opts for param in self.params):
            return f"an input is given with -i: {shlex.join(['-i', word])}"
        if word in second_words(first := str(ctx.command_path).split()[1]):
            return f"the second word follows the first: magent {first} {word} [OPTIONS]"
        takes = " ".join(str(param.metavar) for param in self.params if param.param_type_name == "argument")
        return f"`{ctx.command_path}` takes {takes or 'options only'}; see {ctx.command_path} --help"

    def _usage_error(self, ctx: Any, error: Exception) -> UsageError:
        name = getattr(error, "option_name", None)
        if name and hasattr(error, "possibilities"):
            known = [option for param in self.get_params(ctx) for option in (*param.opts, *param.secondary_opts)]
            return UsageError(f"no such option '{name}'", did_you_mean(name, known) or f"see {ctx.command_path} --help")
        for param in self.params if name else ():
            if name in (*param.opts, *param.secondary_opts):
                if getattr(param, "is_flag", False):
                    return UsageError(f"{name} takes no value", f"write {name} alone")
                return UsageError(f"{name} needs a value", f"write {name} {param.metavar}")
        message = str(error.format_message()) if hasattr(error, "format_message") else str(error)
        return UsageError(message[:1].lower() + message[1:].rstrip("."), f"see {ctx.command_path} --help")


def _value(param: Any, given: dict[str, Any]) -> Any:
    value = given.get(param.name)
    if isinstance(value, (str, list, tuple, bool)):
        return value
    return param.default if isinstance(param.default, (str, bool)) else None


def kind(item: Option | Argument) -> Any:
    """The type of its value: `str | None`, `list[str] | None`, `bool`, or `bool | None` where there is a no."""
    if item.many:
        return list[str] | None
    if isinstance(item, Argument):
        return str | None if item.default is None else str
    return str | None if item.value else bool | None if _says_no(item) else bool


def _says_no(option: Option) -> bool:
    return any(word.startswith("--no-") for word in option.words[1:])


def command(declared: Declared) -> Verb:
    """The parser of what is declared."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

    def verb() -> None:
        """Stands for the signature that typer reads."""

    params = [*(_argument(each) for each in declared.arguments), *(_option(each) for each in declared.options)]
    verb.__signature__ = Signature(params)  # type: ignore[attr-defined]
    verb.__annotations__ = {each.name: each.annotation for each in params}
    app.command(cls=Verb, add_help_option=False)(verb)
    made = typer.main.get_command(app)
    assert isinstance(made, Verb)
    return made


def _argument(each: Argument) -> Parameter:
    return _parameter(each.name, Annotated[kind(each), typer.Argument(metavar=each.value)], each.default)


def _option(each: Option) -> Parameter:
    flags = ["/".join(each.words)] if _says_no(each) else each.words
    default = False if kind(each) is bool else None
    return _parameter(each.name, Annotated[kind(each), typer.Option(*flags, metavar=each.value or None)], default)


def _parameter(name: str, annotation: Any, default: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def parse(declared: Declared, name: str, args: Sequence[str]) -> dict[str, Any]:
    """The values of all that is declared, by name. Raises UsageError."""
    with command(declared).make_context(f"magent {name}", list(args)) as context:
        return dict(context.params)
