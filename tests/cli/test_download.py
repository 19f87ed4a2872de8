"""The bar of the local model's download."""

from __future__ import annotations

from magent.cli.download import Download


def shown(terminal: bool, *steps: tuple[int, int]) -> list[str]:
    found: list[str] = []
    bar = Download(found.append, terminal)
    for done, total in steps:
        bar("fetching", done, total)
    return found


def test_a_terminal_sees_one_line_that_is_redrawn() -> None:
    found = shown(True, (0, 100_000_000), (500_000, 100_000_000), (50_000_000, 100_000_000), (100_000_000, 100_000_000))
    assert found[0].startswith("\rfetching [---")
    assert " 50% of 100 MB" in found[1]
    assert found[-1].endswith("100% of 100 MB\n")
    assert len(found) == 3


def test_a_log_sees_few_whole_lines() -> None:
    found = shown(False, *((done, 1000) for done in range(1001)))
    assert found == [f"fetching {share}% of 0 MB\n" for share in (0, 25, 50, 75, 100)]


def test_an_unknown_size_is_not_made_up() -> None:
    assert shown(False, (5, 0)) == ["fetching 0%\n"]
