"""`provider:model`, through Pydantic AI: OpenAI and what speaks its protocol, Anthropic, Google and others.

Pydantic AI and the providers' own libraries are imported when the first question is asked. They never retry by
themselves: that is the engine's work, which also validates what comes back.
"""

from __future__ import annotations

import asyncio
import importlib.util
import re
import warnings
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from typing import Any

from magent.agents.base import AgentEnvironment, BaseAgent, OnText, cut_off, failed, reply_from_text
from magent.agents.calls import results
from magent.agents.exchange import Exchange
from magent.agents.parts import calls_of, messages_of, opaque, parameters_of, text_of
from magent.agents.prices import price_of
from magent.agents.reach import reach
from magent.agents.refusals import address, explain, refuses_form, refuses_to_stream, refuses_tools, was_refused
from magent.agents.spoken import calls_in, conversation, form_of, held
from magent.agents.wire import listen
from magent.events import WorkFailed
from magent.model import AgentSpec
from magent.ports import Message, Reply, Request, Usage
from magent.source import did_you_mean
from magent.urls import is_address

_INSTALL = "pip install 'magent-cli[models]'"
_NO_KEY = "not-needed"  # what servers of one's own are sent where no `api_key` is given


@dataclass(frozen=True, slots=True)
class _Provider:
    """`keys`: variables that hold its key; `url`: one that names another address; `kind`: Pydantic AI's name."""

    kind: str
    keys: tuple[str, ...] = ()
    url: str = ""


_OPENAI = ("OPENAI_API_KEY",)
_GOOGLE = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
_KNOWN = {
    "openai": _Provider("openai-chat", _OPENAI, "OPENAI_BASE_URL"),
    "openai-chat": _Provider("openai-chat", _OPENAI, "OPENAI_BASE_URL"),
    "openai-responses": _Provider("openai-responses", _OPENAI, "OPENAI_BASE_URL"),
    "anthropic": _Provider("anthropic", ("ANTHROPIC_API_KEY",), "ANTHROPIC_BASE_URL"),
    "google": _Provider("google", _GOOGLE, "GOOGLE_GEMINI_BASE_URL"),
    "google-gla": _Provider("google", _GOOGLE, "GOOGLE_GEMINI_BASE_URL"),
    "google-vertex": _Provider("google-cloud"),
    "groq": _Provider("groq", ("GROQ_API_KEY",)),
    "mistral": _Provider("mistral", ("MISTRAL_API_KEY",)),
    "cohere": _Provider("cohere", ("CO_API_KEY",)),
    "deepseek": _Provider("deepseek", ("DEEPSEEK_API_KEY",)),
    "openrouter": _Provider("openrouter", ("OPENROUTER_API_KEY",)),
    "xai": _Provider("xai", ("XAI_API_KEY",)),
    "together": _Provider("together", ("TOGETHER_API_KEY",)),
    "fireworks": _Provider("fireworks", ("FIREWORKS_API_KEY",)),
    "cerebras": _Provider("cerebras", ("CEREBRAS_API_KEY",)),
}
_ADDRESS = ("base_url", "api_base", "azure_endpoint")  # what providers call the address
_MANY_SERVERS = ("openai-chat", "ollama", "litellm")  # protocols that servers of all kinds speak
_NO_FORM = (AssertionError, KeyError, TypeError, ValueError)  # what libraries raise for schemas beyond them
_OF_OPENAI = re.compile(r"(?:ft:|.*/)?(?:gpt-(?!oss)|chatgpt-|o[1-9](?![^-]))")  # models, whoever passes them on
_PLAIN = ("ollama", "azure", "bedrock", "huggingface", "github", "litellm", "vercel", "moonshotai", "google-cloud")


