"""Static checks: each bad file gives exactly the text beside it, each good one nothing."""

from __future__ import annotations

import ast
import copy
import inspect
import json
import random
import re
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from magent.source import Problem, render, sort_key
from magent.spec import checks
from magent.spec.checks import (
    CHECKS,
    agents,
    check,
    names,
    nulls,
    references,
    roles,
    scopes,
    tools,
    unused,
    values,
    writes,
)
from magent.spec.checks.texts import Reader, _plain
from magent.spec.loader import load, load_data

CASES = Path(__file__).parent / "cases"
MODULES = (agents, names, nulls, references, roles, scopes, tools, unused, values, writes)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAGENT_TEST_NO_SUCH_SECRET", raising=False)


def shown(file: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(file.parent)
    bundle = load(file.name)
    return "\n".join(render(problem, bundle.sources.get(problem.position.file)) for problem in check(bundle)) + "\n"


@pytest.mark.parametrize("name", sorted(file.stem for file in (CASES / "bad").glob("*.yaml")))
def test_a_bad_file_gives_exactly_these_problems(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = CASES / "bad" / f"{name}.yaml"
    assert shown(file, monkeypatch) == file.with_suffix(".out").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(file.stem for file in (CASES / "good").glob("*.yaml")))
def test_a_good_file_gives_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(CASES / "good" / f"{name}.yaml", monkeypatch).strip() == ""


def codes() -> set[str]:
    found = {*references.UNKNOWN.values(), *unused.UNUSED.values()}
    for module in MODULES:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("problem", "warning", "error"):
                texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                found.update(text for text in texts[:1] if re.fullmatch("[a-z-]+", text))
    return found


def test_every_code_has_a_case() -> None:
    told = "\n".join(file.read_text("utf-8") for file in (CASES / "bad").glob("*.out"))
    assert len(codes()) > 40
    assert {code for code in codes() if f"[{code}]" not in told} == set()


def test_every_check_is_in_the_list() -> None:
    written = {function for module in MODULES for name, function in vars(module).items() if name.startswith("check_")}
    assert {function for function in written if function.__module__.startswith(checks.__name__)} == set(CHECKS)


# ---- small cases -----------------------------------------------------------------------------------------------------


def problems(text: str, tmp_path: Path) -> list[Problem]:
    file = tmp_path / "w.yaml"
    file.write_text("magent: 1\nname: w\n" + textwrap.dedent(text), "utf-8")
    return check(load(str(file)))


def marks(text: str, tmp_path: Path) -> list[tuple[str, str]]:
    return [(problem.code, problem.path) for problem in problems(text, tmp_path)]


def test_a_misspelt_target_is_told_once_and_not_as_an_unreachable_node(tmp_path: Path) -> None:
    text = """
    nodes:
      a: {wait: 1, next: publsih}
      publish: {wait: 1, next: c}
      c: {wait: 1}
    """
    assert marks(text, tmp_path) == [("unknown-node", "nodes.a.next")]


def test_nodes_with_a_malformed_edge_do_not_make_others_unreachable(tmp_path: Path) -> None:
    text = """
    nodes:
      a: {wait: 1, next: {too: b}}
      b: {wait: 1}
    """
    assert marks(text, tmp_path) == [("unknown-key", "nodes.a.next.too")]


def test_a_malformed_node_still_counts_as_a_name(tmp_path: Path) -> None:
    text = """
    nodes:
      a: {wait: 1, next: b}
      b: 7
      c: {run: [echo, "{{ state.b }}", "{{ nodes.b.status }}"]}
    """
    assert [code for code, _ in marks(text, tmp_path)] == ["wrong-type"]


def test_reads_after_a_join_of_branches_are_safe(tmp_path: Path) -> None:
    text = """
    nodes:
      fan: {type: parallel, branches: [x, y], next: join}
      x: {run: "true", next: x2}
      x2: {run: "true", set: {k: "{{ state.x.exit_code }}"}}
      y: {run: "true"}
      join: {run: [echo, "{{ state.x.stdout }}", "{{ state.y.stdout }}", "{{ state.k }}", "{{ state.fan.x2 }}"]}
    """
    assert marks(text, tmp_path) == [("unknown-field", "nodes.join.run[4]")]


@pytest.mark.parametrize("extra", ["wait_for: any", "wait_for: 1", "on_branch_error: collect"])
def test_reads_after_a_join_that_does_not_need_all_may_be_null(extra: str, tmp_path: Path) -> None:
    text = f"""
    nodes:
      fan: {{type: parallel, branches: [x, y], {extra}, next: join}}
      x: {{run: "true"}}
      y: {{run: "true"}}
      join: {{run: [echo, "{{{{ state.x.stdout }}}}"]}}
    """
    assert marks(text, tmp_path) == [("may-be-null", "nodes.join.run[1]")]


def test_a_branch_does_not_see_what_its_sibling_writes(tmp_path: Path) -> None:
    text = """
    nodes:
      fan: {type: parallel, branches: [x, y]}
      x: {run: "true"}
      y: {run: [echo, "{{ state.x.stdout }}"]}
    """
    assert marks(text, tmp_path) == [("may-be-null", "nodes.y.run[1]")]


def test_until_runs_its_body_at_least_once_and_while_may_not(tmp_path: Path) -> None:
    text = """
    nodes:
      l: {type: loop, until: state.b.exit_code == 0, max_iterations: 3, body: b, next: m}
      b: {run: "true"}
      m: {type: loop, while: state.b.exit_code == 0, max_iterations: 3, body: c, next: last}
      c: {run: "true"}
      last: {run: [echo, "{{ state.b.stdout }}", "{{ state.c.stdout }}"]}
    """
    assert marks(text, tmp_path) == [("may-be-null", "nodes.last.run[2]")]


def test_a_later_node_of_a_loop_back_may_be_null_when_read_earlier_unless_guarded(tmp_path: Path) -> None:
    text = """
    nodes:
      a: {run: [echo, "{{ state.b.stdout }}", "{{ state.b.stdout | default('') }}"], next: b}
      b: {run: "true", next: [{loop_back: a, max: 2, when: output.exit_code == 1}, {to: c}]}
      c: {run: [echo, "{{ state.a.stdout }}", "{{ state.b.stdout }}"]}
    """
    assert marks(text, tmp_path) == [("may-be-null", "nodes.a.run[1]")]


def test_the_conditional_edges_of_a_skippable_node_know_that_it_ran(tmp_path: Path) -> None:
    text = """
    inputs: {deep: {type: boolean}}
    nodes:
      a: {run: "true", when: inputs.deep, next: [{to: b, when: state.a.exit_code == 0}, {to: c}]}
      b: {run: [echo, "{{ state.a.stdout }}"]}
      c: {run: [echo, "{{ state.a.stdout }}"]}
    """
    assert marks(text, tmp_path) == [("may-be-null", "nodes.c.run[1]")]


def test_error_is_there_after_its_edge(tmp_path: Path) -> None:
    text = """
    nodes:
      a: {run: "true", on_error: {goto: mend}, next: b}
      mend: {run: [echo, "{{ error.message }}", "{{ state.a.stdout }}"]}
      b: {run: [echo, "{{ error.message }}", "{{ state.a.stdout }}"]}
    """
    assert marks(text, tmp_path) == [("may-be-null", "nodes.mend.run[2]"), ("may-be-null", "nodes.b.run[1]")]


def test_a_key_that_both_ways_set_is_safe_after_they_meet(tmp_path: Path) -> None:
    text = """
    inputs: {deep: {type: boolean}}
    nodes:
      pick: {type: condition, next: [{to: x, when: inputs.deep}, {to: y}]}
      x: {set: {k: {v: 1}, only: {v: 1}}, next: join}
      y: {set: {k: {v: 2}}, next: join}
      join: {run: [echo, "{{ state.k.v }}", "{{ state.only.v }}"]}
    """
    assert marks(text, tmp_path) == [("may-be-null", "nodes.join.run[2]")]


def test_null_as_a_condition_or_as_an_output_is_meant(tmp_path: Path) -> None:
    text = """
    inputs: {deep: {type: boolean}}
    nodes:
      a: {wait: 1, set: {flag: true}, when: inputs.deep, next: [{to: b}]}
      b: {type: condition, next: [{to: c, when: state.flag}, {to: c, when: not state.flag}, {to: c}]}
      c: {type: end, outputs: {flag: "{{ state.flag }}"}}
    outputs: {flag: "{{ state.flag }}"}
    """
    assert marks(text, tmp_path) == []


@pytest.mark.parametrize(
    ("text", "doubtful"),
    [
        ("{{ state.a }}", True),
        ("one {{ state.a }}", True),
        ("{{ state['a'] }}", True),
        ("{{ state.a | length }}", True),
        ("{{ state.a.b }}", True),
        ("{% for x in state.a %}{{ x }}{% endfor %}", True),
        ("{{ state.a | default('') }}", False),
        ("{{ state.a or 'none' }}", False),
        ("{{ 'yes' if state.a else 'no' }}", False),
        ("{% if state.a %}{{ state.a.b }}{% endif %}", False),
        ("{{ state.a is defined }}", False),
        ("{{ state.a == 'x' }}", False),
        ("{{ not state.a }}", False),
    ],
)
def test_a_read_of_null_is_told_where_null_was_not_thought_of(text: str, doubtful: bool, tmp_path: Path) -> None:
    nodes = {
        "first": {"set": {"y": text}, "next": "work"},
        "work": {
            "call": "m:f",
            "next": [{"loop_back": "first", "max": 2}, {"to": "end"}],
            "set": {"a": "{{ output }}"},
        },
    }
    found = check(load_data({"magent": 1, "name": "w", "nodes": nodes}, str(tmp_path)))
    assert [problem.code for problem in found] == ["may-be-null"] * doubtful


def test_two_items_of_a_for_each_may_write_one_key(tmp_path: Path) -> None:
    text = """
    nodes:
      each: {type: parallel, for_each: [1, 2], body: one}
      one: {set: {k: "{{ item }}"}}
    """
    assert marks(text, tmp_path) == []


def test_two_branches_may_write_one_key_in_turn_or_outside_of_them(tmp_path: Path) -> None:
    text = """
    nodes:
      a: {set: {k: 1}, next: fan}
      fan: {type: parallel, branches: [x, y], next: b}
      x: {set: {k: 2}, next: x2}
      x2: {set: {k: 3}}
      y: {wait: 1}
      b: {set: {k: 4}}
    """
    assert marks(text, tmp_path) == []


def test_round_and_the_item_reach_into_nested_scopes(tmp_path: Path) -> None:
    text = """
    nodes:
      l: {type: loop, for_each: [1], as: row, body: fan}
      fan: {type: parallel, branches: [x]}
      x: {type: parallel, for_each: "[row]", as: cell, body: deep}
      deep: {run: [echo, "{{ row }}", "{{ cell }}", "{{ round.first }}", "{{ item }}"]}
    """
    assert marks(text, tmp_path) == [("unknown-name", "nodes.deep.run[4]")]


def test_libraries_and_called_files_are_checked_too(tmp_path: Path) -> None:
    (tmp_path / "lib.yaml").write_text("magent: 1\nroles: {x: {extends: nobody}}\n")
    (tmp_path / "sub.yaml").write_text("magent: 1\nname: s\nnodes: {a: {wait: 1, next: b}}\n")
    text = """
    include: [./lib.yaml]
    nodes: {a: {type: subgraph, uses: ./sub.yaml}}
    """
    found = [(problem.code, Path(problem.position.file).name) for problem in problems(text, tmp_path)]
    assert found == [("unknown-role", "lib.yaml"), ("unknown-node", "sub.yaml")]


def test_a_library_alone_is_checked_as_a_library(tmp_path: Path) -> None:
    file = tmp_path / "lib.yaml"
    file.write_text('magent: 1\nagents: {a: {command: [x, "{{ secrets.KEY }}", "{{ nonsense }}"]}}\n')
    assert [problem.code for problem in check(load(str(file)))] == ["unknown-name"]


def test_problems_in_a_prompt_file_have_their_place_there(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text("# Title\n\nSay {{ inputs.nothing }}\n")
    text = """
    agents: {a: {model: local}}
    nodes: {a: {prompt: {file: ./p.md}, agent: a}}
    """
    [problem] = problems(text, tmp_path)
    assert (Path(problem.position.file).name, problem.position.line, problem.position.column) == ("p.md", 3, 8)


def test_data_from_programs_is_checked_by_path() -> None:
    data = {"magent": 1, "name": "w", "nodes": {"a": {"set": {"x": "{{ state.y }}"}}}}
    [problem] = check(load_data(data, "."))
    assert (problem.code, problem.path) == ("unknown-state", "nodes.a.set.x")


def test_problems_are_sorted_and_none_is_there_twice(tmp_path: Path) -> None:
    text = """
    anchor: &x {run: [echo, "{{ nothing }}"]}
    nodes:
      a: {run: [echo, "{{ b }}", "{{ c }}"], next: d}
    """
    found = problems(text.replace("anchor", "x-anchor"), tmp_path)
    assert found == sorted(set(found), key=lambda problem: problem.position)


@pytest.mark.parametrize("text", ["a {{ state.x.y }} b", "{{inputs.x}}", "l\nm {{ nodes.a.status }}"])
def test_the_short_way_to_read_a_plain_path_agrees_with_the_parser(text: str) -> None:
    from magent.expressions import Template

    plain = _plain(text)
    assert plain is not None
    assert plain.accesses == Template(text).accesses


@pytest.mark.parametrize(
    "text", ["{{ state.x | upper }}", "{{ state }}", "{% if x %}{% endif %}", "{{ a.b }}", "{{ x.y }"]
)
def test_all_else_is_parsed(text: str) -> None:
    assert _plain(text) is None


def test_a_text_is_parsed_once() -> None:
    reader = Reader()
    assert reader.read("condition", "inputs.x") is reader.read("condition", "inputs.x")


# ---- whatever stands in a file ---------------------------------------------------------------------------------------

JUNK: tuple[Any, ...] = (
    *(None, 1, -1, True, 1.5, "x", "a.b", "end", "fan", "{{ x", "{{ state.x }}", [], {}, [1], ["a", {}], ["x", "x"]),
    *({"to": 1}, {"a": {"b": []}}, {"file": "x"}, {"loop_back": "a"}, {"type": 7}, {"goto": []}, [[]], [{"as": {}}]),
)
KEYS = ("when", "next", "body", "branches", "for_each", "as", "set", "with", "default", "on_error", "type", "switch")


def spots(data: Any) -> list[tuple[Any, Any]]:
    """Every container in a document with every key of it."""
    found: list[tuple[Any, Any]] = []
    waiting = [data]
    for item in waiting:
        keys = list(item) if isinstance(item, dict) else list(range(len(item))) if isinstance(item, list) else []
        found += [(item, key) for key in keys]
        waiting += [item[key] for key in keys]
    return found


@pytest.mark.parametrize("file", sorted((CASES / "good").glob("*.yaml")), ids=lambda file: file.stem)
def test_malformed_parts_are_problems_and_never_exceptions(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    plain = json.dumps(load(file.name).to_json()["documents"][str(file)]["data"])
    chance = random.Random(1)
    for _ in range(150):
        data = json.loads(plain)
        for _ in range(chance.choice((1, 1, 2, 5))):
            owner, key = chance.choice(spots(data))
            if isinstance(owner, dict) and chance.random() < 0.2:
                owner[chance.choice(KEYS)] = copy.deepcopy(chance.choice(JUNK))
            else:
                owner[key] = copy.deepcopy(chance.choice(JUNK))
        found = check(load_data(json.loads(json.dumps(data)), str(file.parent)))
        assert found == sorted(dict.fromkeys(found), key=sort_key)


# ---- size ------------------------------------------------------------------------------------------------------------


def big(nodes: dict[str, Any], **more: Any) -> list[Problem]:
    head = {"magent": 1, "name": "big", "agents": {"a": {"model": "local"}}, "defaults": {"agent": "a"}}
    return check(load_data({**head, "nodes": nodes, **more}, "."))


def chain(count: int) -> dict[str, Any]:
    return {
        f"n{number}": {
            "prompt": f"Go on from {{{{ state.n{number - 1}.score }}}}" if number else "Begin",
            "output": {"score": {"type": "integer"}},
            "next": [{"loop_back": f"n{max(number - 3, 0)}", "when": "output.score > 3"}, {"to": f"n{number + 1}"}],
        }
        for number in range(count)
    } | {f"n{count}": {"prompt": "End"}}


def nest(count: int) -> dict[str, Any]:
    level = {"type": "parallel", "for_each": [1], "when": "round.first | default(true) and i0 is defined"}
    return {
        f"n{number}": {**level, "as": f"i{number}", "body": f"n{number + 1}", **({} if number else {"when": True})}
        for number in range(count)
    } | {f"n{count}": {"run": ["echo", "{{ i0 }}"]}}


def branches(count: int) -> dict[str, Any]:
    fan = {"type": "parallel", "branches": [f"n{number}" for number in range(count)], "next": "join"}
    work = {f"n{number}": {"run": "true", "set": {f"k{number}": 1}} for number in range(count)}
    return {"fan": fan, **work, "join": {"run": ["echo", *(f"{{{{ state.n{i}.stdout }}}}" for i in range(count))]}}


@pytest.mark.parametrize("shape", [chain, nest, branches])
@pytest.mark.untraced
def test_thousands_of_nodes_are_checked_in_time_that_grows_linearly(shape: Any) -> None:
    small, large = shape(500), shape(5_000)
    assert big(small) == []
    started = time.process_time()
    big(small)
    middle = time.process_time()
    assert big(large) == []
    assert time.process_time() - middle < 40 * (middle - started) + 1


@pytest.mark.untraced
def test_thousands_of_problems_are_told_without_delay() -> None:
    nodes: dict[str, Any] = {f"n{i}": {"set": {"x": f"{{{{ stat.n{i} }}}}"}, "next": f"m{i}"} for i in range(1_000)}
    started = time.perf_counter()
    found = big(nodes)
    assert len(found) >= 2_000
    assert time.perf_counter() - started < 60


@pytest.mark.untraced
def test_roles_that_extend_one_another_by_the_thousand_are_looked_at_once() -> None:
    roles = {f"r{i}": {"extends": f"r{(i + 1) % 3_000}"} for i in range(3_000)}
    started = time.process_time()
    found = big({"a": {"prompt": "x", "role": "r0"}}, roles=roles)
    assert sum(problem.code == "role-cycle" for problem in found) == 3_000
    assert max(len(problem.message) for problem in found) < 200
    assert time.process_time() - started < 10


@pytest.mark.untraced
def test_hundreds_of_libraries_that_include_one_another_are_checked_without_delay(tmp_path: Path) -> None:
    for i in range(500):
        more = [f"./l{j}.yaml" for j in (i + 1, i + 2) if j < 500]
        tmp_path.joinpath(f"l{i}.yaml").write_text(json.dumps({"magent": 1, "include": more, "tools": {}}))
    file = tmp_path / "w.yaml"
    file.write_text("magent: 1\nname: w\ninclude: [./l0.yaml]\nnodes: {a: {wait: 0}}\n")
    bundle = load(str(file))
    started = time.process_time()
    assert [problem for problem in check(bundle) if problem.severity == "error"] == []
    assert time.process_time() - started < 10


def test_the_list_names_modules_in_the_order_they_import_each_other() -> None:
    assert checks.__doc__ is not None
    order = checks.__doc__.split("Modules, in order: ")[1].split(".")[0].replace(",", "").split()
    for place, name in enumerate(order):
        text = (Path(checks.__file__).parent / f"{name}.py").read_text("utf-8")
        used = re.findall(r"from magent\.spec\.checks\.(\w+) import", text)
        assert set(used) <= set(order[:place]), name
