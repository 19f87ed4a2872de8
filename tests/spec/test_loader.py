"""A workflow file and all that it refers to → a bundle."""

# ruff: noqa: E501 (messages are written out as users read them)

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from magent.errors import InvalidWorkflow, RunDamaged
from magent.source import Map, Problem, Seq, Text, locate, render
from magent.spec.loader import Bundle, is_file, load, load_data


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(**files: str) -> None:
    """`lib__team=…` writes lib/team.yaml."""
    for name, text in files.items():
        path = Path(name.replace("__", "/") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def said(problems: list[Problem] | tuple[Problem, ...]) -> list[str]:
    """Every problem on one line: place, path in brackets, message, hint, other place."""
    return [
        f"{problem.position} [{problem.path}] {problem.message}"
        + (f" | {problem.hint}" if problem.hint else "")
        + (f" | {problem.related}" if problem.related else "")
        for problem in problems
    ]


def refused(path: str, **kwargs: Any) -> InvalidWorkflow:
    with pytest.raises(InvalidWorkflow) as caught:
        load(path, **kwargs)
    return caught.value


# ---- the file itself ------------------------------------------------------------------------------------------------


def test_a_file_alone_is_a_bundle_of_one_document() -> None:
    write(wf="magent: 1\nname: x\n")
    bundle = load("wf.yaml")
    [document] = bundle.documents.values()
    assert list(bundle.documents) == [bundle.root] == [os.path.abspath("wf.yaml")]
    assert (document.file, document.home) == ("wf.yaml", os.getcwd())
    assert document.data == {"magent": 1, "name": "x"}
    assert document.sources == bundle.sources == {"wf.yaml": ["magent: 1", "name: x", ""]}
    assert (bundle.problems, bundle.includes, bundle.targets) == ([], {bundle.root: ()}, {})


def test_a_file_below_the_current_directory_is_shown_relative_to_it_and_others_absolute(tmp_path: Path) -> None:
    write(wf="magent: 1", deep__wf="magent: 1")
    shown = [load(path).documents[os.path.abspath(path)].file for path in ("./deep/../wf.yaml", "deep/wf.yaml")]
    assert shown == ["wf.yaml", "deep/wf.yaml"]
    os.chdir("deep")
    assert load("../wf.yaml").documents[str(tmp_path / "wf.yaml")].file == str(tmp_path / "wf.yaml")


def test_text_can_stand_in_for_the_content() -> None:
    bundle = load("none.yaml", text=b"magent: 1")
    assert bundle.documents[bundle.root].data == {"magent": 1}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("gone.yaml", "gone.yaml:1:1 [] cannot read 'gone.yaml': there is no such file"),
        ("wf.yml", "wf.yml:1:1 [] cannot read 'wf.yml': there is no such file | did you mean 'wf.yaml'?"),
        ("wf.yaml/x", "wf.yaml/x:1:1 [] cannot read 'wf.yaml/x': not a directory"),
        ("dir", "dir:1:1 [] cannot read 'dir': it is a directory"),
        ("pipe", "pipe:1:1 [] cannot read 'pipe': it is not a regular file"),
        ("/dev/zero", "/dev/zero:1:1 [] cannot read '/dev/zero': it is not a regular file"),
        ("loop", "loop:1:1 [] cannot read 'loop': too many levels of symbolic links"),
        ("a\0b", "a\0b:1:1 [] cannot read 'a\0b': this is no name of a file"),
        ("large", "large:1:1 [] cannot read 'large': it is larger than magent reads (8 MB)"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_at_once(path: str, line: str) -> None:
    write(wf="magent: 1")
    os.mkdir("dir")
    os.mkfifo("pipe")
    os.symlink("loop", "loop")
    os.truncate(os.open("large", os.O_CREAT | os.O_WRONLY), 8_000_001)
    error = refused(path)
    assert said(error.problems) == [line]
    assert [problem.code for problem in error.problems] == ["unreadable-file"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "wf.yaml:1:1 [] the file is empty"),
        ("- a", "wf.yaml:1:1 [] the file must hold a mapping that begins with 'magent: 1', this is a list"),
        ("null", "wf.yaml:1:1 [] the file must hold a mapping that begins with 'magent: 1', this is null"),
        ("text", "wf.yaml:1:1 [] the file must hold a mapping that begins with 'magent: 1', this is a single value"),
        ("a: [", "wf.yaml:1:4 [a] the '[' that opens here is not closed"),
    ],
)
def test_a_file_without_a_mapping_is_refused_with_its_lines(text: str, line: str) -> None:
    write(wf=text)
    error = refused("wf.yaml")
    assert said(error.problems)[0].startswith(line)
    assert error.sources == {"wf.yaml": text.split("\n")}


