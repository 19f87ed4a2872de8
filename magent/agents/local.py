"""A small model inside the process: no key, no server of one's own, no network after the first use.

`xllamacpp` serves a GGUF file in threads of this process. It is asked directly; the loopback port that it opens
besides has a random key that nobody is told. A server is shared by all agents with the same file, and stays until the
process ends.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib.util
import json
import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from magent.agents import choice
from magent.agents.base import AgentEnvironment, BaseAgent, OnText, cut_off, failed, reply_from_text
from magent.agents.download import Cancelled, model_file, place
from magent.agents.grammar import NoGrammar, bound, text_of
from magent.events import WorkFailed
from magent.model import AgentSpec
from magent.ports import Reply, Request, Usage

SLOTS = 2  # answers that are made at once
CONTEXT = 4096  # tokens of one conversation, the answer included
TEXT_TOKENS = 400  # of an answer in text that has no bound
DATA_TOKENS = 1024  # of one under a grammar, which ends by itself
_BATCH = 128  # tokens of a prompt between two chances to call an answer off
_SAME = {"temperature": 0.0, "seed": 1, "cache_prompt": False}  # the same question gets the same answer
_NO_LIBRARY, _INSTALL = "the local model needs xllamacpp, which is not installed", "pip install 'magent-cli[local]'"
_MAGIC = b"GGUF"
_LEAN = {
    "hostnames": ["127.0.0.1"],
    "endpoint_slots": False,
    "ui": False,
    "warmup": False,
    "cache_ram_mib": 0,
    "n_ctx_checkpoints": 0,
}


class LocalAgent(BaseAgent):
    def __init__(self, spec: AgentSpec, settings: Mapping[str, Any], environment: AgentEnvironment) -> None:
        super().__init__(spec, settings, environment)
        self._own = dict(settings.get("settings") or {})
        self._size = Size(int(self._own.pop("n_ctx", CONTEXT)), int(self._own.pop("n_threads", 0)) or _threads())

    async def prepare(self) -> None:
        """Fetches and loads the model, where that was not done yet, so that no task's time is spent on it."""
        await self._server()

    async def reach(self, online: bool) -> str:  # noqa: ARG002
        """Whether its file is there; it is neither loaded nor fetched."""
        if importlib.util.find_spec("xllamacpp") is None:
            raise failed(_NO_LIBRARY, _INSTALL, final=True)
        named = self._named()
        path = Path(self.home, named) if named else place(self.environment.cache)
        if named or path.exists():
            await asyncio.to_thread(_look_at, path)
            return f"{path} is there"
        return "its file is fetched when it is first asked"

    async def answer(self, request: Request, on_text: OnText) -> Reply:
        try:
            return await self._answer(await self._server(), request, on_text)
        except NoGrammar as error:
            raise failed(f"the local model cannot be held to this form: {error}", final=True) from None

    async def _answer(self, server: _Server, request: Request, on_text: OnText) -> Reply:
        answers: list[_Answer] = []
        request.meter.read = lambda: _used(answers)
        if choice.may_call(request):
            said = await self._chat(server, self._choice(request), _keep_quiet, answers)
            try:
                call = choice.chosen(said.text, request)
            except ValueError:
                raise cut_off(self.name, said.usage.output, "the call of a tool") from None
            if call is not None:
                return Reply("", usage=_used(answers), model=server.name, calls=(call,))
        said = await self._chat(server, self._body(request, _used(answers).output), on_text, answers)
        reply = reply_from_text(said.text, request.schema, _used(answers), server.name)
        if said.cut and request.schema is not None and not reply.has_data:
            raise cut_off(self.name, said.usage.output)
        return replace(reply, cut=said.cut)

    async def _chat(self, server: _Server, body: Mapping[str, Any], on_text: OnText, answers: list[_Answer]) -> _Answer:
        answer = _Answer(asyncio.get_running_loop(), on_text)
        answers.append(answer)
        try:
            await asyncio.wrap_future(server.pool.submit(server.chat, body, answer))
        finally:
            answer.over = True
        if answer.error is not None:
            raise self._refused(answer.error)
        return answer

    async def _server(self) -> _Server:
        called_off = threading.Event()
        try:
            return await asyncio.to_thread(self._serve, called_off)
        finally:
            called_off.set()

    def _serve(self, called_off: threading.Event) -> _Server:
        try:
            return serve(self._path(called_off), self._size)
        except Cancelled as error:
            raise failed("the local model was not fetched: called off") from error

    def _path(self, called_off: threading.Event) -> Path:
        named = self._named()
        if not named:
            environment = self.environment
            return model_file(environment.cache, environment.environ, environment.on_progress, called_off)
        return Path(self.home, named)

    def _named(self) -> str:
        """The file that the agent or the environment names; empty: magent's own."""
        named = self.settings["model"].partition(":")[2] or self.environment.environ.get("MAGENT_LOCAL_MODEL", "")
        return os.path.expanduser(named.removeprefix("local:"))

    def _choice(self, request: Request) -> dict[str, Any]:
        """The request in which it chooses between a call and an answer."""
        return self._asking(choice.asked(request), request.max_tokens or DATA_TOKENS, choice.grammar(request.tools))

    def _body(self, request: Request, spent: int = 0) -> dict[str, Any]:
        """The request for the answer. What the choice before it took counts against `max_tokens`, too."""
        messages = choice.talk(request)
        system = "\n\n".join(part for part in (request.system, _form(request.schema)) if part)
        most = request.max_tokens or (TEXT_TOKENS if request.schema is None else DATA_TOKENS)
        schema = None if request.schema is None else bound(request.schema)
        messages = [{"role": "system", "content": system}, *messages] if system else messages
        return self._asking(messages, max(1, most - (spent if request.max_tokens else 0)), schema)

    def _asking(
        self, messages: Sequence[Mapping[str, str]], max_tokens: int, schema: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            **_SAME,
            "max_tokens": max_tokens,
            **({"temperature": self.settings["temperature"]} if "temperature" in self.settings else {}),
            **self._own,
            "messages": list(messages),
            "stream": True,
            "return_progress": True,
            "stream_options": {"include_usage": True},
        }
        if schema is not None:
            body["grammar"] = text_of(schema)
        return body

    def _refused(self, error: Mapping[str, Any]) -> WorkFailed:
        if error.get("type") == "exceed_context_size_error":
            tokens = error.get("n_prompt_tokens", "too many")
            most = self._size.context
            return failed(
                f"the prompt is too long for agent '{self.name}': {tokens} tokens, and {most} are possible",
                f"shorten it, raise `settings: {{n_ctx: {2 * most}}}` on the agent, or name a larger model",
            )
        return failed(f"agent '{self.name}': {error.get('message', error)}")


