"""`notify`: who is told that a run began to wait, or ended, and that nothing comes of it when nobody can be."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import magent
from magent import notify
from magent.events import Event
from magent.outcome import Result
from magent.stores import open_store
from tests.cli.helpers import magent as cli

TWO: dict[str, Any] = {
    "one": {"type": "human_input", "input": "approval", "prompt": "Ship $(touch owned) `x`?", "next": "two"},
    "two": {"type": "human_input", "input": "approval", "prompt": "Sure?"},
}
TELL = (
    "import json,os,sys; json.dump([sys.argv[1:], os.getcwd(), json.load(sys.stdin)], open('told-'+sys.argv[1], 'a'))"
)


def flow(notify: Any, nodes: Any = None, **more: Any) -> magent.LoadedWorkflow:
    return magent.load({"name": "w", "nodes": nodes or TWO, "notify": notify, **more})


async def events(run_id: str = "r1") -> list[Event]:
    record = await open_store("file:.magent").read(run_id, checkpoint=False)
    return [event for event in record.events if event.type == "notified"]


async def again(**options: Any) -> Result:
    return await magent.resume("r1", store="file:.magent", **options)


async def test_a_command_is_told_of_each_question_once_and_of_the_end(here: Path, monkeypatch: Any) -> None:
    words = [
        "python3",
        "-c",
        TELL,
        "{{ status }}",
        "{{ waiting | map(attribute='prompt') | list }}",
        "{{ run.name }}; id",
    ]
    result = await flow({"command": words}).run(run_id="r1")
    assert (result.status, result.untold) == ("waiting", None)
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    argv, place, told = json.loads((here / "told-waiting").read_text())
    assert (argv, place) == (["waiting", TWO["one"]["prompt"], "w; id"], str(here))
    assert (told["run_id"], told["status"], told["error"], told["outputs"]) == ("r1", "waiting", None, None)
    assert told["text"] == f"w waits for an answer at one: {TWO['one']['prompt']} (r1)"
    assert told["waiting"][0]["command"] == "magent respond r1 one --approve"
    assert not (here / "owned").exists()
    assert (await again()).status == "waiting"  # nothing changed
    assert len(await events()) == 1
    monkeypatch.chdir(elsewhere)
    store = open_store(f"file:{here}/.magent")
    await magent.resume("r1", store=store, answers={"one": True})
    await magent.resume("r1", store=store, answers={"two": True})
    monkeypatch.chdir(here)
    assert [event.data["on"] for event in await events()] == ["waiting", "waiting", "completed"]
    argv, place, told = json.loads((here / "told-completed").read_text())
    assert (argv[0], place, told["status"], told["waiting"]) == ("completed", str(here), "completed", [])
    assert (await store.info("r1")).status == "completed"


async def test_a_run_that_waits_and_is_cancelled_is_told_of_too(here: Path) -> None:
    spec = {"on": ["cancelled"], "command": ["sh", "-c", "cat > told"]}
    assert (await flow(spec).run(run_id="r1")).status == "waiting"
    assert await magent.cancel("r1", store="file:.magent", by="ann", reason="no need") == "cancelled"
    told = json.loads((here / "told").read_text())
    assert (told["status"], told["error"]["message"]) == ("cancelled", "ann asked for it: no need")
    assert [event.data["on"] for event in await events()] == ["cancelled"]
    assert (await open_store("file:.magent").info("r1")).status == "cancelled"


class Server(ThreadingHTTPServer):
    """Keeps what it is sent, and answers by the path: `/500` so, `/302` elsewhere, `/slow` never."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, str], Any]] = []
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), Hook)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Hook(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, dict(self.headers), json.loads(body)))
        if self.path == "/slow":
            self.server.over.wait(30)
        self.send_response(int(self.path[1:]) if self.path[1:].isdecimal() else 204)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"no such channel: s3cret")

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