class ModelAgent(BaseAgent):
    def __init__(self, spec: AgentSpec, settings: Mapping[str, Any], environment: AgentEnvironment) -> None:
        super().__init__(spec, settings, environment)
        self.model_id = str(settings["model"]).strip()
        self._provider = _provider(self.model_id)
        self._model: Any = None
        self._open = AsyncExitStack()
        self._key = ""
        self._address = ""
        self._whole: set[bool] = set()  # whether tools are offered, where the server does not stream then
        self._own_server = False
        self._in_words: list[Mapping[str, Any]] = []  # schemas that the server does not take: the model is told them
        self._tools_in_words = False  # likewise
        self._making = asyncio.Lock()

    async def prepare(self) -> None:
        """Imports what the provider needs, which takes seconds on a slow machine: none of them is the task's."""
        async with self._making:
            if self._model is None:
                self._key, self._address = self._credentials()
                kind = self._provider.kind
                self._own_server = kind in _MANY_SERVERS and bool(self._address or kind != "openai-chat")
                provider, model = await asyncio.to_thread(self._make)
                await self._open.enter_async_context(provider)  # closes its connections in `close`
                self._model = model

    async def answer(self, request: Request, on_text: OnText) -> Reply:
        await self.prepare()
        try:
            return self._reply(await self._response(request, on_text), request)
        except (WorkFailed, asyncio.CancelledError):
            raise
        except Exception as error:
            raise explain(error, self.name, self.model_id, self._place(), self._key) from error

    async def reach(self, online: bool) -> str:
        """The key is there, and the libraries; online the provider answers, takes the key and has the model."""
        key, address = self._credentials()
        _, model = await asyncio.to_thread(self._make_with, key, address)
        if not online:
            return "its key is set" if key and key != _NO_KEY else "ready"
        kind = self._provider.kind.removesuffix("-chat").removesuffix("-responses")
        base = address or str(getattr(model, "base_url", "") or "")
        if not base.startswith("http"):
            return "its key is set; it was not asked"
        return await reach(kind, base, "" if key == _NO_KEY else key, self.model_id.partition(":")[2])

    async def close(self) -> None:
        self._model = None
        await self._open.aclose()

    # ---- the question

    async def _response(self, request: Request, on_text: OnText) -> Any:
        wanted, request = request, self._taken(request)
        if wanted.tools and not request.tools:
            on_text = held(on_text)
        parameters = parameters_of(request, self._model, own_server=self._own_server)
        asked = {"model_settings": self._settings(request), "model_request_parameters": parameters, "instrument": False}
        messages = messages_of(request, self.model_id)
        exchange = Exchange(self._model, request, on_text, messages, asked, address(self._place()), self._cost)
        try:
            if bool(request.tools) not in self._whole:
                response = await self._streamed(exchange)
                if response is not None:
                    return response
                self._whole.add(bool(request.tools))
            return await exchange.whole()
        except Exception as error:
            if was_refused(error):
                exchange.refused()
            if not self._learns(error, request, sent=exchange.wire.sent):
                raise
        return await self._response(wanted, on_text)

    def _taken(self, request: Request) -> Request:
        """The request without what the server is known not to take, which is told to the model in words."""
        if request.tools and self._tools_in_words:
            whole = Message("user", conversation(request, with_system=False))
            return replace(request, messages=(whole,), tools=(), schema=None)
        if request.schema is not None and request.schema in self._in_words:
            told = (request.system, form_of(request.schema))
            return replace(request, schema=None, system="\n\n".join(text for text in told if text))
        return request

    def _learns(self, error: Exception, request: Request, *, sent: bool) -> bool:
        """Whether there is another way to ask, as the server, or its library, does not take this one."""
        if request.tools and refuses_tools(error):
            self._tools_in_words = True
            return True
        unsaid = not sent and isinstance(error, _NO_FORM)
        if request.schema is not None and (unsaid or refuses_form(error) or refuses_tools(error)):  # a tool may take it
            self._in_words.append(request.schema)
            return True
        return False

    @staticmethod
    async def _streamed(exchange: Exchange) -> Any:
        """None where the server does not stream, be it that it says so."""
        try:
            return await exchange.streamed()
        except Exception as error:
            if not refuses_to_stream(error):
                raise
            return None

    def _settings(self, request: Request) -> dict[str, Any]:
        own = self.settings
        settings: dict[str, Any] = {"max_retries": 0, **(own.get("settings") or {})}
        if "temperature" in own:
            settings["temperature"] = own["temperature"]
        if request.max_tokens is not None:
            settings |= self._bound(request.max_tokens, settings)
        if request.timeout is not None:
            settings["timeout"] = request.timeout + 1  # ours is first, and says so
        return settings

    def _bound(self, most: int, settings: dict[str, Any]) -> dict[str, Any]:
        """How long the answer may be. OpenAI's name of today is passed over by many servers, which then never end; the
        older one is known to all but OpenAI's own models."""
        if not self._own_server or _OF_OPENAI.match(self.model_id.partition(":")[2]):
            return {"max_tokens": most}
        settings.pop("max_tokens", None)
        return {"extra_body": {**(settings.get("extra_body") or {}), "max_tokens": most}}

    # ---- the answer

    def _reply(self, response: Any, request: Request) -> Reply:
        if response.finish_reason == "content_filter":
            raise failed(f"{self.model_id} withheld its answer (content filter)", "change the prompt, or the model")
        usage = request.meter.read() or Usage(requests=1)
        name = f"{self.model_id.partition(':')[0]}:{response.model_name or self.model_id.partition(':')[2]}"
        text, cut = text_of(response), response.finish_reason == "length"
        calls, answer = calls_of(response, request)
        if self._tools_in_words and (found := calls_in(text, request)):
            calls, text = found
        if calls and cut:
            raise cut_off(self.name, usage.output, "the call of a tool")
        if calls:
            kept = opaque(response, self.model_id, calls)
            return Reply(text, usage=usage, model=name, calls=calls, opaque=kept)
        reply = reply_from_text(text if answer is None else answer, request.schema, usage, name)
        if cut and request.schema is not None and not reply.has_data:
            raise cut_off(self.name, usage.output)
        if not reply.text.strip() and not results(request.messages):
            raise self._empty(usage, cut)
        return replace(reply, cut=cut)

    def _empty(self, usage: Usage, cut: bool) -> WorkFailed:
        """No word, also after no call of a tool, is no answer."""
        if cut:
            return cut_off(self.name, usage.output, "its thoughts, before it said a word")
        return failed(f"{self.model_id} gave an empty answer", "try again, or change the prompt")

    def _cost(self, given: int, said: int, response: Any) -> float | None:
        """Dollars, by the agent's own price, the list's for the model that answered, or for the one that was asked."""
        if not isinstance(self.settings.get("price"), Mapping) and response is not None:
            usage = replace(response.usage, input_tokens=given, output_tokens=said)
            with suppress(LookupError, ValueError, AssertionError):
                return float(replace(response, usage=usage).cost().total_price)
        price = price_of(self.spec, self.settings)
        return None if price is None else (given * price[0] + said * price[1]) / 1e6

    # ---- making the model

    def _credentials(self) -> tuple[str, str]:
        """The key and the address (empty: the provider's own). Raises WorkFailed where a key is needed and missing, or
        the address is none."""
        key, address = self._named()
        if address and not is_address(address):
            message = f"agent '{self.name}' has no address that can be asked: '{_hidden(address, key)[:200]}'"
            raise failed(message, "an address begins with http:// or https://, as http://localhost:8000/v1", final=True)
        return key, address

    def _named(self) -> tuple[str, str]:
        environ, provider = self.environment.environ, self._provider
        own_address, own_key = self.settings.get("base_url"), self.settings.get("api_key")
        if own_key or not provider.keys:
            return str(own_key or ""), str(own_address or "")
        if own_address:  # a key of the environment is for the provider, not for whoever answers there
            return _NO_KEY, str(own_address)
        for name in provider.keys:
            if environ.get(name):
                return environ[name], environ.get(provider.url, "") if provider.url else ""
        name = provider.keys[0]
        raise failed(
            f"agent '{self.name}' has no key for {self.model_id}: {name} is not set",
            f'set {name}, or write `api_key: "{{{{ secrets.{name} }}}}"` on the agent and list it under `secrets`',
            final=True,
        )

    def _make(self) -> tuple[Any, Any]:
        return self._make_with(self._key, self._address)

    def _make_with(self, key: str, address: str) -> tuple[Any, Any]:
        if importlib.util.find_spec("pydantic_ai") is None:
            raise failed(f"{self.model_id} needs Pydantic AI, which is not installed", _INSTALL, final=True)
        from pydantic_ai.exceptions import UserError
        from pydantic_ai.models import infer_model
        from pydantic_ai.providers import infer_provider_class

        _be_quiet()
        try:
            maker = infer_provider_class(self._provider.kind)
            provider = maker(**_arguments(maker, key, address))
            name = f"{self._provider.kind}:{self.model_id.partition(':')[2]}"
            model = infer_model(name, provider_factory=lambda _: provider)
        except ImportError as error:
            raise failed(
                f"{self.model_id} needs a library that is not installed: {error}", _INSTALL, final=True
            ) from error
        except (UserError, ValueError, TypeError) as error:
            raise failed(f"{self.model_id} cannot be used: {_hidden(str(error), key)}", final=True) from error
        listen(provider)
        if hasattr(provider.client, "max_retries"):
            provider.client.max_retries = 0
        return provider, model

    def _place(self) -> str:
        return str(getattr(self._model, "base_url", "") or self._address or self.model_id)


