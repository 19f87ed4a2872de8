"""Secrets are masked, in whole data and in texts that come in pieces."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from magent.events import Event
from magent.masks import MaskedSink, masker


def streamed(pieces: list[str], *secrets: str) -> list[str]:
    seen: list[str] = []
    sink = MaskedSink([lambda event: seen.append(str(event.data.get("text", event.type)))], secrets)
    for piece in pieces:
        sink(Event(0, 0.0, "text", {"path": "a", "text": piece}))
    sink(Event(1, 0.0, "visit.completed", {"path": "a"}))
    assert seen.pop() == "visit.completed"
    return seen


def test_data_is_masked_at_any_depth_and_what_is_short_is_left() -> None:
    mask: Any = masker(["sesame", "abc"])
    assert mask({"sesame": ["open sesame!", 1, {"k": "abc"}]}) == {"***": ["open ***!", 1, {"k": "abc"}]}
    assert masker(["abc", ""]) is None


def test_a_secret_is_masked_as_json_writes_it_too() -> None:
    mask: Any = masker(['say "open"\n'])
    assert mask('{"k": "say \\"open\\"\\n"}') == '{"k": "***"}'


def test_a_secret_that_comes_in_pieces_is_never_seen() -> None:
    assert streamed(["op", "en ses", "a", "me now"], "sesame") == ["op", "en ", "*** now"]


def test_what_was_held_back_for_nothing_is_told_in_the_end() -> None:
    assert streamed(["it is se"], "sesame") == ["it is ", "se"]


def test_a_text_of_another_task_is_not_mixed_in() -> None:
    seen: list[tuple[str, str]] = []
    sink = MaskedSink([lambda event: seen.append((event.data["path"], event.data["text"]))], ["sesame"])
    for path, piece in (("a", "ses"), ("b", "ame"), ("a", "ame")):
        sink(Event(0, 0.0, "text", {"path": path, "text": piece}))
    assert seen == [("b", "ame"), ("a", "***")]


@given(
    st.lists(st.text("ab", min_size=4, max_size=7), min_size=1, max_size=3),
    st.lists(st.text("ab", max_size=5), max_size=8),
)
def test_pieces_come_to_what_the_whole_comes_to(secrets: list[str], pieces: list[str]) -> None:
    mask: Any = masker(secrets)
    assert "".join(streamed(pieces, *secrets)) == mask("".join(pieces))
