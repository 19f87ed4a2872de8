"""A server on loopback that speaks as OpenAI, Anthropic and Google do. The model's name says how it behaves.

ok        answers "Hello, world", or the JSON of `answer` where a form is asked for
prose     answers JSON inside prose and a code fence
plain     ignores `stream`, as simple servers do; `unwilling` refuses it
formless  refuses a schema for its answer; `toolless` refuses tools, as `refusal_of_tools` says it
uncounted tells no tokens
limited   429 with `retry-after: 7`
spent     429 without a word on when
refused   401        forbidden  403        missing  404        wrong  400        broken  500        busy  529
slow      begins an answer and never ends it
cut       begins an answer and closes the connection; `cut_clean` does so without breaking the HTTP framing
filtered  ends with finish_reason content_filter

`script` says what is answered, one entry a request, `refusal` what is refused, and `raw` what is sent byte for byte,
whatever the model is called.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from magent.agents import AgentEnvironment
from magent.model import AgentSpec
from magent.ports import Message, Request
from magent.process import ProcessExecutor

STATUS = {"limited": 429, "spent": 429, "refused": 401, "forbidden": 403, "missing": 404, "wrong": 400}
STATUS |= {"broken": 500, "busy": 529}
PIECES = ("Hello", ", ", "world")
SIGNATURE = "c2lnbmVkIGJ5IHRoZSBzZXJ2ZXI="


@dataclass
class Turn:
    """What a model says: text in pieces, calls of tools (id, name, arguments as text), a thought that it signs."""

    pieces: tuple[str, ...] = ()
    calls: tuple[tuple[str, str, str], ...] = ()
    thought: str = ""
    finish: str = ""


@dataclass
class Refusal:
    status: int
    headers: dict[str, str]
    body: Any


@dataclass
class Raw:
    """A body, in pieces; the connection is closed after the last."""

    pieces: tuple[bytes, ...]
    kind: str = "text/event-stream"


@dataclass
class Seen:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class FakeProvider:
    """`url` is its address, `seen` what was asked; `gone` is set when a `slow` caller has hung up."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    answer: Any = field(default_factory=lambda: {"score": 7})
    gone: threading.Event = field(default_factory=threading.Event)
    script: list[Turn] = field(default_factory=list)
    refusal: Refusal | None = None
    raw: Raw | None = None
    refusal_of_tools: str = "qwen3 does not support tools"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [seen.body for seen in self.seen]

    def __enter__(self) -> FakeProvider:
        provider = self

        class Handler(_Handler):
            fake = provider

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gone.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    fake: FakeProvider
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.fake.seen.append(Seen(self.path, headers, body))
        form = _form_of(self.path)
        if refusal := self.fake.refusal:
            self._whole(refusal.body, refusal.status, refusal.headers)
            return
        if self.fake.raw is not None:
            self._raw(self.fake.raw)
            return
        model = body.get("model") or self.path.rpartition("/")[2].partition(":")[0]
        behaviour = model.removeprefix("claude-").removeprefix("gemini-").partition("-")[0]
        if behaviour in STATUS:
            self._refuse(form, behaviour)
            return
        if behaviour == "unwilling" and body.get("stream"):
            self._whole(form.error(400, "`stream` is not supported with this model"), 400)
            return
        if behaviour == "formless" and "response_format" in body:
            self._whole(form.error(400, "This response_format type is unavailable now"), 400)
            return
        if behaviour == "toolless" and "tools" in body:
            self._whole(form.error(400, self.fake.refusal_of_tools), 400)
            return
        if self.fake.script:
            turn = self.fake.script.pop(0)
            if "stream" in self.path.lower() or body.get("stream"):
                self._stream(form.turn(model, turn), behaviour)
            else:
                self._whole(form.whole_turn(model, turn))
            return
        pieces = self._pieces(behaviour, body)
        if behaviour in ("plain", "unwilling"):
            self._whole(form.whole(model, "".join(pieces)))
            return
        finish = "content_filter" if behaviour == "filtered" else "tool_use" if body.get("tools") else "stop"
        events = form.events(model, pieces, finish)
        self._stream(events, behaviour)

    def _pieces(self, behaviour: str, body: dict[str, Any]) -> list[str]:
        text = json.dumps(self.fake.answer)
        if behaviour == "prose":
            return ["Sure! Here it is:\n```json\n", text, "\n```\nAnything else?"]
        if body.get("tools"):
            return ["", text[:4], text[4:]]
        asked = body.get("response_format") or body.get("output_config") or body.get("output_format")
        asked = asked or "responseJsonSchema" in json.dumps(body) or "responseSchema" in json.dumps(body)
        return [text[:4], text[4:]] if asked else list(PIECES)

    def _refuse(self, form: type[_OpenAI], behaviour: str) -> None:
        status = STATUS[behaviour]
        headers = {"retry-after": "7"} if behaviour == "limited" else {}
        said = f"the server says {behaviour}: {self.headers.get('authorization', '')}"
        self._whole(form.error(status, said), status, headers)

    def _whole(self, data: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _raw(self, raw: Raw) -> None:
        self.send_response(200)
        self.send_header("content-type", raw.kind)
        self.send_header("connection", "close")
        self.end_headers()
        for piece in raw.pieces:
            self.wfile.write(piece)
            self.wfile.flush()
        self.close_connection = True

    def _stream(self, events: Iterator[str], behaviour: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        clean = behaviour == "cut_clean"
        self.send_header("connection", "close") if clean else self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(events):
            if behaviour == "uncounted" and '"usage": {' in event:
                continue
            data = event.encode()
            self.wfile.write(data if clean else b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.flush()
            if number == 2 and behaviour in ("cut", "cut_clean"):
                self.close_connection = True
                return
            if number == 2 and behaviour == "slow":
                self._wait_until_gone()
                return
        if not clean:
            self.wfile.write(b"0\r\n\r\n")

    def _wait_until_gone(self) -> None:
        self.close_connection = True
        while not self.fake.gone.is_set():
            self.connection.settimeout(0.05)
            try:
                if not self.connection.recv(1):
                    self.fake.gone.set()
            except TimeoutError:
                continue
            except OSError:
                self.fake.gone.set()


class _OpenAI:
    @staticmethod
    def events(model: str, pieces: list[str], finish: str) -> Iterator[str]:
        def chunk(delta: dict[str, Any], reason: str | None = None) -> str:
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model}
            return f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"

        yield chunk({"role": "assistant", "content": ""})
        for piece in pieces:
            yield chunk({"content": piece})
        yield chunk({}, finish)
        usage = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}
        head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": []}
        yield f"data: {json.dumps({**head, 'usage': usage})}\n\n"
        yield "data: [DONE]\n\n"

    @staticmethod
    def turn(model: str, turn: Turn) -> Iterator[str]:
        def chunk(delta: dict[str, Any], reason: str | None = None, usage: Any = None) -> str:
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model}
            return f"data: {json.dumps({**head, 'choices': [] if usage else [choice], 'usage': usage})}\n\n"

        yield chunk({"role": "assistant", "content": ""})
        for piece in turn.pieces:
            yield chunk({"content": piece})
        for index, (id, name, arguments) in enumerate(turn.calls):
            function = {"name": name, "arguments": ""}
            yield chunk({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]})
            half = len(arguments) // 2
            for piece in (arguments[:half], arguments[half:]):
                yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        yield chunk({}, turn.finish or ("tool_calls" if turn.calls else "stop"))
        yield chunk({}, usage={"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16})
        yield "data: [DONE]\n\n"

    @staticmethod
    def whole_turn(model: str, turn: Turn) -> Any:
        calls = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for id, name, arguments in turn.calls
        ]
        message: dict[str, Any] = {"role": "assistant", "content": "".join(turn.pieces) or None}
        message |= {"tool_calls": calls} if calls else {}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
        usage = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}
        head = {"id": "c1", "object": "chat.completion", "created": 1, "model": model}
        return {**head, "choices": [choice], "usage": usage}

    @staticmethod
    def whole(model: str, text: str) -> Any:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}
        head = {"id": "c1", "object": "chat.completion", "created": 1, "model": model}
        return {**head, "choices": [choice], "usage": usage}

    @staticmethod
    def error(status: int, said: str) -> Any:
        return {"error": {"message": said, "type": "some_error", "code": None, "param": None}}


