"""Values as people read them are YAML that gives the same values back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magent.plain import lean, show
from magent.spec.loader import load_yaml

KEYS = st.text("abcXYZ _-:#'\"é", max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(max_size=20)
    | st.text("ab \n:#-|\u200c\u200d\u202e", max_size=20)
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=3) | st.lists(VALUES, min_size=1, max_size=3))
def test_what_is_shown_reads_back_as_the_value(value: Any) -> None:
    data, problems, _ = load_yaml(f"{show(value)}\n".encode("utf-8", "surrogatepass"), "x.yaml")
    assert problems == []
    assert data == value


def test_a_text_is_shown_as_it_is() -> None:
    assert show("a: b\n# c") == "a: b\n# c"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (
            {"verdict": "approve", "score": 8, "ok": True, "none": None},
            "verdict: approve\nscore: 8\nok: true\nnone: null",
        ),
        ({"report": "# Tides\n\nThey rise."}, "report: |-\n  # Tides\n\n  They rise."),
        ({"report": "one\ntwo\n"}, "report: |\n  one\n  two"),
        ({"list": ["a", {"b": [1]}], "empty": [], "none": {}}, "list:\n  - a\n  - b:\n      - 1\nempty: []\nnone: {}"),
        ({"version": "1.0", "word": "yes", "time": "1:30"}, 'version: "1.0"\nword: "yes"\ntime: "1:30"'),
        ([["a"], []], "- - a\n- []"),
        (
            {"who": "👩\u200d👧", "فارسی": "می\u200cخواهم\n👩\u200d👧"},
            'who: "👩\u200d👧"\n"فارسی": |-\n  می\u200cخواهم\n  👩\u200d👧',
        ),
        ({"turned": "a\u202eb\nc"}, 'turned: "a\\u202eb\\nc"'),
    ],
)
def test_how_values_look(value: Any, shown: str) -> None:
    assert show(value) == shown


def test_a_deep_value_is_shown_without_end_of_the_stack() -> None:
    value: Any = "x"
    for _ in range(150):
        value = {"a": value}
    assert show(value).count("a") == 150


def test_of_a_command_s_result_nothing_is_told_twice() -> None:
    said = {"exit_code": 0, "stdout": "one\n", "stderr": "", "data": "one"}
    unread = {"exit_code": 3, "stdout": "half", "stderr": "no", "data": None}
    mine = {"stdout": "one", "data": "one"}
    assert lean({"a": [said], "b": unread, "c": mine}) == {
        "a": [{"exit_code": 0, "data": "one"}],
        "b": {"exit_code": 3, "stdout": "half", "stderr": "no", "data": None},
        "c": mine,
    }
