"""`magent tools`: which there are, what one takes, and a call by hand."""

from __future__ import annotations

import io
import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.cli.helpers import magent, several
from tests.terminal import Golden, Terminal

WORK = """
    magent: 1
    name: work
    include: [./house.yaml]
    secrets: [HOUSE_TOKEN]
    workspace: {path: ./shared}
    tools:
      tickets: {call: "own:open_ticket", effects: external, confirm: true}
      sums: {builtin: calculator, description: Works out sums.}
      page: {builtin: http_request, allow_hosts: [127.0.0.1]}
      files: {builtin: files}
      lost: {call: "own:nowhere"}
      odd:
        run: ["printf", "%s", "{{ text }}"]
        parameters: {text: {type: string}}
        description: "[bold]x[/bold] \\e[31mred\\e[0m"
      token: {run: "echo $TOKEN", env: {TOKEN: "{{ secrets.HOUSE_TOKEN }}"}}
    nodes:
      ask: {tool: sums, with: {expression: "1"}, next: missing}
"""
HOUSE = """
    magent: 1
    tools:
      grep:
        run: "grep -n -e {{ text }} here.txt"
        description: Search here.
        parameters: {text: {type: string}}
        ok_exit_codes: [0, 1]
        parse: lines
"""
OWN = '''
def open_ticket(title: str, labels: list[str] | None = None, level: int = 2):
    """Opens a ticket.

    Args:
        title: What it is about.
        level: How urgent it is, from 1.
    """
    if not title:
        raise ValueError("a ticket needs a title")
    return {"title": title, "labels": labels, "level": level}
'''