class _Anthropic(_OpenAI):
    @staticmethod
    def events(model: str, pieces: list[str], finish: str) -> Iterator[str]:
        def event(kind: str, **data: Any) -> str:
            return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n"

        usage = {"input_tokens": 11, "output_tokens": 1}
        message = {"id": "m1", "type": "message", "role": "assistant", "model": model, "content": [], "usage": usage}
        yield event("message_start", message={**message, "stop_reason": None, "stop_sequence": None})
        tool = finish == "tool_use"
        block = (
            {"type": "tool_use", "id": "t1", "name": "answer", "input": {}} if tool else {"type": "text", "text": ""}
        )
        yield event("content_block_start", index=0, content_block=block)
        for piece in pieces:
            delta = (
                {"type": "input_json_delta", "partial_json": piece} if tool else {"type": "text_delta", "text": piece}
            )
            yield event("content_block_delta", index=0, delta=delta)
        yield event("content_block_stop", index=0)
        stop = {"stop_reason": "tool_use" if tool else "end_turn", "stop_sequence": None}
        yield event("message_delta", delta=stop, usage={"input_tokens": 11, "output_tokens": 5})
        yield event("message_stop")

    @staticmethod
    def turn(model: str, turn: Turn) -> Iterator[str]:
        def event(kind: str, **data: Any) -> str:
            return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n"

        usage = {"input_tokens": 11, "output_tokens": 1}
        message = {"id": "m1", "type": "message", "role": "assistant", "model": model, "content": [], "usage": usage}
        yield event("message_start", message={**message, "stop_reason": None, "stop_sequence": None})
        blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
        if turn.thought:
            deltas = [
                {"type": "thinking_delta", "thinking": turn.thought},
                {"type": "signature_delta", "signature": SIGNATURE},
            ]
            blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, deltas))
        if turn.pieces:
            blocks.append(({"type": "text", "text": ""}, [{"type": "text_delta", "text": p} for p in turn.pieces]))
        for id, name, arguments in turn.calls:
            half = len(arguments) // 2
            deltas = [{"type": "input_json_delta", "partial_json": p} for p in (arguments[:half], arguments[half:])]
            blocks.append(({"type": "tool_use", "id": id, "name": name, "input": {}}, deltas))
        for index, (block, deltas) in enumerate(blocks):
            yield event("content_block_start", index=index, content_block=block)
            for delta in deltas:
                yield event("content_block_delta", index=index, delta=delta)
            yield event("content_block_stop", index=index)
        reason = turn.finish or ("tool_use" if turn.calls else "end_turn")
        yield event(
            "message_delta",
            delta={"stop_reason": reason, "stop_sequence": None},
            usage={"input_tokens": 11, "output_tokens": 5},
        )
        yield event("message_stop")

    @staticmethod
    def error(status: int, said: str) -> Any:
        return {"type": "error", "error": {"type": "some_error", "message": said}}


