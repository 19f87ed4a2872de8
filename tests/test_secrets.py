"""Secrets in real runs, and then every byte that was written is searched: the store, the screen, the children."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from magent import load
from magent.spans.span import Span
from tests.cli.helpers import magent
from tests.terminal import PATIENCE, ROOT, Terminal

LISTED = {
    "TOKEN": "t0k/en+with=signs&\"quotes\"\\and 'more'",
    "PIN": "4815162342",
    "INNER": "en+with=signs",  # a part of TOKEN
    "WORD": "schlüssel-秘密-пароль",
    "PEM": "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQDX7h2mM3Vq\n-----END-----\n",
}
KNOWN = {"OPENAI_API_KEY": "sk-proj-0123456789abcdefXYZ", "GITHUB_TOKEN": "ghp_ABCdef0123456789"}
SECRETS = {**LISTED, **KNOWN}
COPIES = {"MY_COPY": f"https://me:{KNOWN['GITHUB_TOKEN']}@host/"}

# Says what it was given in OURS (names of variables) in every way, in small pieces, and ends with the code in argv.
LEAK = """
    import base64, html, json, os, re, sys
    from urllib.parse import quote, quote_plus
    def lower(text):
        return re.sub("%..", lambda found: found[0].lower(), text)
    def net(text, signs="<>&'\\"+`"):
        return "".join("\\\\u%04X" % ord(c) if c in signs or c > "~" or not signs else json.dumps(c)[1:-1]
                       for c in text)
    for name in os.environ["OURS"].split():
        text = os.environ[name]
        data = text.encode()
        ways = [text, json.dumps(text), json.dumps({"k": json.dumps([text], ensure_ascii=False)}), repr(text),
                html.escape(text), quote(text), quote(text, safe=""), quote_plus(text), data.hex(), data.hex().upper(),
                base64.urlsafe_b64encode(data).decode().rstrip("="), base64.encodebytes(b"x" * 60 + data).decode()]
        for shift in range(3):
            padded = b"." * shift + data + b"!!"
            ways += [base64.b64encode(padded).decode(), base64.urlsafe_b64encode(padded).decode()]
        ways += [lower(quote(text, safe="")), lower(quote_plus(text)), net(text), net(text, ""),
                 base64.b64encode(json.dumps({"k": text}).encode()).decode()]
        said = " | ".join(ways).encode() + b"\\n"
        for at in range(0, len(said), 7):
            os.write(1 if at % 2 or len(sys.argv) == 1 else 2, said[at : at + 7])
        os.write(2, (text + "\\n").encode())
    sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
"""

# Writes all that it was started with to a file of its own.
DUMP = """
    import os, sys
    with open(os.path.join(os.environ["DUMPS"], f"{os.getpid()}"), "wb") as file:
        file.write(repr(dict(os.environ)).encode() + open("/proc/self/environ", "rb").read())
        file.write(open("/proc/self/cmdline", "rb").read() + sys.stdin.buffer.read())
    print("dumped")
"""

# Runs in magent itself, and so has all of its environment.
LEAKY = """
    import os, sys, warnings
    def said():
        return {name: os.environ[name] for name in os.environ["OURS"].split()}
    def shout():
        for text in said().values():
            for char in text:
                print(char, end="", flush=True)
            print()
            print(text, file=sys.stderr)
            warnings.warn(text)
        return {"pin": int(os.environ["PIN"]), **{text: [text] for text in said().values()}}
    def stumble():
        raise RuntimeError(f"cannot go on with {said()}")
"""

SERVER = Path(__file__).parent / "adapters" / "mcp_servers" / "crooked.py"
ENV = "{OURS: '" + " ".join(LISTED) + "', " + ", ".join(f"{name}: '{{{{ secrets.{name} }}}}'" for name in LISTED) + "}"
HEAD = f"""
    magent: 1
    secrets: [{", ".join(LISTED)}]
    checkpoints: {{every: 10}}
    inputs: {{said: {{type: string, default: nothing}}}}
    agents:
      program: {{command: [{sys.executable}, leak.py], env: {ENV}}}
      plain: {{command: [{sys.executable}, dump.py]}}
    tools:
      leak: {{run: [{sys.executable}, leak.py], env: {ENV}}}
      dump: {{run: [{sys.executable}, dump.py, "{{{{ text }}}}"], parameters: {{text: {{type: string}}}}}}
"""
STEPS = f"""
      begin: {{set: {{heard: "{{{{ inputs.said }}}}"}}, next: command}}
      command: {{run: [{sys.executable}, leak.py], env: {ENV}, next: asked}}
      asked: {{agent: program, prompt: "say it: {{{{ state.command }}}}", next: used}}
      used: {{tool: leak, next: called}}
      called: {{call: "leaky:shout", next: given}}
      given: {{tool: dump, with: {{text: "{{{{ state.asked }}}} {{{{ state.called }}}}"}}, next: last}}
      last: {{agent: plain, prompt: "{{{{ state.used }}}} {{{{ state.heard }}}}", next: end_of_it}}
"""
FLOWS = {
    "whole": STEPS + '      end_of_it: {set: {done: "{{ state.command.stdout }}"}}\n'
    '    outputs: {all: "{{ state.done }}", called: "{{ state.called }}"}\n',
    "exit": f"      begin: {{run: [{sys.executable}, leak.py, '3'], env: {ENV}}}\n",
    "raises": '      begin: {call: "leaky:stumble"}\n',
    "caught": "      begin: {call: 'leaky:stumble', on_error: {goto: then}, next: then}\n"
    "      then: {run: [cat], stdin: \"{{ error.message | default('none') }}\"}\n",
    "agent": "      begin: {agent: bad, prompt: hi}\n"
    f"    agents: {{bad: {{command: [{sys.executable}, leak.py, '1'], env: {ENV}}}}}\n",
    "retried": '      begin: {call: "leaky:stumble", retry: {max_attempts: 2, delay: 10ms}}\n',
    "waits": STEPS + "      end_of_it: {wait: 1h}\n",
    "asks": '      begin: {type: human_input, input: feedback, prompt: "{{ inputs.said }}", next: end_of_it}\n'
    '      end_of_it: {set: {said: "{{ state.begin }}"}}\n    outputs: {said: "{{ state.said }}"}\n',
}


class Place:
    """An empty directory with the workflows, and all that magent printed there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.printed: dict[str, bytes] = {}
        for name in ("work", "dumps", "tmp"):
            path.joinpath(name).mkdir()
        self.work = path / "work"
        for name, text in (("leak", LEAK), ("dump", DUMP), ("leaky", LEAKY)):
            self.work.joinpath(f"{name}.py").write_text(dedent(text), "utf-8")
        for name, nodes in FLOWS.items():
            head = "".join(
                line
                for line in HEAD.splitlines(True)
                if "agents:" not in nodes or not line[4:].startswith(("agents", "  p"))
            )
            text = dedent(f"{head}    name: {name}\n    nodes:\n{nodes}")
            self.work.joinpath(f"{name}.yaml").write_text(text, "utf-8")
        places = {"DUMPS": str(path / "dumps"), "TMPDIR": str(path / "tmp"), "PYTHONPATH": f"{ROOT}:{self.work}"}
        self.env = {**os.environ, **SECRETS, **COPIES, **places, "OURS": " ".join(SECRETS)}
        for name in ("NO_COLOR", "CI"):  # a terminal is a person's
            self.env.pop(name, None)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "magent", *words]
        return subprocess.Popen(
            command,
            cwd=self.work,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def magent(self, *words: str) -> tuple[int, bytes]:
        process = self.start(*words)
        out, err = process.communicate(timeout=PATIENCE)
        self.printed[f"{len(self.printed)}: {' '.join(words)}"] = out + b"\n" + err
        return process.returncode, out

    def terminal(self, *words: str, columns: int = 80) -> Terminal:
        return Terminal.magent(*words, cwd=self.work, env=self.env, columns=columns)

    def seen(self, name: str, terminal: Terminal) -> None:
        self.printed[name] = terminal.raw.encode() + b"\n" + terminal.text.encode()

    def written(self) -> Iterator[tuple[str, bytes]]:
        """All that was written, by where."""
        yield from self.printed.items()
        ours = {"leak.py", "dump.py", "leaky.py"}
        for file in self.path.rglob("*"):
            if file.is_file() and file.name not in ours:
                yield str(file.relative_to(self.path)), str(file).encode() + b"\n" + file.read_bytes()

    def search(self) -> None:
        """Nothing that was written holds a secret, in any way of writing it."""
        found = [
            f"{name} ({way}) in {where}: …{content[max(0, at - 60) : at + 20]!r}"
            for where, content in self.written()
            for name, secret in SECRETS.items()
            for way, form in ways(secret).items()
            if (at := content.find(form)) >= 0
        ]
        assert not found, "\n".join(found[:20])


def net(text: str, signs: str = "<>&'\"+`") -> str:
    """As .NET writes it; without signs, every character so."""
    return "".join(f"\\u{ord(c):04X}" if c in signs or c > "~" or not signs else json.dumps(c)[1:-1] for c in text)


def ways(secret: str) -> dict[str, bytes]:
    """How a secret might be written. Of base64 inside of more, what is the secret's alone."""
    data = secret.encode()
    texts = {
        "whole": secret,
        "json": json.dumps(secret)[1:-1],
        "json unicode": json.dumps(secret, ensure_ascii=False)[1:-1],
        "json twice": json.dumps(json.dumps(secret))[3:-3],
        "json thrice": json.dumps(json.dumps(secret, ensure_ascii=False), ensure_ascii=False)[3:-3],
        "json of .net": net(secret),
        "json in units": net(secret, ""),
        "repr": repr(secret)[1:-1],
        "html": html.escape(secret),
        "url": quote(secret),
        "url all": quote(secret, safe=""),
        "url lower": re.sub("%..", lambda found: found[0].lower(), quote(secret, safe="")),
        "form": quote_plus(secret),
        "form lower": re.sub("%..", lambda found: found[0].lower(), quote_plus(secret)),
        "nfd": unicodedata.normalize("NFD", secret),
        "hex": data.hex(),
        "HEX": data.hex().upper(),
        "base64": base64.b64encode(data).decode().rstrip("="),
        "base64url": base64.urlsafe_b64encode(data).decode().rstrip("="),
        **{f"base64 at {at}": base64.b64encode(b"." * at + data).decode()[4:-4] for at in range(3)},
        **{f"base64url at {at}": base64.urlsafe_b64encode(b"." * at + data).decode()[4:-4] for at in range(3)},
        "base64 of json": base64.b64encode(json.dumps({"k": secret}).encode()).decode()[12:-4],
    }
    lines = {f"line {at}": line for at, line in enumerate(secret.splitlines()) if len(line) > 20 and "---" not in line}
    return {way: text.encode() for way, text in {**texts, **lines}.items() if len(text) >= 8}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_search_finds_what_is_written(place: Place) -> None:
    for number, (way, form) in enumerate(ways(LISTED["TOKEN"]).items()):
        place.printed = {way: b"before " + form + b" after"}
        with pytest.raises(AssertionError, match=r"TOKEN \("):
            place.search()
        assert number < 40


# What is not in FLOWS: the same in every store, in this process.
TOOLS = f"""
    magent: 1
    name: tools
    secrets: [{", ".join(LISTED)}]
    checkpoints: {{every: 10}}
    tools:
      files: {{builtin: files}}
      sh: {{builtin: shell, allow: [printenv]}}
      leak: {{run: [{sys.executable}, leak.py], env: {ENV}}}
      server: {{mcp: {{command: [/bin/sh, -c, '"$0" dump.py </dev/null >&2; exec "$0" -S "$1"', {sys.executable},
        {SERVER}]}}}}
      given: {{mcp: {{command: [{sys.executable}, -S, {SERVER}], env: {ENV}}}}}
    agents:
      a: {{replies: [{{calls: [{{call: leak}}, {{call: given.env}}, {{call: files.list}}]}}, "{{{{ results }}}}"]}}
    chains:
      both:
        steps:
          - {{tool: leak, as: said}}
          - {{tool: files.write, with: {{path: b.txt, text: "{{{{ steps.said }}}}"}}}}
    nodes:
      said: {{tool: leak, next: kept}}
      kept: {{tool: files.write, with: {{path: a.txt, text: "{{{{ state.said }}}}"}}, next: served}}
      served: {{tool: server.env, next: echoed}}
      echoed: {{tool: server.echo, with: {{text: "{{{{ state.said }}}}"}}, next: shown}}
      shown: {{tool: sh, with: {{command: [printenv]}}, next: chained}}
      chained: {{chain: both, next: asked}}
      asked: {{prompt: "say {{{{ state.said }}}}", agent: a, tools: [leak, given, files], next: stumbles}}
      stumbles: {{call: "leaky:stumble", on_error: continue, next: refused}}
      refused: {{tool: server.echo, with: {{text: ["{{{{ state.said }}}}"]}}, on_error: continue}}
    outputs: {{all: "{{{{ state }}}}"}}
"""


@pytest.mark.parametrize("kind", ["file", "sqlite", "postgres"])
def test_tools_in_every_store(
    place: Place, kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    place.work.joinpath("tools.yaml").write_text(dedent(TOOLS), "utf-8")
    server: Any = request.getfixturevalue("postgres") if kind == "postgres" else None
    url = {"file": "file:kept", "sqlite": "sqlite:///runs.db"}.get(kind) or server.url("leaks")
    monkeypatch.chdir(place.work)
    monkeypatch.syspath_prepend(str(place.work))
    for name, value in {**place.env, "MAGENT_STORE": url}.items():
        monkeypatch.setenv(name, value)
    for words in (
        "run tools.yaml --id t1 --output jsonl --verbose", "runs show t1", "runs history t1", "graph t1 --json",
        "checkpoints list t1", "checkpoints show t1 20 --output json", "runs list --output json",
    ):  # fmt: skip
        done = magent(capfd, *words.split())
        place.printed[words] = f"{done.out}\n{done.err}".encode()
        assert done.code == 0, done
    if server is not None:
        for table in ("run", "event", "checkpoint", "note", "lease"):
            rows = server.run(f"SELECT * FROM leaks.{table}")
            place.printed[table] = b"\n".join(
                each if isinstance(each, bytes) else str(each).encode() for row in rows for each in row
            )
        assert b"***" in place.printed["event"]
    place.search()
    assert b"***" in place.printed["runs history t1"]
    assert list(place.path.joinpath("dumps").iterdir())
    assert len([file for file in place.work.rglob("*.txt") if "***" in file.read_text()]) == 2


@pytest.mark.parametrize("output", ["text", "json", "jsonl"])
def test_a_run_that_is_read_by_programs(place: Place, output: str) -> None:
    code, out = place.magent("run", "whole.yaml", "-i", f"said={LISTED['TOKEN']}", "--output", output, "--verbose")
    place.search()
    assert code == 0, place.printed
    assert out.count(b"***") > 20
    assert len(list(place.path.joinpath("dumps").iterdir())) == 2
    for line in out.splitlines() if output == "jsonl" else [out] if output == "json" else []:
        json.loads(line)


@pytest.mark.parametrize("columns", [40, 120])
def test_a_run_that_is_watched_in_a_terminal(place: Place, columns: int) -> None:
    with place.terminal("run", "whole.yaml", "-i", f"said={LISTED['WORD']}", "--stream", columns=columns) as terminal:
        assert terminal.end() == 0
        assert "***" in terminal.text
    place.seen("live", terminal)
    place.search()


@pytest.mark.parametrize("flow", ["exit", "raises", "caught", "agent", "retried"])
def test_a_run_that_fails(place: Place, flow: str) -> None:
    code, _ = place.magent("--verbose", "run", f"{flow}.yaml", "--output", "json", "--stream")
    assert code == (flow != "caught"), place.printed
    with place.terminal("resume", "latest", "--verbose") as terminal:
        terminal.end()
    place.seen("live", terminal)
    place.magent("runs", "show", "latest")
    place.search()
    assert b"***" in b"".join(place.printed.values())


def test_a_run_that_is_killed_and_resumed(place: Place) -> None:
    process = place.start("run", "waits.yaml", "--id", "k1", "--output", "jsonl", "--durability", "async")
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if b'"visit.started"' in line and b'"end_of_it"' in line:
            break
    os.kill(process.pid, signal.SIGKILL)
    place.printed["killed"] = b"".join(lines) + b"".join(process.communicate(timeout=PATIENCE))
    place.magent("runs", "show", "k1")
    place.magent("checkpoints", "list", "k1")
    with place.terminal("resume", "k1") as terminal:
        terminal.wait("end_of_it")
        terminal.child.sendintr()
        terminal.end()
    place.seen("resumed", terminal)
    place.magent("runs", "history", "k1", "--output", "json")
    place.magent("graph", "k1")
    assert list(place.work.glob(".magent/runs/k1/checkpoints/*"))
    place.search()


def test_what_people_ask_and_answer(place: Place) -> None:
    token, word = LISTED["TOKEN"], LISTED["WORD"]
    assert place.magent("run", "asks.yaml", "--id", "a1", "-i", f"said=is it {token}?")[0] == 3
    place.magent("respond", "a1")
    place.magent("respond", "a1", "--choose", token)
    place.magent(
        "respond", "a1", "--answer", json.dumps({"feedback": {token: word}, "nonsense": KNOWN["GITHUB_TOKEN"]})
    )
    place.magent("respond", "a1", "--text", f"it is {token} and {word}", "--comment", word, "--resume")
    place.magent("run", "asks.yaml", "-i", f"{KNOWN['OPENAI_API_KEY']}=1")
    place.magent("run", f"{KNOWN['OPENAI_API_KEY']}.yaml")
    place.magent("resume", KNOWN["GITHUB_TOKEN"])
    place.magent("--verbose", "run", "asks.yaml", "--limit", KNOWN["OPENAI_API_KEY"])
    place.magent(KNOWN["OPENAI_API_KEY"])
    place.search()
    assert json.loads(place.work.joinpath(".magent/runs/a1/result.json").read_text())["status"] == "completed"


def test_what_a_file_holds_is_warned_of_and_not_kept(place: Place) -> None:
    text = f"magent: 1\nname: holds\nsecrets: [PIN]\nagents: {{a: {{replies: ['pin {LISTED['PIN']}']}}}}\n"
    place.work.joinpath("holds.yaml").write_text(
        text + "nodes: {a: {agent: a, prompt: hi}}\noutputs: {said: '{{ state.a }}'}\n"
    )
    code, out = place.magent("run", "holds.yaml")
    assert (code, out) == (0, b'said: "pin ***"\n')
    assert b"[secret-in-file]" in next(iter(place.printed.values()))
    place.work.joinpath("holds.yaml").unlink()
    place.search()


def test_a_name_that_holds_a_secret_is_refused(place: Place) -> None:
    place.work.joinpath("named.yaml").write_text(
        f"magent: 1\nname: named\nsecrets: [PIN]\nnodes: {{n{LISTED['PIN']}: {{set: {{a: 1}}}}}}\n"
    )
    code, _ = place.magent("run", "named.yaml")
    place.work.joinpath("named.yaml").unlink()
    assert code == 2
    assert b"part of a name in named.yaml" in next(iter(place.printed.values()))
    place.search()


def test_a_resumed_run_sees_what_its_record_says_and_true_secrets(place: Place) -> None:
    """A value that held a secret reads `***` from when it was recorded; `secrets.X` is read anew, and true."""
    nodes = f"""
        first: {{run: [printenv, X], env: {{X: "{{{{ secrets.PIN }}}}"}}, next: ask}}
        ask: {{type: human_input, input: approval, next: second}}
        second: {{run: [sh, -c, "test $X = {LISTED["PIN"][:5]}$Y && test \\"$Z\\" = '***'"], next: third,
          env: {{X: "{{{{ secrets.PIN }}}}", Y: "{LISTED["PIN"][5:]}", Z: "{{{{ state.first.stdout | trim }}}}"}}}}
        third: {{set: {{ok: true}}}}
    """
    place.work.joinpath("again.yaml").write_text(f"magent: 1\nname: again\nsecrets: [PIN]\nnodes:\n{nodes}")
    assert place.magent("run", "again.yaml", "--id", "r1")[0] == 3
    assert place.magent("respond", "r1", "--approve", "--resume")[0] == 0, place.printed
    place.search()


async def test_a_secret_that_a_file_says_in_a_prompt_is_not_sent_to_exporters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDE_KEY", "neap-tide-4711")
    sent: list[str] = []

    class Kept:
        def export(self, _trace: object, spans: Sequence[Span], /) -> None:
            sent.extend(json.dumps(span.content) for span in spans)

        def close(self) -> None:
            pass

    node = {"prompt": "Say neap-tide-4711", "system": "Be neap-tide-4711", "agent": "a"}
    flow = {
        "magent": 1,
        "name": "t",
        "secrets": ["TIDE_KEY"],
        "agents": {"a": {"replies": ["x"]}},
        "nodes": {"n": node},
    }
    await load(flow).run({}, store=None, exporters=[Kept()])
    told = "".join(sent)
    assert "Say ***" in told
    assert "Be ***" in told
    assert "neap" not in told