class _Answer:
    """What one request has brought so far. A thread of the server fills it; text goes to the loop as it arrives."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_text: OnText) -> None:
        self.over = False
        self.cut = False
        self.parts: list[str] = []
        self.error: Mapping[str, Any] | None = None
        self._used: Mapping[str, Any] = {}
        self._read = 0  # tokens of the prompt, so far
        self._loop = loop
        self._on_text = on_text

    def take(self, chunk: Mapping[str, Any]) -> bool:
        """True stops the request."""
        if "error" in chunk:
            self.error = chunk["error"]
        self._used = chunk.get("usage") or self._used
        self._read = (chunk.get("prompt_progress") or {}).get("processed", self._read)
        for part in chunk.get("choices", ()):
            self.cut = self.cut or part.get("finish_reason") == "length"
            if not self.over and (text := part.get("delta", {}).get("content")):
                self.parts.append(text)
                self._hand_on(text)
        return self.over

    def _hand_on(self, text: str) -> None:
        try:
            self._loop.call_soon_threadsafe(self._show, text)
        except RuntimeError:  # the loop is closed: nobody waits for this answer
            self.over = True

    def _show(self, text: str) -> None:
        if not self.over:
            self._on_text(text)

    @property
    def text(self) -> str:
        return "".join(self.parts)

    @property
    def usage(self) -> Usage:
        """As it is counted in the end; before, by the pieces, which are tokens."""
        return Usage(
            self._used.get("prompt_tokens", self._read), self._used.get("completion_tokens", len(self.parts)), 0.0, 1
        )


def _used(answers: Sequence[_Answer]) -> Usage:
    each = [answer.usage for answer in answers]
    return Usage(sum(one.input for one in each), sum(one.output for one in each), 0.0, len(each))


class Size(NamedTuple):
    """Of a server: tokens of one conversation, threads of the processor."""

    context: int
    threads: int


def _threads() -> int:
    """Half the processors: threads that wait for one another crawl where others work, too."""
    return max(1, min(8, (os.cpu_count() or 2) // 2))


class _Server:
    """A loaded model. `pool` has one thread a slot: what waits there waits in order, and can be called off."""

    def __init__(self, path: Path, size: Size) -> None:
        self.name = f"local:{path.stem}"
        self.pool = ThreadPoolExecutor(SLOTS, thread_name_prefix="magent-local")
        self._native = _load(path, size)

    def chat(self, body: Mapping[str, Any], answer: _Answer) -> None:
        if answer.over:
            return
        try:
            self._native.handle_chat_completions(body, answer.take)
        except (ValueError, RuntimeError) as error:
            answer.error = {"message": f"the local model cannot be held to this form: {error}"}


_SERVERS: dict[tuple[str, Size], Future[_Server]] = {}
_LOCK = threading.Lock()


def serve(path: Path, size: Size) -> _Server:
    """The server of a GGUF file, loaded once a process. Blocks. Raises WorkFailed."""
    path = Path(os.path.realpath(path))
    key = (str(path), size)
    with _LOCK:
        future = _SERVERS.get(key)
        mine = future is None
        if future is None:
            future = _SERVERS[key] = Future()
    if mine:
        try:
            future.set_result(_Server(path, size))
        except BaseException as error:
            del _SERVERS[key]
            future.set_exception(error)
            raise
    return future.result()


def _load(path: Path, size: Size) -> Any:
    _look_at(path)
    if importlib.util.find_spec("xllamacpp") is None:
        raise failed(_NO_LIBRARY, _INSTALL, final=True)
    import xllamacpp

    try:
        server = xllamacpp.Server(_parameters(xllamacpp.CommonParams(), path, size))
    except (RuntimeError, ValueError) as error:
        hint = "fetch it again, or name a model that llama.cpp can serve"
        raise failed(f"{path} cannot be loaded: it is damaged, or of an unknown kind", hint) from error
    # A server that is let go before its threads run waits for ever, so it is kept, and has answered once.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(server))
    server.handle_completions({"prompt": "a", "max_tokens": 1})
    return server


def _parameters(parameters: Any, path: Path, size: Size) -> Any:
    parameters.model.path = str(path)
    parameters.n_parallel = SLOTS
    parameters.n_ctx = SLOTS * size.context
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = size.threads
    parameters.n_batch = parameters.n_ubatch = _BATCH
    parameters.port = 0
    parameters.api_keys = [secrets.token_urlsafe(32)]
    parameters.verbosity = -1
    for name, value in _LEAN.items():
        if hasattr(parameters, name):
            setattr(parameters, name, value)
    return parameters


def _look_at(path: Path) -> None:
    hint = "see MAGENT_LOCAL_MODEL, or the path after `local:`"
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise failed(f"there is no model to load at {path}: {error.strerror}", hint) from error
    if magic != _MAGIC:
        raise failed(f"{path} is no GGUF file", hint)


def _keep_quiet(text: str) -> None:
    """A choice is no answer."""


def _form(schema: Mapping[str, Any] | None) -> str:
    """What the fields mean, in words: the grammar alone does not tell the model."""
    if schema is None:
        return ""
    fields = [f"- {name}{_meaning(field)}" for name, field in schema.get("properties", {}).items()]
    return "\n".join(["Answer in JSON with these fields:", *fields]) if fields else "Answer in JSON."


def _meaning(field: Any) -> str:
    if not isinstance(field, Mapping):
        return ""
    if "enum" in field:
        return ": one of " + ", ".join(json.dumps(value, ensure_ascii=False) for value in field["enum"])
    described = field.get("description")
    return f": {described}" if described else ""