@pytest.fixture
def shed(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`work.yaml` with tools, in a current directory with its library, its functions and a workspace."""
    monkeypatch.setenv("HOUSE_TOKEN", "t0p-s3cret-t0ken")
    here.joinpath("work.yaml").write_text(dedent(WORK), "utf-8")
    here.joinpath("house.yaml").write_text(dedent(HOUSE), "utf-8")
    here.joinpath("own.py").write_text(OWN, "utf-8")
    here.joinpath("shared").mkdir()
    here.joinpath("shared", "notes.txt").write_text("one\ntwo\n", "utf-8")
    here.joinpath("here.txt").write_text("a needle\n", "utf-8")
    return here


def test_tools_alone_lists_those_that_come_with_magent(capsys: Any) -> None:
    done = magent(capsys, "tools")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0].split() == ["TOOL", "KIND", "WHAT", "IT", "DOES"]
    names = [line.split()[0] for line in done.out.splitlines()[1:]]
    assert names[:3] == ["calculator", "files.read", "files.write"]
    assert names[-4:] == ["http_request", "web_search", "json_query", "shell"]


def test_a_files_tools_stand_first_with_those_of_its_libraries(shed: Path, capsys: Any) -> None:
    rows = json.loads(magent(capsys, "tools", "list", "-f", "work.yaml", "--output", "json").out)
    assert [row["name"] for row in rows[:4]] == ["tickets", "sums", "page", "files.read"]
    by_name = {row["name"]: row for row in rows}
    assert (by_name["tickets"]["kind"], by_name["tickets"]["external"], by_name["tickets"]["confirm"]) == (
        "call",
        True,
        True,
    )
    assert by_name["tickets"]["description"] == "Opens a ticket."
    assert by_name["sums"]["description"] == "Works out sums."
    assert [by_name[name]["from"] for name in ("grep", "calculator")] == ["file", "magent"]
    assert by_name["lost"]["error"] == "'own' has no 'nowhere'"
    assert len([row for row in rows if row["name"].startswith("files.")]) == 6


def test_one_tool_is_shown_with_what_it_takes(shed: Path, capsys: Any) -> None:
    out = magent(capsys, "tools", "show", "tickets", "-f", "work.yaml").out
    assert out.splitlines() == [
        "tickets  call, of the file  external, asks first",
        "Opens a ticket.",
        "",
        "title   text; What it is about.",
        "labels  a list of texts or null, default null",
        "level   a whole number, default 2; How urgent it is, from 1.",
    ]
    shown = json.loads(magent(capsys, "tools", "show", "files.read", "--output", "json").out)
    assert (shown["name"], shown["kind"], shown["from"]) == ("files.read", "builtin", "magent")


SHAPES = """
    magent: 1
    tools:
      wx: {mcp: {command: [/nowhere]}}
      book:
        call: "book_own:book"
        function:
          name: book
          parameters:
            type: object
            $defs:
              Place:
                type: object
                properties: {city: {type: string}, zip: {type: string}, within: {$ref: "#/$defs/Place"}}
                required: [city]
              Level: {enum: [1, 2, high]}
            properties:
              where: {$ref: "#/$defs/Place", description: Where it is.}
              level: {$ref: "#/$defs/Level"}
              day: {anyOf: [{type: string, format: date}, {type: "null"}]}
              stops: {type: array, items: {$ref: "#/$defs/Place"}}
              speed: {oneOf: [{const: fast}, {type: integer, minimum: 1, maximum: 9}]}
              seats: {allOf: [{type: integer}, {minimum: 1}], default: 2}
              quiet: {type: boolean}
              more: {}
            required: [where]
"""


@pytest.fixture
def book(here: Path) -> Path:
    here.joinpath("book.yaml").write_text(dedent(SHAPES), "utf-8")
    here.joinpath("book_own.py").write_text("def book(where, **more):\n    return {'where': where, **more}\n", "utf-8")
    return here


def test_what_a_schema_says_by_reference_choice_or_within_is_shown(book: Path, capsys: Any) -> None:
    out = magent(capsys, "tools", "show", "book", "-f", "book.yaml").out
    place = ["  city    text", "  zip     text, may be left out", "  within  a mapping, may be left out"]
    assert out.splitlines()[2:] == [
        "where     a mapping; Where it is.",
        *place,
        'level     one of 1, 2, "high", may be left out',
        "day       text (date) or null, may be left out",
        "stops     a list of mappings, may be left out",
        *place,
        'speed     "fast" or a whole number from 1 to 9, may be left out',
        "seats     a whole number from 1, default 2",
        "quiet     true or false, may be left out",
        "more      any value, may be left out",
    ]


def test_a_servers_tool_in_openais_form_is_told_by_its_own_name_and_nothing_is_started(book: Path, capsys: Any) -> None:
    done = magent(capsys, "tools", "call", "wx_forecast", "-f", "book.yaml")
    assert (done.code, "did you mean 'wx.forecast'?" in done.err) == (2, True)


def test_values_are_read_by_such_a_schema(book: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    book.joinpath("stops.json").write_text('[{"city": "a"}]', "utf-8")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"city": "b"}')))
    words = ("where=-", "level=2", "day=2026", "stops=@stops.json", "speed=fast", "seats=3", "quiet=true", "more=x")
    done = magent(capsys, "tools", "call", "book", *words, "-f", "book.yaml")
    assert json.loads(done.out) == {
        "where": {"city": "b"}, "level": 2, "day": "2026", "stops": [{"city": "a"}], "speed": "fast", "seats": 3,
        "quiet": True, "more": "x",
    }  # fmt: skip
    done = magent(capsys, "tools", "call", "book", "where=-", "more=-", "-f", "book.yaml")
    assert (done.code, "only one argument can be read from stdin, not where=-, more=-" in done.err) == (2, True)


@pytest.mark.parametrize("name", ["calculator", "files.write", "http_request", "web_search", "json_query", "shell"])
def test_a_tool_is_printed_as_openai_takes_it(capsys: Any, name: str) -> None:
    written = json.loads(magent(capsys, "tools", "show", name, "--openai").out)
    assert list(written) == ["type", "function"]
    assert written["function"]["name"] == name.replace(".", "_")
    assert written["function"]["parameters"]["type"] == "object"


def test_what_is_printed_in_openais_form_is_read_again_from_a_file(shed: Path, capsys: Any) -> None:
    printed = magent(capsys, "tools", "show", "tickets", "-f", "work.yaml", "--openai").out
    (shed / "tickets.json").write_text(printed, "utf-8")
    text = 'magent: 1\ntools: {tickets: {call: "own:open_ticket", function: {file: tickets.json}}}\n'
    (shed / "other.yaml").write_text(text, "utf-8")
    assert magent(capsys, "tools", "show", "tickets", "-f", "other.yaml", "--openai").out == printed
    done = magent(capsys, "tools", "call", "tickets", "title=x", "level=x", "-f", "other.yaml")
    assert (done.code, "level" in done.err) == (2, True)
    (shed / "tickets.json").write_text("[1]", "utf-8")
    done = magent(capsys, "tools", "list", "-f", "other.yaml")
    assert "'tickets.json' must hold one tool in OpenAI's form" in done.err


def test_a_tool_is_called_with_values_of_its_types(shed: Path, capsys: Any) -> None:
    assert magent(capsys, "tools", "call", "calculator", "expression=12.5 * 3").out == "37.5\n"
    words = ("title=42", 'labels=["a"]', "level=3")
    done = magent(capsys, "tools", "call", "tickets", *words, "-f", "work.yaml")
    assert json.loads(done.out) == {"title": "42", "labels": ["a"], "level": 3}
    found = magent(capsys, "tools", "call", "grep", "text=needle", "-f", "work.yaml")
    assert json.loads(found.out) == ["1:a needle"]
    (shed / "title.txt").write_text("from a file", "utf-8")
    assert (
        json.loads(magent(capsys, "tools", "call", "tickets", "title=@title.txt", "-f", "work.yaml").out)["title"]
        == "from a file"
    )
    assert magent(capsys, "tools", "call", "odd", "text=plain", "-f", "work.yaml").out == "plain\n"
    assert (
        magent(capsys, "tools", "call", "odd", "text=plain", "-f", "work.yaml", "--output", "json").out == '"plain"\n'
    )


def test_file_tools_go_where_the_file_says_else_here(shed: Path, capsys: Any) -> None:
    read = json.loads(magent(capsys, "tools", "call", "files.read", "path=notes.txt", "-f", "work.yaml").out)
    assert read["text"] == "one\ntwo\n"
    done = magent(capsys, "tools", "call", "files.write", "path=notes.txt", "text=x", "-f", "work.yaml")
    assert (done.code, done.out) == (1, "")
    assert "may only be read" in done.err
    assert magent(capsys, "tools", "call", "files.write", "path=new.txt", "text=here").code == 0
    assert (shed / "new.txt").read_text() == "here"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["calculator", "expression=1/0"], 1, "division by zero"),
        (["tickets", "title=", "-f", "work.yaml"], 1, "own:open_ticket raised ValueError: a ticket needs a title"),
        (["lost", "-f", "work.yaml"], 1, "did you mean"),
        (["files.read", "path=nothing"], 1, "'nothing' is not there"),
        (["calculater"], 2, "did you mean 'calculator'?"),
        (["files.raed", "path=x"], 2, "did you mean 'files.read'?"),
        (["files_read", "path=x"], 2, "did you mean 'files.read'?"),
        (["files"], 2, "name one of them"),
        ([], 2, "which tool?"),
        (["calculator"], 2, "magent tools call calculator expression=…"),
        (["calculator", "expresion=1"], 2, "did you mean 'expression'?"),
        (["calculator", "expression"], 2, "K=V"),
        (["files.read", "path=x", "lines=many"], 2, "lines: must be an integer"),
        (["files.read", "path=@nowhere.txt"], 2, "nowhere.txt"),
        (["shell", 'command=["ls"]'], 2, "allow: [git, rg]"),
        (["calculator", "expression=1", "-f", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["calculator", "expression=1", "--output", "yaml"], 2, "--output"),
    ],
)
def test_what_goes_wrong_is_told(shed: Path, capsys: Any, words: list[str], code: int, told: str) -> None:
    done = magent(capsys, "tools", "call", *words)
    assert (done.code, done.out) == (code, "")
    assert told in done.err or (words[:1] == ["lost"] and "has no 'nowhere'" in done.err)


def test_a_secret_is_not_printed(shed: Path, capsys: Any) -> None:
    assert magent(capsys, "tools", "call", "token", "-f", "work.yaml").out == "***\n"


def test_what_is_wrong_with_a_files_tools_is_told_and_nothing_else_of_it(shed: Path, capsys: Any) -> None:
    (shed / "bad.yaml").write_text("magent: 1\ntools: {a: {builtin: calc}, b: {builtin: shell}}\n", "utf-8")
    done = magent(capsys, "tools", "list", "-f", "bad.yaml")
    assert done.code == 2
    assert "did you mean 'calculator'?" in done.err
    assert "is off without `allow`" in done.err


def test_texts_of_tools_steer_nothing(shed: Path, capsys: Any) -> None:
    for words in (("list", "-f", "work.yaml"), ("show", "odd", "-f", "work.yaml")):
        out = magent(capsys, "tools", *words).out
        assert "[bold]x[/bold]" in out
        assert "\x1b" not in out


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_tools_in_a_terminal(shed: Path, golden: Golden, columns: int) -> None:
    lines = (
        "list -f work.yaml",
        "show tickets -f work.yaml",
        "show files.search",
        "call files.read path=here.txt",
        "call files.read path=here.txt lines=0",
        "call tickets title= -f work.yaml",
    )
    with Terminal(several(*(f"tools {line}" for line in lines)), columns=columns, rows=60, cwd=shed) as terminal:
        assert terminal.end() == 0
        golden(f"tools-{columns}", terminal.history)


def test_the_line_to_type_names_the_file_and_a_chain_is_told_to_be_one(here: Path, capsys: Any) -> None:
    text = """
        magent: 1
        tools: {say: {run: [echo, "{{ text }}"], parameters: {text: {type: string}}}}
        chains: {twice: {steps: [{tool: say, with: {text: x}}]}}
    """
    here.joinpath("my file.yaml").write_text(dedent(text), "utf-8")
    done = magent(capsys, "tools", "call", "say", "-f", "my file.yaml")
    assert (done.code, done.err.splitlines()[1].strip()) == (2, "magent tools call say text=… -f 'my file.yaml'")
    done = magent(capsys, "tools", "show", "twice", "-f", "my file.yaml")
    assert (done.code, "'twice' is a chain, not a tool" in done.err) == (2, True)


@pytest.mark.parametrize("value", ["object()", "float('nan')", "{1: {2}}"])
def test_a_result_that_is_no_json_is_a_failure_as_in_a_run(here: Path, capsys: Any, value: str) -> None:
    here.joinpath("odd_own.py").write_text(f"def odd():\n    return {value}\n", "utf-8")
    here.joinpath("n.yaml").write_text('magent: 1\ntools: {odd: {call: "odd_own:odd"}}\n', "utf-8")
    done = magent(capsys, "tools", "call", "odd", "-f", "n.yaml")
    assert (done.code, done.out) == (1, "")
    assert "the result of 'odd' is no JSON value" in done.err


def test_what_a_tool_prints_is_no_result(here: Path, capfd: Any) -> None:
    code = "import os\ndef noisy() -> int:\n    print('noise')\n    os.system('echo child')\n    return 3\n"
    here.joinpath("noisy_own.py").write_text(code, "utf-8")
    here.joinpath("n.yaml").write_text('magent: 1\ntools: {noisy: {call: "noisy_own:noisy"}}\n', "utf-8")
    done = magent(capfd, "tools", "call", "noisy", "-f", "n.yaml")
    assert (done.code, done.out) == (0, "3\n")
    assert "noise" in done.err