def test_problems_that_can_be_passed_over_are_collected() -> None:
    write(wf="magent: 1\nname: a\nname: b\nx: .nan\n")
    assert [line.split(" ")[0] for line in said(load("wf.yaml").problems)] == ["wf.yaml:3:1", "wf.yaml:4:4"]


# ---- includes -------------------------------------------------------------------------------------------------------


def test_libraries_are_read_transitively_relative_to_the_file_that_includes_them() -> None:
    write(
        wf="magent: 1\ninclude: [./lib/a.yaml, other/b.yaml]",
        lib__a="magent: 1\ninclude: [../other/c.yaml]",
        other__b="magent: 1\ninclude: [c.yaml]",
        other__c="magent: 1",
    )
    bundle = load("wf.yaml")
    a, b, c = (os.path.abspath(name) for name in ("lib/a.yaml", "other/b.yaml", "other/c.yaml"))
    assert list(bundle.libraries) == [a, b, c]
    assert bundle.includes == {bundle.root: (a, c, b), a: (c,), b: (c,), c: ()}
    assert [library.home for library in bundle.libraries.values()] == [
        os.path.abspath("lib"), os.path.abspath("other"), os.path.abspath("other")
    ]  # fmt: skip
    assert bundle.problems == []


def test_libraries_may_include_one_another() -> None:
    write(wf="include: [a.yaml]", a="include: [b.yaml]\nagents: {x: {}}", b="include: [a.yaml]\nagents: {x: {}, y: {}}")
    bundle = load("wf.yaml")
    assert bundle.problems == []
    assert {name: owner.file for name, (_, owner) in bundle.definitions(bundle.root, "agents").items()} == {
        "x": "a.yaml", "y": "b.yaml"
    }  # fmt: skip


def test_a_file_that_includes_itself_is_an_error() -> None:
    write(wf="include: [./wf.yaml]")
    assert said(load("wf.yaml").problems) == ["wf.yaml:1:11 [include[0]] a file cannot include itself | remove this"]


@pytest.mark.parametrize("include", ["3", "[3, [x]]", "{a: b}", "null", "text"])
def test_an_include_of_the_wrong_form_is_left_to_the_schema(include: str) -> None:
    write(wf=f"include: {include}")
    assert load("wf.yaml").problems == []


def test_a_library_that_cannot_be_read_is_a_problem_at_the_place_that_names_it() -> None:
    write(wf="magent: 1\ninclude:\n  - ./team.yaml\n  - ./taem.yaml\n  - x/y.yaml", team="magent: 1")
    bundle = load("wf.yaml")
    assert said(bundle.problems) == [
        "wf.yaml:4:5 [include[1]] cannot read './taem.yaml': there is no such file | did you mean './team.yaml'?",
        "wf.yaml:5:5 [include[2]] cannot read 'x/y.yaml': there is no such file | it is looked for in x",
    ]
    assert [library.file for library in bundle.libraries.values()] == ["team.yaml"]


def test_a_broken_library_has_its_own_problems_said_once() -> None:
    write(wf="include: [a.yaml, b.yaml, c.yaml]", a="include: [b.yaml]", b="x: [", c="- x")
    bundle = load("wf.yaml")
    assert [line.split(" ")[0] for line in said(bundle.problems)] == ["b.yaml:1:4", "c.yaml:1:1"]
    assert len(bundle.libraries) == 1


# ---- definitions ----------------------------------------------------------------------------------------------------


def test_a_name_in_the_file_itself_wins_over_its_libraries() -> None:
    write(
        wf="include: [a.yaml]\nagents: {x: {model: own}}\ndefaults: {agent: x}",
        a="agents: {x: {model: theirs}, y: {model: y}}\ndefaults: {agent: y, timeout: 3s}",
    )
    bundle = load("wf.yaml")
    assert bundle.problems == []
    assert {
        name: (value, owner.file) for name, (value, owner) in bundle.definitions(bundle.root, "agents").items()
    } == {
        "x": ({"model": "own"}, "wf.yaml"),
        "y": ({"model": "y"}, "a.yaml"),
    }
    defaults = bundle.definitions(bundle.root, "defaults")
    assert {name: value for name, (value, _) in defaults.items()} == {"agent": "x", "timeout": "3s"}
    assert bundle.definitions(bundle.root, "tools") == {}