class _Google(_OpenAI):
    @staticmethod
    def events(model: str, pieces: list[str], finish: str) -> Iterator[str]:
        for number, piece in enumerate(pieces):
            candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": piece}]}, "index": 0}
            if number == len(pieces) - 1:
                candidate["finishReason"] = "STOP"
            usage = {"promptTokenCount": 11, "candidatesTokenCount": 5, "totalTokenCount": 16}
            yield f"data: {json.dumps({'candidates': [candidate], 'usageMetadata': usage, 'modelVersion': model})}\n\n"

    @staticmethod
    def turn(model: str, turn: Turn) -> Iterator[str]:
        parts: list[dict[str, Any]] = [{"text": piece} for piece in turn.pieces]
        for id, name, arguments in turn.calls:
            call = {"functionCall": {"id": id, "name": name, "args": json.loads(arguments)}}
            parts.append(call | ({"thoughtSignature": SIGNATURE} if turn.thought else {}))
        for number, part in enumerate(parts):
            candidate: dict[str, Any] = {"content": {"role": "model", "parts": [part]}, "index": 0}
            if number == len(parts) - 1:
                candidate["finishReason"] = turn.finish or "STOP"
            usage = {"promptTokenCount": 11, "candidatesTokenCount": 5, "totalTokenCount": 16}
            yield f"data: {json.dumps({'candidates': [candidate], 'usageMetadata': usage, 'modelVersion': model})}\n\n"

    @staticmethod
    def error(status: int, said: str) -> Any:
        return {"error": {"code": status, "message": said, "status": "SOME_STATUS"}}


def _form_of(path: str) -> type[_OpenAI]:
    if path.startswith(("/v1/messages", "/messages")):
        return _Anthropic
    return _Google if "GenerateContent" in path or "generateContent" in path else _OpenAI


# ---- agents in the words of their tests


def spec_of(kind: Literal["model", "command", "call", "replies"], **settings: Any) -> tuple[AgentSpec, dict[str, Any]]:
    return AgentSpec("someone", kind, settings, settings.pop("home", ".")), settings


def environment(**given: Any) -> AgentEnvironment:
    return AgentEnvironment(**{"executor": ProcessExecutor(), "environ": {}, **given})


def request(prompt: str, **more: Any) -> Request:
    return Request(prompt, (Message("user", prompt),), **more)
