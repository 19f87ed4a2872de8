"""Every workflow in `workflows/` is valid, can be drawn, and runs offline to its end, as the README says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

import magent
from magent import draw
from magent.agents.download import model_file
from magent.app import check
from magent.events import WorkFailed
from tests.docs.samples import FILES, ROOT, TOGETHER, Scripted, agents, answers, find, make_things_up, read_report
from tests.terminal import Spawned


def test_there_are_workflows() -> None:
    gallery = {"triage", "digest", "revise", "translate", "nightly"}
    assert {"quickstart", "review_change", "runbook", *gallery, *TOGETHER} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_workflow_is_valid_without_a_warning(name: str) -> None:
    problems, _ = check(str(FILES[name]))
    assert problems == []


@pytest.mark.parametrize("name", FILES)
def test_a_workflow_can_be_drawn(name: str) -> None:
    loaded = magent.load(FILES[name])
    picture = draw.mermaid(loaded.workflow)
    assert all(f"n_{node}" in picture for node in loaded.workflow.graph.nodes)


@pytest.mark.parametrize("name", FILES)
def test_a_workflow_and_the_folder_of_its_name_are_all_there_is_to_copy(name: str) -> None:
    text = FILES[name].read_text("utf-8")
    assert set(re.findall(r"run\.home (?:~ '|\}\})/(\w+)", text)) <= {name}


def run(name: str, **options: Any) -> magent.Result:
    return magent.run(FILES[name], options.pop("inputs", {}), store=None, **{"agents": agents(name), **options})


# ---- quickstart


def test_quickstart_makes_a_page_of_the_reports(here: Path) -> None:
    result = run("quickstart", use_defaults=True)
    assert result.outputs == {
        "page": "quickstart-report.md",
        "reports": 8,
        "minutes_lost": 90,
        "in_doubt": [],
        "notice": "published",
    }
    page = (here / "quickstart-report.md").read_text()
    assert "> Today 4 of our 8 trips ran late, the worst by 40 minutes." in page
    assert page.count("\n| ") == 9


def test_quickstart_asks_again_where_the_report_does_not_say_so(here: Path) -> None:
    reader = Scripted(read_report)
    run("quickstart", use_defaults=True, agents={"reader": reader})
    assert [path for path in reader.asked if path.endswith("[1]/read")] == ["reports[7]/reading[1]/read"]


def test_quickstart_ends_well_whatever_the_model_makes_up(here: Path) -> None:
    result = run("quickstart", use_defaults=True, agents={"reader": Scripted(make_things_up)})
    assert (result.status, len(result.outputs["in_doubt"]), result.outputs["notice"]) == ("completed", 8, "none")
    assert (here / "quickstart-report.md").read_text().count("| a / b {{ c }} <b> |") == 8


def test_quickstart_leaves_the_notice_out_where_it_is_not_agreed(here: Path) -> None:
    result = run("quickstart", answers={"agreed": False})
    assert result.outputs["notice"] == "none"
    assert "> Today" not in (here / "quickstart-report.md").read_text()


def test_quickstart_reads_the_reports_of_a_folder(here: Path) -> None:
    (here / "own folder").mkdir()
    (here / "own folder" / "it's.txt").write_text("The Gull arrived 40 minutes late.\n")
    result = run("quickstart", use_defaults=True, inputs={"folder": "own folder", "page": "a page.md"})
    assert (result.outputs["reports"], result.outputs["minutes_lost"]) == (1, 40)
    assert "| it's | 40 | serious |" in (here / "a page.md").read_text()


@pytest.fixture(scope="session")
def local_model() -> Path:
    """The local model, fetched as a user's first run would fetch it."""
    import threading

    try:
        return model_file(None, os.environ, lambda _what, _done, _total: None, threading.Event())
    except WorkFailed as error:
        if "cannot be reached" in str(error):
            pytest.skip(str(error))
        raise


@pytest.fixture
def clone(here: Path) -> Path:
    """The part of a clone that the README's command needs."""
    shutil.copytree(ROOT / "workflows", here / "workflows")
    return here


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "magent", *words]


@pytest.mark.usefixtures("local_model")
def test_the_command_of_the_readme_ends_well_in_a_pipe_with_the_real_model(clone: Path) -> None:
    words = command("run", "workflows/quickstart.yaml", "--use-defaults", "--output", "json")
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["status"], result["outputs"]["reports"]) == ("completed", 8)
    assert result["tokens"]["output"] > 100
    assert (clone / result["outputs"]["page"]).read_text().count("\n| ") == 9