def test_a_library_wins_over_those_that_it_includes() -> None:
    write(wf="include: [a.yaml]", a="include: [b.yaml]\nroles: {r: 1}", b="roles: {r: 2, s: 2}")
    bundle = load("wf.yaml")
    assert {name: value for name, (value, _) in bundle.definitions(bundle.root, "roles").items()} == {"r": 1, "s": 2}
    assert bundle.problems == []


def test_the_same_name_from_two_includes_is_an_error_with_both_places() -> None:
    write(
        wf="magent: 1\ninclude: [a.yaml, b.yaml]",
        a="agents:\n  x: {}\n  y: {}",
        b="magent: 1\nagents:\n  z: {}\n  x: {}\n",
    )
    bundle = load("wf.yaml")
    [problem] = bundle.problems
    assert render(problem, bundle.sources[problem.position.file]) == (
        "b.yaml:4:3: error: two libraries define the agent 'x': a.yaml and b.yaml [duplicate-definition]\n"
        "  at agents.x\n"
        "  4 |   x: {}\n"
        "    |   ^\n"
        "  see also a.yaml:2:3\n"
        "  hint: rename one of them, or define 'x' in wf.yaml: the file's own wins"
    )


@pytest.mark.parametrize("section", ["agents", "roles", "tools", "chains", "defaults"])
def test_two_libraries_clash_in_every_section_but_not_where_the_file_decides(section: str) -> None:
    write(wf="include: [a.yaml, b.yaml]", a=f"{section}: {{x: 1}}", b=f"{section}: {{x: 2}}")
    assert [problem.code for problem in load("wf.yaml").problems] == ["duplicate-definition"]
    write(wf=f"include: [a.yaml, b.yaml]\n{section}: {{x: 3}}")
    assert load("wf.yaml").problems == []


def test_two_libraries_that_are_included_side_by_side_clash_even_if_one_includes_the_other() -> None:
    write(wf="include: [a.yaml, b.yaml]", a="include: [b.yaml]\ntools: {x: 1}", b="tools: {x: 2}")
    assert [problem.code for problem in load("wf.yaml").problems] == ["duplicate-definition"]


def test_libraries_may_agree_on_a_default() -> None:
    write(wf="include: [a.yaml, b.yaml]", a="defaults: {timeout: 3s}", b="defaults: {timeout: 3s}")
    assert load("wf.yaml").problems == []


def test_a_library_reached_twice_is_one() -> None:
    write(wf="include: [a.yaml, b.yaml]", a="include: [c.yaml]", b="include: [./c.yaml]", c="tools: {x: 1}")
    bundle = load("wf.yaml")
    assert bundle.problems == []
    assert len(bundle.libraries) == 3


def test_sections_that_are_no_mappings_are_left_to_the_schema() -> None:
    write(wf="include: [a.yaml]\nagents: [x]\nnodes: 3\nsubgraphs: {a: 3, b: {nodes: x}}", a="agents: 3\nroles:")
    bundle = load("wf.yaml")
    assert (bundle.problems, bundle.definitions(bundle.root, "agents")) == ([], {})


# ---- subgraphs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uses", "expected"),
    [("./t.yaml", True), ("t.yaml", True), ("t.yml", True), ("sub/t", True), ("../t", True), ("translate", False)],
)
def test_uses_with_a_slash_or_a_yaml_ending_is_a_file(uses: str, expected: bool) -> None:
    assert is_file(uses) is expected


