"""Pictures that stand beside workflows are those that magent makes of them today."""

from __future__ import annotations

from pathlib import Path

import pytest

from magent import draw, loading

ROOT = Path(__file__).parent.parent.parent
PICTURES = sorted(ROOT.glob("workflows/*.svg"))


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
def test_a_picture_is_that_of_its_workflow(picture: Path) -> None:
    workflow = loading.read(picture.with_suffix(".yaml")).workflow
    made = f"made anew with: magent graph {picture.with_suffix('.yaml')} -o {picture}"
    assert picture.read_text("utf-8") == draw.svg(workflow), made


def test_the_readme_shows_one() -> None:
    shown = [picture.relative_to(ROOT).as_posix() for picture in PICTURES]
    text = ROOT.joinpath("README.md").read_text("utf-8")
    assert [path for path in shown if f"({path})" in text] == ["workflows/review_change.svg"]
