"""The files in `schemas/`: sound, complete for editors, shipped, and read by our checks as the library reads them."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from magent.spec.loader import load_yaml
from magent.spec.reference import FILE, reference
from magent.spec.schema import KINDS, Kind, read_schema
from magent.spec.schema_keywords import own_book

ROOT = Path(__file__).parent.parent.parent
SCHEMAS = ROOT / "schemas"


def parts(schema: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping in a schema, with its path."""
    if isinstance(schema, dict):
        yield path, schema
        for key, inner in schema.items():
            yield from parts(inner, f"{path}/{key}")
    elif isinstance(schema, list):
        for index, inner in enumerate(schema):
            yield from parts(inner, f"{path}/{index}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_schema_is_sound_draft_07(kind: Kind) -> None:
    assert read_schema(kind)["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(read_schema(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_no_schema_uses_one_of_and_nothing_stands_beside_a_reference(kind: Kind) -> None:
    for path, part in parts(read_schema(kind)):
        if not path.endswith("/properties"):  # `oneOf` and `$ref` are also names of keywords that users write
            assert "oneOf" not in part, path
            assert "$ref" not in part or list(part) == ["$ref"], path


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_complete_in_itself(kind: Kind) -> None:
    schema = read_schema(kind)
    for path, part in parts(schema):
        if isinstance(reference := part.get("$ref"), str):
            assert reference.startswith("#/definitions/"), path
            assert reference.removeprefix("#/definitions/") in schema["definitions"], path


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_that_a_user_writes_is_described(kind: Kind) -> None:
    schema = read_schema(kind)
    bare = []
    for path, part in parts(schema):
        choosing = any(step in path for step in ("/if", "/then", "/else", "/allOf", "/contains"))
        names = path.endswith("/properties")  # the keyword `properties` is itself a key that users write
        if choosing or names or not isinstance(part.get("properties"), dict):
            continue
        for key, inner in part["properties"].items():
            target = schema["definitions"].get(inner.get("$ref", "").rpartition("/")[2], {})
            if not (inner.get("description") or target.get("description")):
                bare.append(f"{path}: {key}")
    assert bare == []


def test_each_node_type_is_one_closed_object() -> None:
    definitions = read_schema("workflow")["definitions"]
    for kind in definitions["node"]["properties"]["type"]["enum"]:
        assert definitions[kind]["additionalProperties"] is False
        assert definitions[kind]["properties"]["type"]["enum"] == [kind]


def test_the_reference_is_fresh() -> None:
    assert FILE.read_text("utf-8") == reference(), "run: python -m magent.spec.reference"


def test_every_link_of_the_reference_leads_to_a_heading() -> None:
    lines = reference().splitlines()
    headings = [
        re.sub(r"[^a-z0-9 _-]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in lines if line[:1] == "#"
    ]
    assert set(re.findall(r"\]\(#([^)]+)\)", reference())) - set(headings) == set()


# --- our checks and the library agree on what is valid


@cache
def whole_language() -> Any:
    data, problems, _ = load_yaml((Path(__file__).parent / "whole_language.yaml").read_bytes(), "whole_language.yaml")
    assert problems == []
    return json.loads(json.dumps(data))


@cache
def places() -> list[tuple[str | int, ...]]:
    """Every place in the document that holds all of the language."""
    found: list[tuple[str | int, ...]] = []
    stack: list[tuple[Any, tuple[str | int, ...]]] = [(whole_language(), ())]
    while stack:
        item, path = stack.pop()
        keys = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
        for key, inner in keys:
            found.append((*path, key))
            stack.append((inner, (*path, key)))
    return found


@cache
def keys() -> list[str]:
    return sorted({step for path in places() for step in path if isinstance(step, str)} | {"unknown", "2x", "x-y"})


@cache
def judges() -> tuple[Any, Any]:
    schema = read_schema("workflow")
    return Draft7Validator(schema), own_book(schema, {}).root


VALUES = st.sampled_from(
    [
        *(
            None,
            True,
            False,
            0,
            1,
            -1,
            1.0,
            2.5,
            "",
            "end",
            "a b",
            "{{ x }}",
            "3s",
            "any",
            "fail",
            [],
            {},
            ["a"],
            [1, 1],
        ),
        *(
            {"to": "x"},
            {"loop_back": "x", "max": 2},
            {"file": "x"},
            {"type": "loop"},
            {"type": "string"},
            [{"to": "x"}],
        ),
        *({"prompt": "x"}, {"run": "x"}, {"type": "condition"}, {"type": "human_input", "input": "choice"}),
    ]
)


@pytest.mark.untraced
@settings(deadline=None, max_examples=400)
@given(st.data())
def test_a_document_changed_at_random_is_judged_as_the_library_judges_it(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(places()))
    document = copy.deepcopy(_only(path))
    others = [place for place in places() if place[:2] == path[:2]] or [path]
    for _ in range(data.draw(st.integers(1, 3))):
        action = data.draw(st.sampled_from(["replace", "delete", "add"]))
        _change(document, path, action, data.draw(st.sampled_from(keys())), copy.deepcopy(data.draw(VALUES)))
        path = data.draw(st.sampled_from(others))
    library, own = judges()
    assert own.accepts(document) == library.is_valid(document)


def _only(path: tuple[str | int, ...]) -> dict[str, Any]:
    """The document with no more than it needs and what stands at `path`: the library takes long for all of it."""
    whole = whole_language()
    small: dict[str, Any] = {"magent": 1, "name": "x", "nodes": {"only": {"wait": 1}}, str(path[0]): whole[path[0]]}
    if len(path) > 1 and isinstance(whole[path[0]], dict):
        small[str(path[0])] = {path[1]: whole[path[0]][path[1]]}
    return small


def _change(document: Any, path: tuple[str | int, ...], action: str, key: str, value: Any) -> None:
    target = document
    try:
        for step in path[:-1]:
            target = target[step]
        if action == "replace":
            target[path[-1]] = value
        elif action == "delete":
            del target[path[-1]]
        elif isinstance(target, dict):
            target[key] = value
    except (KeyError, IndexError, TypeError):
        return  # an earlier change took the place away


# --- found wherever magent is installed


def test_the_schemas_are_found_beside_the_package_in_a_checkout() -> None:
    assert not (ROOT / "magent" / "schemas").exists()
    assert read_schema("answers")["title"] == json.loads((SCHEMAS / "answers.schema.json").read_text())["title"]


def test_the_wheel_brings_the_schemas_and_its_package_finds_them(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    for kind in KINDS:
        shipped = tmp_path / "installed" / "magent" / "schemas" / f"{kind}.schema.json"
        assert shipped.read_bytes() == (SCHEMAS / f"{kind}.schema.json").read_bytes()
    program = "from magent.spec import schema; print(schema.__file__); print(schema.read_schema('test')['title'])"
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path / "installed", capture_output=True, text=True, check=True
    )
    assert found.stdout.splitlines() == [str(tmp_path / "installed/magent/spec/schema.py"), "a test file"]


def test_jsonschema_is_not_imported_for_a_valid_document_or_value() -> None:
    program = (
        "import sys; from magent.spec.schema import *;"
        "assert not validate({'magent': 1, 'name': 'x', 'nodes': {'a': {'set': {'b': 1}}}}, 'workflow');"
        "assert not check_value(field_schema({'a': {'type': 'integer', 'minimum': 1}}), {'a': 3});"
        "print('jsonschema' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