def test_the_command_of_the_readme_asks_its_one_question_in_a_terminal(clone: Path) -> None:
    file = clone / "workflows" / "quickstart.yaml"
    reply = (
        "{replies: [{match: Gull, reply: {summary: Fog., minutes_late: 40}}"
        + ", {reply: {summary: Fine., minutes_late: 0}}" * 7
    )
    file.write_text(file.read_text().replace("{model: local}", reply + "]}"))
    words = command("run", "workflows/quickstart.yaml", "--use-defaults")
    screen = Spawned(words[0], words[1:], encoding="utf-8", timeout=30, dimensions=(40, 120))
    screen.expect("Put this notice to passengers on the page")
    screen.expect("Approve")
    screen.sendline("n")
    screen.expect("notice: none")
    screen.expect(pexpect.EOF)
    screen.close()
    assert screen.exitstatus == 0


# ---- review_change


def test_a_review_goes_back_with_a_remark_and_is_then_signed(here: Path) -> None:
    result = run("review_change", answers=answers("review_change"))
    assert result.outputs["verdict"] == "changes are needed"
    assert result.outputs["findings"] == [
        "shop/orders.py:24: something is left to do",
        "shop/orders.py:29: longer than 120 characters",
        "shop/orders.py:25: SQL is put together from text",
        "shop/orders.py:29: the certificate is not verified",
        "no test is changed with shop/orders.py",
    ]
    assert "Please mend the security findings" in (here / "review.md").read_text()


def test_a_review_is_published_as_it_is_by_default(here: Path) -> None:
    result = run("review_change", use_defaults=True)
    assert (result.status, result.outputs["review"]) == ("completed", "review.md")
    assert "Second look" not in (here / "review.md").read_text()


def test_a_review_has_a_second_look_where_it_is_asked_for(here: Path) -> None:
    reviewer = Scripted(find)
    run("review_change", use_defaults=True, inputs={"second_look": True}, agents={"reviewer": reviewer})
    assert reviewer.asked == ["second_look"]
    assert "- two lines\n" in (here / "review.md").read_text()


def test_a_rejected_review_is_not_published(here: Path) -> None:
    result = run("review_change", answers={"sign_off": {"decision": "reject"}})
    assert (result.status, result.exit_code) == ("failed", 1)
    assert not (here / "review.md").exists()


def test_an_empty_change_needs_no_review(here: Path) -> None:
    (here / "empty.diff").touch()
    result = run("review_change", inputs={"diff": "empty.diff"})
    assert result.outputs == {"verdict": "nothing to review", "findings": [], "review": None}


# ---- runbook


def test_a_release_is_switched_to_after_its_warm_up(here: Path) -> None:
    result = run("runbook", answers=answers("runbook"))
    assert result.outputs == {"running": "1.1", "result": "switched", "probes": 3, "log": "runbook-demo/log"}
    assert os.readlink(here / "runbook-demo/current") == "releases/1.1"
    assert "switched to 1.1 OPS-17" in (here / "runbook-demo/log").read_text()


def test_a_broken_release_is_taken_back(here: Path) -> None:
    result = run("runbook", use_defaults=True, inputs={"release": "1.2", "site": "a site"})
    assert (result.exit_code, result.outputs["running"]) == (1, "1.0")
    assert result.error is not None
    assert "1.2 cannot reach its database" in result.error["message"]
    assert os.readlink(here / "a site/current") == "releases/1.0"


@pytest.mark.parametrize(
    ("inputs", "said"), [({"release": "9"}, "only 1.0, 1.1, 1.2"), ({"need_kb": 10**15}, "kB are left")]
)
def test_a_release_that_cannot_be_is_refused_before_anything_is_touched(
    inputs: dict[str, Any], said: str, here: Path
) -> None:
    result = run("runbook", use_defaults=True, inputs=inputs)
    assert result.error is not None
    assert said in result.error["message"]
    assert "switch" not in result.path


def test_nothing_is_switched_without_approval(here: Path) -> None:
    result = run("runbook", answers={"go": False})
    assert result.outputs == {"running": "1.0", "result": "not approved"}


def test_the_release_that_runs_already_is_left_alone(here: Path) -> None:
    assert run("runbook", inputs={"release": "1.0"}).outputs == {"running": "1.0", "result": "nothing to do"}
