"""Functions named as `module:name`: whose module wins, and what the import leaves behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from magent.functions import FunctionNotFound, load_function


@pytest.fixture(autouse=True)
def _clean_modules() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def home(path: Path, **files: str) -> str:
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        file = path.joinpath(*name.split("__")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return str(path)


def test_a_function_comes_from_the_home_directory(tmp_path: Path) -> None:
    assert load_function("fn_one:go", home(tmp_path, fn_one="def go(): return 1"))() == 1


def test_a_function_of_a_package_inside_the_home_directory_is_found(tmp_path: Path) -> None:
    where = home(tmp_path, fnpkg__inner="from .other import X\ndef go(): return X", fnpkg__other="X = 7")
    assert load_function("fnpkg.inner:go", where)() == 7


def test_an_installed_function_is_found() -> None:
    assert load_function("json:dumps", "/")([1]) == "[1]"


def test_a_static_method_of_a_class_can_be_named(tmp_path: Path) -> None:
    where = home(tmp_path, fn_cls="class A:\n    @staticmethod\n    def go(): return 'in'")
    assert load_function("fn_cls:A.go", where)() == "in"


def test_a_home_module_wins_over_an_installed_one_and_leaves_it_in_place(tmp_path: Path) -> None:
    import json

    where = home(tmp_path, json="def dumps(x): return 'mine'")
    assert load_function("json:dumps", where)(1) == "mine"
    assert sys.modules["json"] is json
    import jinja2

    where = home(tmp_path / "b", jinja2="def go(): return 'mine'")
    assert load_function("jinja2:go", where)() == "mine"
    assert sys.modules["jinja2"] is jinja2


def test_a_home_module_does_not_stay_in_the_place_of_one_that_is_installed_and_not_yet_loaded(tmp_path: Path) -> None:
    sys.modules.pop("colorsys", None)
    where = home(tmp_path, fn_colour="import colorsys\ndef go(): return colorsys.mine", colorsys="mine = 1")
    assert load_function("fn_colour:go", where)() == 1
    import colorsys

    assert not hasattr(colorsys, "mine")


def test_two_homes_with_modules_of_one_name_do_not_mix(tmp_path: Path) -> None:
    one = home(tmp_path / "one", helpers_x="import common_x\ndef go(): return common_x.V", common_x="V = 1")
    two = home(tmp_path / "two", helpers_x="import common_x\ndef go(): return common_x.V", common_x="V = 2")
    first, second = load_function("helpers_x:go", one), load_function("helpers_x:go", two)
    assert (first(), second()) == (1, 2)
    assert load_function("helpers_x:go", one) is first


def test_the_import_leaves_the_path_as_it_was(tmp_path: Path) -> None:
    before = list(sys.path)
    load_function("fn_path:go", home(tmp_path, fn_path="def go(): pass"))
    with pytest.raises(FunctionNotFound):
        load_function("fn_bad:go", home(tmp_path, fn_bad="1/0"))
    assert sys.path == before


def test_a_function_may_import_its_neighbours_while_it_runs(tmp_path: Path) -> None:
    where = home(
        tmp_path, fn_lazy="def go():\n    import fn_late\n    from fn_late2 import Y\n    return fn_late.X + Y",
        fn_late="X = 3", fn_late2="Y = 4",
    )  # fmt: skip
    assert load_function("fn_lazy:go", where)() == 7


def test_a_module_of_the_home_that_is_loaded_already_is_the_one_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = home(tmp_path, fn_loaded="calls = []\ndef go(): calls.append(1)")
    monkeypatch.syspath_prepend(where)
    import fn_loaded  # type: ignore[import-not-found]

    load_function("fn_loaded:go", where)()
    assert fn_loaded.calls == [1]


@pytest.mark.parametrize(
    ("target", "message", "hint"),
    [
        ("fn_absent:go", "there is no module 'fn_absent'", "fn_absent.py"),
        ("fn_some.deeper:go", "there is no module 'fn_some.deeper'", "fn_some/deeper.py"),
        ("fn_some:classfy", "'fn_some' has no 'classfy'", "did you mean 'classify'?"),
        ("fn_some:limit", "is of type int, not a function", "name a function"),
        ("fn_some", "names no function", "module:function"),
        ("fn_some:", "names no function", "module:function"),
        ("fn-some:go", "names no function", "module:function"),
        ("fn_needs:go", "'fn_needs' imports 'fn_not_installed'", "install"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, target: str, message: str, hint: str) -> None:
    where = home(tmp_path, fn_some="limit = 3\ndef classify(): pass", fn_needs="import fn_not_installed")
    with pytest.raises(FunctionNotFound) as caught:
        load_function(target, where)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "kind"), [("1/0", "ZeroDivisionError"), ("def", "SyntaxError"), ("exit(3)", "SystemExit")]
)
def test_a_module_that_breaks_at_import_is_named_with_its_error(tmp_path: Path, text: str, kind: str) -> None:
    with pytest.raises(FunctionNotFound, match=f"'fn_broken' cannot be imported: {kind}"):
        load_function("fn_broken:go", home(tmp_path, fn_broken=text))
