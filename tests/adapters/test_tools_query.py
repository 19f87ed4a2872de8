import time
from contextlib import suppress
from typing import Any

import pytest

from magent.events import WorkFailed
from tests.adapters.tooling import one, refused, used

DATA = {"items": [{"name": "a", "price": 5}, {"name": "b", "price": 15}, {"name": "c", "price": 25}], "": 1}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("items[0].name", "a"),
        ("items[?price > `10`].name", ["b", "c"]),
        ("items[-1].{n: name, p: price}", {"n": "c", "p": 25}),
        ("nothing.there", None),
        ("length(items)", 3),
        ("sum(items[].price)", 45),
        ("join(', ', items[].name)", "a, b, c"),
        ("sort_by(items, &price)[-1].name", "c"),
        ("@", DATA),
        ("items[].name | [0:2]", ["a", "b"]),
    ],
)
async def test_an_expression_picks_values_out(expression: str, found: Any) -> None:
    tool = await one({"builtin": "json_query"})
    assert await used(tool, {"expression": expression, "data": DATA}) == found


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("items[", "cannot be worked out"),
        ("items[?price >", "cannot be worked out"),
        ("length(`1`)", "cannot be worked out"),
        ("nofunction(@)", "cannot be worked out"),
        ("sum(items)", "cannot be worked out"),
        ("sort_by(items, &name, &price)", "cannot be worked out"),
        ("&name", "expression for a function"),
        ("a" * 4001, "longer than"),
        ("[" * 3000, ""),
        ("(" * 1500 + "a" + ")" * 1500, ""),
        ("!" * 3000 + "a", ""),
        ("`" + "[" * 3000 + "`", ""),
        ("\ud800", ""),
        ("a\0b", ""),
    ],
)
async def test_what_is_no_expression_is_told(expression: str, why: str) -> None:
    tool = await one({"builtin": "json_query"})
    assert why in (await refused(tool, {"expression": expression, "data": DATA})).message


HEAVY = [
    "|".join(["[@, @]"] * 60),
    "|".join(["[@, @]"] * 60) + "| to_string(@)",
    "|".join(["[@, @][]"] * 60),
    "|".join(["[@, @]"] * 40) + "|" + "|".join(["[]"] * 40),
    "[" + "|".join(["[@, @]"] * 30) + "," + "|".join(["[@, @]"] * 30) + "] | [0] == [1]",
    "|".join(["join(@, ['xxxxxxxxxx', 'xxxxxxxxxx', 'xxxxxxxxxxx'])"] * 40),
    "[?[?[?[?[?[?[?@ == @]]]]]]]",
    "map(&map(&map(&map(&map(&map(&@, $), $), $), $), $), $)",
    "[*].[[*][], [*][]] | [][]",
    "|".join(["merge({a: @, b: @}, {c: @})"] * 40) + "| to_string(@)",
]


@pytest.mark.untraced
@pytest.mark.parametrize("expression", HEAVY)
async def test_no_expression_takes_all_the_time_or_the_memory(expression: str) -> None:
    tool = await one({"builtin": "json_query"})
    began = time.monotonic()
    for data in ("x" * 1000, list(range(300)), [[number] * 300 for number in range(300)]):
        with suppress(WorkFailed):
            await used(tool, {"expression": expression, "data": data})
    assert time.monotonic() - began < 20


async def test_data_that_is_too_deep_is_told() -> None:
    tool = await one({"builtin": "json_query"})
    data: Any = 1
    for _ in range(500):
        data = [data]
    assert "nested" in (await refused(tool, {"expression": "@", "data": data})).message
