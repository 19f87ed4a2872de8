"""After a crash a model gets exactly what it would have got without: its server sees the same requests."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from tests.adapters.fake_provider import FakeProvider, Turn
from tests.cli.helpers import magent

TALK = """
magent: 1
name: talk
agents:
  o: {model: "openai:ok", base_url: "URL/v1", tools: [calculator]}
  p: {model: "openai:other", base_url: "URL/v1"}
  c: {model: "anthropic:claude-ok", base_url: "URL", api_key: k, tools: [calculator]}
  g: {model: "google:gemini-ok", base_url: "URL", api_key: k, tools: [calculator]}
  gone: {model: "openai:broken", base_url: "URL/v1", fallback: [c]}
tools: {calculator: {builtin: calculator}}
nodes:
  one: {prompt: One, agent: o, session: t, next: two}
  two: {prompt: Two, agent: gone, session: t, next: three}
  three: {prompt: Three, agent: g, session: t, next: four}
  four: {prompt: Four, agent: p, session: t, output: {score: {type: integer}}, next: each}
  each: {type: parallel, for_each: [a, b], body: first, max_concurrency: 1, next: rounds}
  first: {prompt: "First {{ item }}", agent: p, session: t, next: again}
  again: {prompt: "Again {{ item }}", agent: c, session: t}
  rounds: {type: loop, for_each: [1, 2], body: round, next: last}
  round: {prompt: "Round {{ item }}", agent: p, session: t}
  last: {prompt: Last, agent: g, session: t}
"""


class Talker(list[Turn]):
    """What a model says follows from what it was asked: it has no memory but the conversation."""

    def __init__(self, server: FakeProvider) -> None:
        self.server = server

    def __bool__(self) -> bool:
        return True

    def pop(self, _: Any = 0) -> Turn:
        body = self.server.bodies[-1]
        said = body.get("messages") or body["contents"]
        mark = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:6]
        last = json.dumps(said[-1])
        has_result = any(word in last for word in ("tool_result", '"role": "tool"', "functionResponse"))
        if body.get("tools") and not has_result:
            return Turn(("let me ",), ((f"id{mark}", "calculator", '{"expression": "1+1"}'),), thought="hm")
        if body.get("response_format"):
            return Turn(('{"score": 3}' if "does not fit" in last else '{"score": "x"}',))
        return Turn((f"answer {mark}",), thought="hm")


def test_a_conversation_goes_on_as_if_nothing_had_happened(here: Path, capsys: Any) -> None:
    """Over models of three providers, with tools, signed thoughts, an agent that stands in, repairs, branches and
    rounds; cut after every fifth of the events that follow an answer."""
    with FakeProvider() as server:
        server.script = Talker(server)
        here.joinpath("workflow.yaml").write_text(TALK.replace("URL", server.url))
        assert magent(capsys, "run", "--id", "alone", "-q").code == 0
        alone = list(server.bodies)
        folder = here / ".magent" / "runs"
        lines = (folder / "alone" / "journal.jsonl").read_bytes().splitlines(keepends=True)
        told = [at for at, line in enumerate(lines[:-2], 1) if b'"agent.' in line or b'"visit.completed"' in line]
        for cut in told[::5]:
            shutil.rmtree(folder / "cut", ignore_errors=True)
            shutil.copytree(folder / "alone", folder / "cut")
            (folder / "cut" / "result.json").unlink()
            (folder / "cut" / "journal.jsonl").write_bytes(b"".join(lines[:cut]))
            server.seen.clear()
            outcome = magent(capsys, "resume", "cut", "-q")
            assert outcome.code == 0, outcome.err
            again = server.bodies
            assert again
            assert again == alone[-len(again) :], f"cut after event {cut}"