def test_called_files_are_read_relative_to_the_file_that_calls_them_each_once() -> None:
    write(
        wf="nodes: {a: {type: subgraph, uses: ./sub/t.yaml}, b: {type: subgraph, uses: sub/t.yaml}, c: {uses: name}}\n"
        "subgraphs: {name: {nodes: {d: {type: subgraph, uses: sub/u.yml}}}}",
        sub__t="nodes: {a: {type: subgraph, uses: ./t.yaml}, b: {type: subgraph, uses: ../wf.yaml}}",
    )
    Path("sub/u.yml").write_text("include: [l.yaml]\nnodes: {}")
    write(sub__l="agents: {x: {}}")
    bundle = load("wf.yaml")
    t, u, library = (os.path.abspath(name) for name in ("sub/t.yaml", "sub/u.yml", "sub/l.yaml"))
    assert bundle.problems == []
    assert list(bundle.documents) == [bundle.root, t, u]
    assert bundle.targets == {
        bundle.root: {"./sub/t.yaml": t, "sub/t.yaml": t, "sub/u.yml": u},
        t: {"./t.yaml": t, "../wf.yaml": bundle.root},
    }
    assert bundle.target(t, "../wf.yaml") == bundle.root
    assert bundle.target(t, "nothing.yaml") is None
    assert bundle.includes[u] == (library,)
    assert list(bundle.definitions(u, "agents")) == ["x"]
    assert bundle.definitions(bundle.root, "agents") == {}


def test_a_called_file_that_cannot_be_read_is_a_problem_at_its_node() -> None:
    write(
        wf="nodes:\n  a: {type: subgraph, uses: ./gone.yaml}\n  b: {type: subgraph, uses: '{{ x }}/y.yaml'}\n"
        "subgraphs: {g: {nodes: {c: {type: subgraph, uses: broken.yaml}}}}",
        broken="a: @x\nb: [",
    )
    bundle = load("wf.yaml")
    assert said(bundle.problems) == [
        "broken.yaml:1:4 [a] a text cannot begin with '@': put it in quotes | write: a: \"@x\"",
        "broken.yaml:2:4 [b] the '[' that opens here is not closed | close it with ']'; or is a comma missing before "
        "what follows? | broken.yaml:3:1",
        "wf.yaml:2:29 [nodes.a.uses] cannot read './gone.yaml': there is no such file | "
        f"it is looked for in {os.getcwd()}",
        "wf.yaml:3:29 [nodes.b.uses] cannot read '{{ x }}/y.yaml': there is no such file | "
        "the name of a file takes no {{ … }}",
    ]
    assert bundle.targets == {}


# ---- {file: …} ------------------------------------------------------------------------------------------------------


def test_prompts_and_instructions_may_be_files_everywhere() -> None:
    Path("p.md").write_text("Review\n{{ inputs.x }}\n")
    Path("lib").mkdir()
    Path("lib/p.md").write_text("\ufeffOther", "utf-8")
    write(
        wf="include: [lib/a.yaml]\n"
        "nodes: {a: {prompt: {file: ./p.md}, system: {file: p.md}}, b: {type: human_input, prompt: {file: ./p.md}}}\n"
        "subgraphs: {g: {nodes: {c: {prompt: {file: ./p.md}}}}}\n"
        "agents: {x: {system: {file: ./p.md}}}\nroles: {r: {instructions: {file: ./p.md}}}\n"
        "defaults: {system: {file: ./p.md}}",
        lib__a="roles: {s: {instructions: {file: ./p.md}}}",
    )
    bundle = load("wf.yaml")
    data = bundle.documents[bundle.root].data
    text = "Review\n{{ inputs.x }}\n"
    assert bundle.problems == []
    assert data["nodes"] == {"a": {"prompt": text, "system": text}, "b": {"type": "human_input", "prompt": text}}
    assert data["subgraphs"]["g"]["nodes"]["c"] == {"prompt": text}
    assert (data["agents"]["x"], data["roles"]["r"]) == ({"system": text}, {"instructions": text})
    assert data["defaults"] == {"system": text}
    [library] = bundle.libraries.values()
    assert library.data["roles"]["s"] == {"instructions": "Other"}


def test_the_text_of_a_file_has_its_places_there() -> None:
    Path("p.md").write_text("Review\n{{ x }}\n")
    write(wf="nodes: {a: {prompt: {file: ./p.md}}}")
    bundle = load("wf.yaml")
    document = bundle.documents[bundle.root]
    prompt = document.data["nodes"]["a"]["prompt"]
    assert isinstance(prompt, Text)
    assert prompt.style == "file"
    assert str(locate(document.data, ("nodes", "a", "prompt"))) == "p.md:1:1"
    assert document.sources["p.md"] == ["Review", "{{ x }}", ""]