def _provider(model_id: str) -> _Provider:
    name, colon, model = model_id.partition(":")
    if not colon or not model.strip():
        if name in _KNOWN:
            raise failed(f"'{model_id}' names a provider, but no model", f"write {name}:MODEL")
        near = None if colon else did_you_mean(name, ["local", *_KNOWN])
        raise failed(
            f"'{model_id}' names no model", near or "write provider:model, such as openai:gpt-5-mini, or local"
        )
    if name in _KNOWN:
        return _KNOWN[name]
    if name in _PLAIN or _is_provider(name):
        return _Provider(name)
    near = did_you_mean(name, [*_KNOWN, *_PLAIN, "local"])
    raise failed(f"'{name}' in '{model_id}' is no provider of models", near or f"known: {', '.join(_KNOWN)}")


def _is_provider(name: str) -> bool:
    """One that Pydantic AI knows and this table does not."""
    if importlib.util.find_spec("pydantic_ai") is None:
        return False
    from pydantic_ai.providers import infer_provider_class

    try:
        infer_provider_class(name)
    except ImportError:
        return True
    except ValueError:
        return False
    return True


def _arguments(maker: Any, key: str, address: str) -> dict[str, Any]:
    """Raises ValueError where the provider is to be asked at an address, and can only be asked at its own."""
    import inspect

    taken = inspect.signature(maker).parameters
    given = {"api_key": key} if key and "api_key" in taken else {}
    if not address:
        return given
    name = next((name for name in _ADDRESS if name in taken), None)
    if name is None:
        raise ValueError(
            "this provider is asked at no other address than its own; write openai:MODEL for a server that speaks "
            "OpenAI's protocol at `base_url`"
        )
    return {**given, name: address}


def _be_quiet() -> None:
    """A setting that a model does not know is left out by Pydantic AI, which warns of it on stderr."""
    warnings.filterwarnings("ignore", module=r"pydantic_ai(\..*)?")
    warnings.filterwarnings("ignore", category=UserWarning, message=".*(not supported|unsupported).*")


def _hidden(text: str, key: str) -> str:
    return text.replace(key, "***") if len(key) > 3 else text
