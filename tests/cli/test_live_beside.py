"""What others print while a run is shown."""

from __future__ import annotations

import io
import sys

import pytest

from magent.cli.beside import beside, guarded, plain


def heard(*texts: str) -> list[str]:
    lines: list[str] = []
    with beside(io.StringIO(), lines.append):
        for text in texts:
            sys.stdout.write(text)
    return lines


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        (["one\ntwo\n"], ["one", "two"]),
        (["on", "e\ntw", "o"], ["one", "two"]),
        (["10%\r20%\r", "100%\n"], ["100%"]),
        (["one\r\n", "two\r", "\n"], ["one", "two"]),
        (["\x1b[31mred\x1b[0m \x1b]0;title\x07text\x1b[2J\n"], ["red text"]),
        (["a\x07b\x1b\n"], ["a�b�"]),
        (["\n\n"], ["", ""]),
        (["x" * 5000], ["x" * 5000]),
        (["é 潮\n"], ["é 潮"]),
    ],
)
def test_whole_lines_are_handed_on_without_what_steers_a_terminal(texts: list[str], lines: list[str]) -> None:
    assert heard(*texts) == lines


def test_both_streams_and_their_bytes_come_here() -> None:
    lines: list[str] = []
    with beside(io.StringIO(), lines.append):
        print("printed")
        print("to stderr", file=sys.stderr)
        sys.stdout.buffer.write(b"bytes\n")
        assert not sys.stdout.isatty()
    assert lines == ["printed", "to stderr", "bytes"]


def test_a_bar_that_goes_back_over_itself_keeps_nothing_of_what_it_was() -> None:
    with beside(io.StringIO(), lambda _: None) as raw:
        for share in range(10_000):
            sys.stdout.write(f"\r{share} of 10000")
        assert plain(raw.rest) == "9999 of 10000"
        assert len(raw.rest) < 100


def test_afterwards_all_is_as_it_was() -> None:
    before = sys.stdout, sys.stderr
    with pytest.raises(ZeroDivisionError), beside(io.StringIO(), lambda _: None):
        raise ZeroDivisionError
    assert (sys.stdout, sys.stderr) == before


def test_a_line_that_may_begin_a_secret_is_written_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret-of-ours")
    written: list[str] = []

    class Real(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    with guarded(Real()):
        print("these", end="")
        print("")
        print("half a", end="", flush=True)
        print(" line: secret-of-ours")
    assert [each for each in written if each] == ["these\n", "half a", " line: ***\n"]
