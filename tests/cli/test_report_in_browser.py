"""The report in a real browser: read, searched, used by keyboard, on paper, in the dark, without its script."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.browser import Browser, Page, opened, program
from tests.cli.helpers import magent
from tests.cli.test_report import PUBLISH

# The least contrast of a text to what is behind it, of those on the screen; and the text.
CONTRAST = """(() => {
  const rgb = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
  const light = (parts) => {
    const linear = (v) => (v / 255 <= 0.03928 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = parts.slice(0, 3).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let up = node; up; up = up.parentElement) {
      const color = rgb(getComputedStyle(up).backgroundColor);
      if (color.length === 3 || color[3] > 0.99) return color;
    }
    return [255, 255, 255];
  };
  let least = [99, ""];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const around = node.parentElement;
    if (!node.data.trim() || around.closest("svg, script") || !around.checkVisibility()) continue;
    const [a, b] = [light(rgb(getComputedStyle(around).color)), light(behind(around))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least[0]) least = [ratio, node.data.trim().slice(0, 40)];
  }
  return least;
})()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    command = program()
    if command is None:
        missing = "no Chromium on the PATH: install one (apt-get install chromium), or name it in MAGENT_TEST_BROWSER"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with Browser(command) as started:
        yield started


@pytest.fixture
def report(here: Path, capsys: Any) -> Path:
    """The page of a run that has been through everything."""
    here.joinpath("publish.yaml").write_text(dedent(PUBLISH), "utf-8")
    magent(capsys, "run", "publish.yaml", "--id", "r1", "--no-input")
    magent(capsys, "respond", "r1", "sign_off", "--approve", "--by", "Ada", "--resume")
    magent(capsys, "report", "r1", "-o", "r1.html")
    return here / "r1.html"


def focused(page: Page) -> Any:
    return page.evaluate("document.activeElement.id || document.activeElement.className")


def shown(page: Page, selector: str) -> Any:
    script = f"[...document.querySelectorAll({selector!r})].filter((each) => each.checkVisibility()).length"
    return page.evaluate(script)


