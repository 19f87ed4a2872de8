"""The lines of the local model's download, where nothing is redrawn."""

from __future__ import annotations

from magent.cli.download import Download


def shown(*steps: tuple[int, int]) -> list[str]:
    found: list[str] = []
    told = Download(found.append)
    for done, total in steps:
        told("fetching", done, total)
    return found


def test_a_log_sees_few_whole_lines() -> None:
    found = shown(*((done, 1000) for done in range(1001)))
    assert found == [f"fetching {share}% of 0 MB\n" for share in (0, 25, 50, 75, 100)]


def test_an_unknown_size_is_not_made_up() -> None:
    assert shown((5, 0)) == ["fetching 0%\n"]
