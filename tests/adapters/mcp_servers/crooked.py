"""An MCP server written by hand, that errs in the ways its arguments name. It needs nothing but Python."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

HOW = set(sys.argv[1:])
OBJECT: dict[str, Any] = {"type": "object", "properties": {"text": {"type": "string"}}}
NAMES = [
    "echo",
    "pid",
    "env",
    "die",
    "hang",
    "error",
    "broken",
    "wordy",
    "huge",
    "parts",
    "change",
    "cancelled",
    "fails",
]
seen: list[Any] = []
waiting: list[Any] = []
replies: dict[str, str] = {}


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": f"{name}s.", "inputSchema": OBJECT, **more}


tools = [tool(name) for name in NAMES]
if "unsound" in HOW:
    tools.append(
        tool("look", inputSchema={"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=x)"}}})
    )
    tools.append(tool("far", inputSchema={"type": "object", "properties": {"a": {"$ref": "http://example.org/x"}}}))
if "odd" in HOW:
    tools += [tool("a/b c"), tool("näh.was-1")]
if "unprintable" in HOW:
    tools.append(tool("evil\x1b[31m"))
if "twins" in HOW:
    tools += [tool("same", description="One."), tool("same", description="Another.")]
if "misfits" in HOW:
    tools.append(tool("misfit", outputSchema={"type": "object", "properties": {"n": {"type": "integer"}}}))
if "shapeless" in HOW:
    tools.append({"name": "shapeless"})
if "asking" in HOW:
    tools += [tool(name) for name in ("asks", "deaf", "nan", "deep", "half")]
if "many" in HOW:
    tools += [tool(f"tool_{number}") for number in range(3000)]


def send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def text(value: Any, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": str(value)}], **more}


def called(identity: Any, name: str, arguments: dict[str, Any]) -> None:
    result: dict[str, Any] | None = None
    if name in ("echo", "a/b c", "näh.was-1", "later") or name.startswith("tool_"):
        result = text(arguments.get("text"))
    elif name == "pid":
        result = text(os.getpid())
    elif name == "env":
        result = text(json.dumps({"env": dict(os.environ), "cwd": os.getcwd()}))
    elif name == "die":
        sys.stderr.write("first line\nthe disk \x1b[31mis full\n")
        sys.stderr.flush()
        os._exit(7)
    elif name == "error":
        send({"id": identity, "error": {"code": -32001, "message": "the index is being built"}})
    elif name == "broken":
        send({"id": identity, "result": 5})
    elif name == "wordy":
        sys.stdout.write("x" * 9_000_000 + "\n")
        sys.stdout.flush()
    elif name == "huge":
        result = text("x" * 1_200_000)
    elif name == "parts":
        image = {"type": "image", "data": "aGVsbG8=", "mimeType": "image/png"}
        note = {"type": "resource", "resource": {"uri": "note://1", "mimeType": "text/plain", "text": "a note"}}
        blob = {"type": "resource", "resource": {"uri": "blob://1", "blob": "aGVsbG8="}}
        link = {"type": "resource_link", "uri": "file:///x", "name": "x"}
        result = {"content": [{"type": "text", "text": "see"}, image, note, blob, link]}
    elif name == "change":
        tools[:] = [each for each in tools if each["name"] != "fails"] + [tool("later")]
        send({"method": "notifications/tools/list_changed"})
        result = text("changed")
    elif name == "cancelled":
        result = text(json.dumps(seen))
    elif name == "fails":
        result = text("the page is locked", isError=True)
    elif name == "misfit":
        result = text("", structuredContent={"n": "many"})
    elif name == "nan":
        result = text("", structuredContent={"n": float("nan")})
    elif name == "deep":
        deep = '{"a":' * 5000 + "1" + "}" * 5000
        sys.stdout.write(f'{{"jsonrpc":"2.0","id":{identity},"result":{{"content":[],"structuredContent":{deep}}}}}\n')
        sys.stdout.flush()
    elif name == "half":
        result = text("half a pair: \ud800")
    elif name == "asks":
        waiting.append(identity)
        send({"id": "q1", "method": "ping"})
        send({"id": "q2", "method": "roots/list"})
        message = {"role": "user", "content": {"type": "text", "text": "?"}}
        send({"id": "q3", "method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": 9}})
    elif name == "deaf":
        time.sleep(300)
    elif name != "hang":
        send({"id": identity, "error": {"code": -32602, "message": f"no tool {name}"}})
    if result is not None:
        send({"id": identity, "result": result})


def answer(message: dict[str, Any]) -> None:
    method, identity, params = message.get("method"), message.get("id"), message.get("params") or {}
    if method == "initialize":
        if "silent" in HOW:
            return
        result: dict[str, Any] = {
            "protocolVersion": params["protocolVersion"] if "future" not in HOW else "3000-01-01",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "crooked", "version": "1"},
        }
        send({"id": identity, "result": result})
    elif method == "tools/list":
        listed(identity, params.get("cursor"))
    elif method == "tools/call":
        called(identity, params["name"], params.get("arguments") or {})
    elif method == "notifications/cancelled":
        seen.append(params["requestId"])
    elif method is None:
        replies[str(identity)] = "result" if "result" in message else message["error"]["message"]
        if len(replies) == 3:
            send({"id": waiting.pop(), "result": text(json.dumps(replies))})


def listed(identity: Any, cursor: str | None) -> None:
    if "endless" in HOW:
        send({"id": identity, "result": {"tools": [], "nextCursor": "on"}})
        return
    start = int(cursor or 0)
    more = {"nextCursor": str(start + 500)} if start + 500 < len(tools) else {}
    send({"id": identity, "result": {"tools": tools[start : start + 500], **more}})


if "expired" in HOW:
    sys.stderr.write("the licence has expired\n")
    sys.exit(3)
if "noisy" in HOW:
    sys.stdout.buffer.write(b"Starting \xff\xfe ...\n{not json}\n[]\n")
    sys.stdout.flush()
if "stubborn" in HOW:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for alone in (False, True):
        subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; sleep 300 & wait; sleep 300"], start_new_session=alone)
for line in sys.stdin:
    answer(json.loads(line))
while "stubborn" in HOW:
    time.sleep(1)