def test_a_report_is_opened_and_used(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        assert page.evaluate("document.title") == "publish: r1, completed"
        assert page.requests == [report.resolve().as_uri()]
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280

        # by keyboard: past what stands above, to the report
        page.press("Tab")
        assert focused(page) == "skip"
        page.press("Enter")
        assert focused(page) == "main"

        # searched: what is found is unfolded, all else is out of the way, until nothing is searched for
        before = shown(page, "main details")
        page.press("/")
        page.type("40 + 2")
        page.press("Enter")
        assert page.evaluate("document.querySelector('#tools output').textContent").endswith(" found")
        assert shown(page, "#timeline .row.tool") == 1
        assert shown(page, "#timeline .row.visit") == 1
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
        page.press("/")
        page.press("Escape")
        assert shown(page, "main details") == before

        # from the graph to what a node did
        page.evaluate(
            "[...document.querySelectorAll('.canvas a')].find((a) => a.textContent.includes('judge')).focus()"
        )
        page.press("Enter")
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.evaluate("document.querySelector(location.hash).open") is True
        assert "judge" in page.evaluate("document.activeElement.textContent")

        assert page.evaluate("document.querySelectorAll('[aria-labelledby]:not(:has(h2))').length") == 0
        assert page.evaluate(CONTRAST)[0] >= 4.5, page.evaluate(CONTRAST)
        assert page.said == []
        assert page.pdf().startswith(b"%PDF")


# Headings that skip a level; landmarks that are named alike; what takes the focus without a name.
UNHEARD = """(() => {
  const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((each) => Number(each.tagName[1]));
  const skipped = headings.filter((level, at) => level > (at ? headings[at - 1] : 0) + 1);
  const named = (each) => (each.getAttribute("aria-label")
    || (document.getElementById(each.getAttribute("aria-labelledby")) || {}).textContent || "").trim().toLowerCase();
  const names = [...document.querySelectorAll("nav, section[aria-labelledby], [role=region]")].map(named);
  const alike = names.filter((name, at) => !name || names.indexOf(name) !== at);
  const asked = "summary, a, button, input, [tabindex='0']";
  const unnamed = [...document.querySelectorAll(asked)].filter((each) =>
    !named(each) && !each.textContent.trim() && !(each.labels && each.labels.length));
  return [skipped, alike, unnamed.map((each) => each.outerHTML)];
})()"""


def test_who_listens_to_a_report_finds_their_way(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        assert page.evaluate(UNHEARD) == [[], [], []]


def test_the_keyboard_leads_through_all_of_a_report_and_shows_where_it_is(browser: Browser, report: Path) -> None:
    """Down the page; what has the focus is seen, has an outline, and is not under the bar at the top."""
    at = """(() => {
      const each = document.activeElement, around = each.getBoundingClientRect();
      const [x, y] = [around.x + Math.min(around.width, 200) / 2, around.y + around.height / 2];
      const middle = document.elementFromPoint(x, y);
      return [each === document.body, getComputedStyle(each).outlineStyle, Boolean(middle && (
        each.contains(middle) || middle.contains(each))), scrollY + around.y, Boolean(each.closest("main"))];
    })()"""
    with opened(browser, report) as page:
        places: list[float] = []
        page.press("Tab")
        while not (found := page.evaluate(at))[0]:
            assert found[1:3] == ["solid", True], (places, found)
            places += [found[3]] if found[4] else []
            page.press("Tab")
        assert len(places) > 10
        assert places[-1] == max(places)


def test_what_a_run_was_given_and_gave_is_searched_too(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        given = page.evaluate("document.querySelector('#values pre').textContent").split()[0]
        before = shown(page, "#values pre")
        page.press("/")
        page.type(f"{given} nowhere-to-be-found")
        page.press("Enter")
        assert (page.evaluate("document.querySelector('#tools output').textContent"), shown(page, "#values pre")) == (
            "0 found", 0,
        )  # fmt: skip
        page.press("Escape")
        page.press("/")
        page.type(given)
        page.press("Enter")
        assert 0 < shown(page, "#values pre") <= before
        page.press("/")
        page.press("Escape")
        assert shown(page, "#values pre") == before


def test_a_report_is_readable_in_the_dark_and_on_a_narrow_screen(browser: Browser, report: Path) -> None:
    with opened(browser, report, 400, dark=True) as page:
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 27)"
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        page.evaluate("document.querySelectorAll('main details').forEach((each) => { each.open = true; })")
        assert page.evaluate(CONTRAST)[0] >= 4.5, page.evaluate(CONTRAST)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400


LONG = "a_name_of_a_node_that_does_not_want_to_fit_on_the_screen_of_any_telephone"


def test_long_names_and_values_are_read_whole_on_a_narrow_screen(browser: Browser, here: Path, capsys: Any) -> None:
    node = f'{LONG}: {{run: "echo {"日本語" * 30}; exit 1", on_error: continue}}'
    here.joinpath("long.yaml").write_text(
        f"magent: 1\nname: long\nnodes:\n  fan: {{set: {{x: 1}}, next: {LONG}}}\n  {node}\n"
    )
    magent(capsys, "run", "long.yaml", "--id", "r1")
    magent(capsys, "report", "r1", "-o", "r1.html")
    with opened(browser, here / "r1.html", 400) as page:
        page.evaluate("document.querySelectorAll('main details').forEach((each) => { each.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        wide = (
            "[...document.querySelectorAll('.wide, .meta')].filter((each) => each.scrollWidth > each.clientWidth + 1)"
        )
        assert page.evaluate(f"{wide}.map((each) => each.textContent)") == []


def test_without_its_script_a_report_tells_all_the_same(browser: Browser, report: Path) -> None:
    with opened(browser, report, script=False) as page:
        page.call("Emulation.setScriptExecutionDisabled", value=False)  # to look at what was made without
        assert page.evaluate("document.querySelector('#tools').children.length") == 0
        assert page.evaluate("document.querySelectorAll('main > section').length") == 7
        page.evaluate("document.querySelector('#timeline details:not([open]) > summary').click()")
        assert shown(page, "#timeline details[open] .block") > 0


def test_a_picture_keeps_to_what_was_measured(browser: Browser, report: Path, capsys: Any) -> None:
    """No text is wider in a browser than the box or label that was made for it."""
    with opened(browser, report) as page:
        wide = page.evaluate(
            """[...document.querySelectorAll('.canvas svg text')].filter((text) => {
              const around = text.parentElement.querySelector('path.box, path.chip');
              return around && text.getBBox().width > around.getBBox().width;
            }).map((text) => text.textContent)"""
        )
        assert wide == []