@pytest.mark.parametrize(
    ("name", "text"), [("s.json", '{"a": {"type": "string"},\n"b": {}}'), ("s.yaml", "a: {type: string}\nb: {}")]
)
def test_output_may_be_a_shape_in_json_or_yaml(name: str, text: str) -> None:
    Path(name).write_text(text)
    write(wf=f"nodes: {{a: {{prompt: x, output: {{file: ./{name}}}}}}}")
    bundle = load("wf.yaml")
    document = bundle.documents[bundle.root]
    assert document.data["nodes"]["a"]["output"] == {"a": {"type": "string"}, "b": {}}
    assert str(locate(document.data, ("nodes", "a", "output", "b"), key=True)) == f"{name}:2:1"
    assert bundle.sources[name] == text.split("\n")


def test_an_output_field_named_file_is_no_reference() -> None:
    write(wf="nodes: {a: {prompt: x, output: {file: {type: string}}}}")
    bundle = load("wf.yaml")
    assert bundle.documents[bundle.root].data["nodes"]["a"]["output"] == {"file": {"type": "string"}}
    assert bundle.problems == []


def test_files_that_cannot_be_used_are_problems_at_the_place_that_names_them() -> None:
    Path("review.md").write_text("x")
    Path("latin.md").write_bytes(b"caf\xe9")
    Path("list.json").write_text("[1]")
    Path("broken.json").write_text('{"a": 1,\n "a": 2}')
    os.mkfifo("pipe")
    write(
        wf="nodes:\n"
        "  a: {prompt: {file: ./reviw.md}}\n"
        "  b: {prompt: {file: ./latin.md}}\n"
        "  c: {prompt: x, output: {file: ./list.json}}\n"
        "  d: {prompt: x, output: {file: ./broken.json}}\n"
        "  e: {prompt: {file: ./pipe}}\n"
        "  f: {prompt: {file: .}, output: {file: ./gone.json}}\n"
    )
    bundle = load("wf.yaml")
    assert said(bundle.problems) == [
        "broken.json:2:2 [a] the key 'a' is given twice | remove one of them | broken.json:1:2",
        "wf.yaml:2:22 [nodes.a.prompt.file] cannot read './reviw.md': there is no such file | did you mean './review.md'?",
        "wf.yaml:3:22 [nodes.b.prompt.file] cannot read 'latin.md': it is not UTF-8 text | save it as UTF-8",
        "wf.yaml:4:33 [nodes.c.output.file] 'list.json' must hold a mapping of field names to JSON Schemas",
        "wf.yaml:6:22 [nodes.e.prompt.file] cannot read './pipe': it is not a regular file",
        "wf.yaml:7:22 [nodes.f.prompt.file] cannot read '.': it is a directory",
        f"wf.yaml:7:41 [nodes.f.output.file] cannot read './gone.json': there is no such file | "
        f"it is looked for in {os.getcwd()}",
    ]
    nodes = bundle.documents[bundle.root].data["nodes"]
    assert [type(node["prompt"]) for node in nodes.values()] == [Text] * 6
    assert [type(nodes[name]["output"]) for name in "cdf"] == [Map] * 3


@pytest.mark.untraced
def test_a_file_named_by_thousands_of_nodes_is_read_once_and_their_sum_is_bounded() -> None:
    Path("p.md").write_text("x" * 100_000)
    write(wf="nodes:\n" + "".join(f"  n{i}: {{prompt: {{file: p.md}}}}\n" for i in range(5_000)))
    start = time.process_time()
    bundle = load("wf.yaml")
    assert time.process_time() - start < 4
    assert {problem.message for problem in bundle.problems} == {
        "cannot read 'p.md': with it, all files together are larger than magent reads (64 MB)"
    }


# ---- frozen bundles -------------------------------------------------------------------------------------------------