async def test_a_webhook_gets_json_with_a_secret_that_is_kept_nowhere(
    here: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "s3cret-token")
    headers = {"Authorization": "Bearer {{ secrets.TOKEN }}"}
    spec = {"webhook": server.url + "/hook/{{ secrets.TOKEN }}", "headers": headers, "on": ["failed"]}
    nodes = {"a": {"run": "echo {{ env.X }}; exit 3"}}
    result = await flow(spec, nodes, secrets=["TOKEN"], env=["X"]).run(run_id="r1")
    assert (result.status, result.untold) == ("failed", None)
    ((path, sent, told),) = server.heard
    assert (path, sent["Authorization"]) == ("/hook/s3cret-token", "Bearer s3cret-token")
    assert sent["Content-Type"].startswith("application/json")
    assert (told["status"], told["error"]["type"], told["workflow"]) == ("failed", "exit", "w")
    kept = [file.read_bytes() for file in (here / ".magent").rglob("*") if file.is_file()]
    assert not any(b"s3cret" in data for data in kept)
    await again()
    assert len(server.heard) == 2  # it failed again


HANGS = {"command": ["sleep", "60"]}


async def test_that_nobody_can_be_told_is_said_and_changes_nothing(
    here: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "PATIENCE", 0.3)
    monkeypatch.setenv("TOKEN", "s3cret")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"command": ["no-such-program"]}, "'no-such-program' was not found"),
        ({"command": ["sh", "-c", "echo sorry >&2; exit 4"]}, "sh ended with exit code 4: sorry"),
        ({"command": ["echo", "{{ outputs.x.y }}"]}, "y"),
        (HANGS, "it took longer than 0.3 seconds"),
        ({"webhook": server.url + "/500"}, "the webhook answered 500 Internal Server Error: no such channel: ***"),
        ({"webhook": server.url + "/302"}, "the webhook answered 302"),
        ({"webhook": server.url + "/slow"}, "0.3 seconds"),
        ({"webhook": "http://127.0.0.1:1/"}, "the webhook cannot be reached: "),
        ({"webhook": "file:///etc/passwd"}, "the webhook is no http:// or https:// address"),
        ({"webhook": "http://[::"}, "the webhook is no http:// or https:// address"),
        ({"webhook": server.url, "headers": {"X": "a\r\nb: c"}}, "the webhook cannot be reached: "),
    ]
    nodes = {"a": {"set": {"x": 1}}}
    runs = [flow(spec, nodes, secrets=["TOKEN"]).run(run_id=f"r{n}") for n, (spec, _) in enumerate(cases)]
    for number, ((_, said), result) in enumerate(zip(cases, await asyncio.gather(*runs), strict=True)):
        (event,) = await events(f"r{number}")
        assert (result.status, result.exit_code) == ("completed", 0)
        assert said in str(result.untold), said
        assert event.data["error"] == result.untold
        assert (await open_store("file:.magent").info(f"r{number}")).status == "completed"
    assert "/elsewhere" not in [path for path, _, _ in server.heard]


def test_a_settings_file_tells_of_every_run_and_one_line_says_what_failed(here: Path, capsys: Any) -> None:
    here.joinpath(".magent.yaml").write_text("notify: {on: [completed], command: [sh, -c, 'cat > told; exit 1']}\n")
    here.joinpath("workflow.yaml").write_text("magent: 1\nname: w\nnodes: {a: {set: {x: 1}}}\n")
    outcome = cli(capsys, "run", "--id", "r1", "--output", "json")
    assert (outcome.code, json.loads(outcome.out)["status"]) == (0, "completed")
    assert [line for line in outcome.err.splitlines() if "notified" in line] == [
        "magent: warning: nobody was notified: sh ended with exit code 1"
    ]
    assert json.loads((here / "told").read_text())["run_id"] == "r1"
    assert cli(capsys, "runs", "show", "r1").out.startswith("completed")