def test_a_frozen_bundle_is_the_same_without_the_files() -> None:
    Path("p.md").write_text("Hello {{ x }}")
    write(
        wf="magent: 1\ninclude: [lib/a.yaml]\nd: &d {x: 1}\ne: *d\nnodes: {a: {prompt: {file: p.md}}, b: {type: subgraph, uses: ./t.yaml}}",
        lib__a="agents: {x: {model: local}}",
        t="nodes: {c: {wait: 3s}}",
    )
    bundle = load("wf.yaml")
    text = json.dumps(bundle.to_json())
    for name in ("p.md", "wf.yaml", "lib/a.yaml", "t.yaml"):
        os.remove(name)
    again = Bundle.from_json(json.loads(text))
    assert again.to_json() == bundle.to_json()
    assert (again.root, again.includes, again.targets) == (bundle.root, bundle.includes, bundle.targets)
    assert list(again.documents) == list(bundle.documents)
    assert [(each.file, each.home) for each in again.documents.values()] == [
        ("wf.yaml", os.getcwd()), ("t.yaml", os.getcwd())
    ]  # fmt: skip
    assert [library.home for library in again.libraries.values()] == [os.path.abspath("lib")]
    root = again.documents[again.root].data
    assert root["nodes"]["a"]["prompt"] == "Hello {{ x }}"
    assert (type(root), type(root["nodes"]["a"]["prompt"])) == (dict, str)
    assert again.definitions(again.root, "agents")["x"][0] == {"model": "local"}
    assert again.target(again.root, "./t.yaml") == os.path.abspath("t.yaml")


@pytest.mark.parametrize(
    "data", [{}, {"root": 1}, [], None, {"root": "", "documents": 3}, {"root": "", "documents": {"a": {}}}]
)
def test_a_frozen_bundle_that_is_something_else_is_damaged(data: Any) -> None:
    with pytest.raises(RunDamaged):
        Bundle.from_json(data)


def test_a_frozen_bundle_is_a_copy() -> None:
    write(wf="nodes: {a: {wait: 1}}")
    bundle = load("wf.yaml")
    frozen = bundle.to_json()
    bundle.documents[bundle.root].data["nodes"]["a"]["wait"] = 2
    assert frozen["documents"][bundle.root]["data"]["nodes"]["a"]["wait"] == 1


# ---- data from programs ---------------------------------------------------------------------------------------------


def test_a_mapping_is_loaded_as_if_it_stood_in_a_file(tmp_path: Path) -> None:
    Path("p.md").write_text("Hi")
    write(t="nodes: {}")
    given = {"magent": 1, "nodes": {"a": {"prompt": {"file": "p.md"}}, "b": {"uses": "./t.yaml", "x": (1, None)}}}
    bundle = load_data(given, ".")
    document = bundle.documents[bundle.root]
    assert bundle.problems == []
    assert document.data == {
        "magent": 1,
        "nodes": {"a": {"prompt": "Hi"}, "b": {"uses": "./t.yaml", "x": [1, None]}},
    }
    assert (document.file, document.home) == ("<data>", str(tmp_path))
    assert isinstance(document.data["nodes"]["b"]["x"], Seq)
    assert str(locate(document.data, ("nodes", "b"))) == "<data>:1:1"
    assert bundle.target(bundle.root, "./t.yaml") == str(tmp_path / "t.yaml")
    assert given["nodes"] == {"a": {"prompt": {"file": "p.md"}}, "b": {"uses": "./t.yaml", "x": (1, None)}}


def _endless() -> dict[str, Any]:
    data: dict[str, Any] = {}
    data["a"] = data
    return data


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"a": [1, {2}]}, "[a[1]] a value must be one that JSON knows, this one is {2} (set)"),
        ({"a": float("nan")}, "[a] a value must be one that JSON knows, this one is nan (float)"),
        ({"a": b"x"}, "[a] a value must be one that JSON knows, this one is b'x' (bytes)"),
        ({"a": "\ud800"}, "[a] a value must be one that JSON knows, this one is '\\ud800' (str)"),
        ({"a": 10**2000}, "[a] a value must be one that JSON knows, this one is a number that is too large"),
        ({"a": {1: 2}}, "[a] a key must be a text, this one is the number 1"),
        (_endless(), "[a.a.a.a.a.a.a.a] this is nested deeper than 200 levels, or holds more than 500,000 values"),
    ],
)
def test_values_that_json_does_not_know_are_problems_with_their_path(data: Any, line: str) -> None:
    assert said(load_data(data, ".").problems) == [f"<data>:1:1 {line}"]


def test_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(InvalidWorkflow) as caught:
        load_data([], ".")  # type: ignore[arg-type]
    assert said(caught.value.problems) == ["<data>:1:1 [] a workflow is a mapping, not list"]


@pytest.mark.untraced
def test_data_that_grows_by_sharing_is_bounded() -> None:
    data: list[Any] = []
    for _ in range(60):
        data = [data, data]
    start = time.process_time()
    problems = load_data({"a": data}, ".").problems
    assert time.process_time() - start < 8
    assert problems[0].message.startswith("this is nested deeper")
