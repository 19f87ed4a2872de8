"""The gallery, with real programs: what comes out, who is asked, and what happens when something fails."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import magent
from magent.events import Failure, WorkFailed
from magent.ports import Request
from tests.docs.samples import FILES, ROOT, TOGETHER, WORKFLOWS, Scripted, answers, sort_issue
from tests.terminal import ENTER, Terminal

GALLERY = ("triage", "digest", "revise", "translate", "nightly")
BAD = str(WORKFLOWS / "nightly" / "bad")
ROOMY = {"disk_full": 101}  # the disk of the machine that tests is not what is tested
INPUTS: dict[str, dict[str, Any]] = {"revise": {"rounds": 3}, "nightly": {"folder": BAD, **ROOMY}}  # where they ask


def run(name: str, inputs: dict[str, Any] | None = None, **options: Any) -> magent.Result:
    """With the workflow's own agents: programs and prepared replies."""
    return magent.run(FILES[name], inputs or {}, store=None, **options)


def message(result: magent.Result) -> str:
    assert result.error is not None
    return str(result.error["message"])


# ---- each of them


@pytest.mark.parametrize("name", [*GALLERY, *TOGETHER])
def test_it_names_only_programs_that_every_system_has(name: str) -> None:
    """And awk without what only one awk knows."""
    for file in [FILES[name], *(WORKFLOWS / name).rglob("*.awk")]:
        text = re.sub(r"^ *#.*$", "", file.read_text(), flags=re.M)
        assert not re.search(r"\b(gawk|jq|python3?|bash|gensub|asort|strftime|systime|nextfile|date -d)\b", text), file


@pytest.mark.parametrize("name", GALLERY)
def test_with_its_answers_nobody_else_is_asked(name: str, here: Path) -> None:
    result = run(name, INPUTS.get(name), answers=answers(name))
    assert (result.status, result.waiting) == ("completed", [])


@pytest.fixture
def clone(here: Path) -> Path:
    shutil.copytree(WORKFLOWS, here / "workflows")
    return here


COMMANDS = [
    (name, words)
    for name in GALLERY
    for words in re.findall(r"^# {3}magent (run workflows/\S+.*?)(?: {2,}.*)?$", FILES[name].read_text(), re.M)
    if "gpt" not in words and not words.endswith("\\") and "./" not in words and "issues=" not in words
]


@pytest.mark.parametrize(("name", "words"), COMMANDS, ids=[words for _, words in COMMANDS])
def test_the_commands_in_its_comments_work_in_a_pipe(name: str, words: str, clone: Path) -> None:
    """Where nobody is there to answer, what asks waits, and says so."""
    command = [sys.executable, "-m", "magent", *words.split(), "--output", "json"]
    if name == "nightly":
        command += ["-i", "disk_full=101"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=clone, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    comment = re.search(re.escape(words) + r"(?: {2,}(.*))?$", FILES[name].read_text(), re.M)
    asks = comment is not None and re.search(r"\basks\b(?! nothing)|you are asked", comment[1] or "") is not None
    assert json.loads(done.stdout)["status"] == ("waiting" if asks else "completed"), done.stderr
    assert done.returncode == (3 if asks else 0)


def test_the_page_of_the_gallery_shows_commands_that_are_tried_here() -> None:
    page = (WORKFLOWS / "README.md").read_text()
    shown = re.findall(rf"^magent (run workflows/(?:{'|'.join(GALLERY)})\.yaml.*)$", page, re.M)
    assert len(shown) == 7
    assert set(shown) <= {words for _, words in COMMANDS}
    assert all(f"[`{name}.yaml`]({name}.yaml)" in page for name in FILES)


@pytest.mark.parametrize("name", GALLERY)
def test_killed_anywhere_it_goes_on_to_the_same_end(name: str, clone: Path) -> None:
    """`kill -9` as soon as the journal holds some more lines, again and again."""
    inputs = [word for key, value in INPUTS.get(name, {}).items() for word in ("-i", f"{key}={value}")]
    given = ["--answers", f"workflows/{name}/answers.yaml"]
    words = ["run", f"workflows/{name}.yaml", "--id", "it", "--output", "json", *inputs, *given]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    journal = clone / ".magent/runs/it/journal.jsonl"
    for lines in (6, 25):
        child = subprocess.Popen(
            [sys.executable, "-m", "magent", *words],
            cwd=clone,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while child.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= lines):
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
        child.wait()
        words = ["resume", "it", "--output", "json", *given]
    done = subprocess.run(
        [sys.executable, "-m", "magent", *words],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    alone = run(name, INPUTS.get(name), answers=answers(name))
    result = json.loads(done.stdout)
    assert (result["status"], result["outputs"]) == ("completed", alone.outputs), done.stderr


# ---- triage


def test_triage_sorts_the_sample_and_asks_about_what_is_in_doubt(here: Path) -> None:
    result = run("triage", answers=answers("triage"))
    assert result.outputs == {
        "report": "triage.md",
        "labels": "triage-labels.json",
        "sorted": 9,
        "asked": 3,
        "high": [104, 123],
        "failed": 0,
    }
    assert result.path.count("each[7]/like_an_older_one") == 1
    labels = {one["number"]: one["add"] for one in json.loads((here / "triage-labels.json").read_text())}
    assert labels[104] == ["bug", "priority: high"]
    assert labels[112] == ["bug", "needs information", "priority: normal"]
    assert labels[118] == ["duplicate", "priority: low"]
    assert not {115, 116} & set(labels)  # the one is left as it is, the other had labels
    report = (here / "triage.md").read_text()
    assert (
        "| #118 | duplicate | App crashes when I turn my phone | its title is like that of #104 (confirmed) |" in report
    )
    assert report.index("## Priority high") < report.index("#123") < report.index("## Priority normal")


def test_triage_takes_the_guess_by_default(here: Path) -> None:
    run("triage", use_defaults=True)
    assert "| #115 | question | Prices | no word tells (confirmed) |" in (here / "triage.md").read_text()


def issues(here: Path, *each: Any) -> dict[str, Any]:
    (here / "mine.json").write_text(json.dumps(each))
    return {"issues": "mine.json"}


def test_triage_asks_nobody_where_the_sorter_is_sure(here: Path) -> None:
    sorter = Scripted(sort_issue)
    inputs = issues(here, {"number": 1, "title": "It | stops\nnow"}, {"number": 2, "title": "A", "labels": []})
    result = run("triage", inputs, agents={"sorter": sorter})
    assert (result.status, result.outputs["asked"], len(sorter.asked)) == ("completed", 0, 2)
    assert "| #1 | bug | It / stops now | it says / so |" in (here / "triage.md").read_text()


def test_triage_asks_about_each_on_demand(here: Path) -> None:
    result = run("triage", {**issues(here, {"number": 1, "title": "Crash error fails"}), "sure": 101})
    assert [waiting["node"] for waiting in result.waiting] == ["confirm"]


def test_triage_goes_on_past_what_cannot_be_sorted(here: Path) -> None:
    inputs = issues(here, 7, {"number": 1, "title": "Error: it crashes, it fails", "body": None}, {"number": 2})
    result = run("triage", inputs, use_defaults=True)
    assert (result.outputs["sorted"], result.outputs["failed"], result.outputs["high"]) == (1, 2, [1])
    assert "- #2: `issue.title` is undefined" in (here / "triage.md").read_text()


def test_triage_fails_where_nothing_could_be_sorted(here: Path) -> None:
    def refuse(_: Request) -> Any:
        return {"kind": "nonsense"}

    result = run("triage", issues(here, {"number": 1, "title": "A"}), agents={"sorter": Scripted(refuse)})
    assert (result.status, "No issue could be sorted" in message(result)) == ("failed", True)


@pytest.mark.parametrize("text", ["{}", '"x"', "5", "null"])
def test_triage_says_what_an_export_looks_like(text: str, here: Path) -> None:
    (here / "mine.json").write_text(text)
    result = run("triage", {"issues": "mine.json"})
    assert message(result).startswith("The export must be a list of issues")


def test_triage_has_nothing_to_do_where_all_have_labels(here: Path) -> None:
    result = run("triage", issues(here, {"number": 1, "title": "A", "labels": [{"name": "bug"}]}))
    assert (result.status, result.outputs["sorted"]) == ("completed", 0)
    assert json.loads((here / "triage-labels.json").read_text()) == []


# ---- digest


def test_digest_makes_one_page_of_a_folder(here: Path) -> None:
    result = run("digest", use_defaults=True)
    assert result.outputs == {
        "digest": "digest.md",
        "files": 5,
        "left_out": ["2026-04-13.txt is empty"],
        "layers": 2,
        "decisions": 5,
        "actions": 5,
    }
    page = (here / "digest.md").read_text()
    assert "The engine of the Gull loses oil, and the yard says that the engine will not last another winter." in page
    assert page.index("- The engine is ordered.") < page.index("- The noon boat comes back with the Gull.")
    assert "- [ ] Ruth asks the bank about a loan, by 1 March." in page
    assert "Maria had brought cake" not in page


@pytest.mark.parametrize(("group", "layers"), [(2, 3), (5, 1), (50, 1)])
def test_digest_puts_a_few_together_at_a_time(group: int, layers: int, here: Path) -> None:
    assert run("digest", {"group": group}, use_defaults=True).outputs["layers"] == layers


def texts(here: Path, **files: str) -> dict[str, Any]:
    (here / "my notes").mkdir()
    for name, text in files.items():
        (here / "my notes" / f"{name}.txt").write_text(text)
    return {"folder": "my notes", "digest": "my digest.md"}


def test_digest_takes_one_file_as_it_is(here: Path) -> None:
    result = run("digest", texts(here, **{"it's": "The boat was late again today. $(touch x)"}))
    assert (result.outputs["files"], result.outputs["layers"]) == (1, 0)
    assert "The boat was late again today." in (here / "my digest.md").read_text()
    assert not (here / "x").exists()


def test_digest_names_each_file_that_failed(here: Path) -> None:
    def read(request: Request) -> str:
        if "second" in request.prompt:
            raise WorkFailed(Failure("agent", "the model is away"))
        return "read"

    inputs = texts(here, a="first", b="second", c="", d="x" * 200_001)
    result = run("digest", inputs, use_defaults=True, agents={"reader": Scripted(read)})
    assert result.outputs["files"] == 1
    assert [text.split(" ", 2)[:2] for text in result.outputs["left_out"]] == [
        ["the", "model"],
        ["c.txt", "is"],
        ["d.txt", "has"],
    ]


def test_digest_is_not_made_without_a_file_that_somebody_wants_in_it(here: Path) -> None:
    result = run("digest", answers={"without": False})
    assert (result.status, nodes_of(result) & {"reduce", "write"}) == ("failed", set())
    assert not (here / "digest.md").exists()


def nodes_of(result: magent.Result) -> set[str]:
    return {path.rpartition("/")[2] for path in result.path}


def test_digest_asks_nobody_where_all_files_are_read(here: Path) -> None:
    result = run("digest", texts(here, a="The boat is late.", b="The boat is early."))
    assert (result.status, "without" in result.path) == ("completed", False)


def test_digest_fails_where_no_file_could_be_read(here: Path) -> None:
    result = run("digest", texts(here, a=" \n"))
    assert message(result) == "No file could be read. The first: a.txt is empty"


def test_digest_leaves_out_what_is_no_text(here: Path) -> None:
    inputs = texts(here, a="The boat is late.")
    folder = Path(inputs["folder"])
    (folder / "b.txt").write_bytes(b"\xff\xfeB\0")
    (folder / "c.txt").write_bytes(b"a\0b")
    (folder / "d.txt").mkdir()
    (folder / "d.txt" / "inside").write_text("never listed")
    result = run("digest", inputs, use_defaults=True)
    assert result.outputs["files"] == 1
    assert result.outputs["left_out"][:2] == ["b.txt is no UTF-8 text", "c.txt is no UTF-8 text"]
    assert [line for line in result.outputs["left_out"][2:] if "d.txt" not in line] == []


def test_digest_fails_where_there_is_no_file(here: Path) -> None:
    assert "txt" in message(run("digest", texts(here)))


# ---- revise


def test_revise_stops_at_the_first_draft_that_is_good_enough(here: Path) -> None:
    result = run("revise")
    assert result.outputs == {
        "text": "revised.txt",
        "score": 10,
        "scores": [2, 8, 3, 10],
        "judged": 0,
        "asked": False,
    }
    assert "Please take the 9:40 from pier 5." in (here / "revised.txt").read_text()
    assert run("revise", {"good": 8}).outputs["scores"] == [2, 8]


def test_revise_keeps_the_best_draft_and_its_faults(here: Path) -> None:
    result = run("revise", {"rounds": 3}, answers=answers("revise"))
    assert (result.outputs["score"], result.outputs["asked"]) == (8, True)
    assert "The next one leaves at 9:40." in (here / "revised.txt").read_text()
    assert result.state["faults"] == ["it does not say 'pier 5'"]
    assert [step["round"] for step in result.state["trace"]] == [1, 2, 3]


def test_revise_uses_nothing_that_is_not_good_enough_by_default(here: Path) -> None:
    result = run("revise", {"rounds": 2}, use_defaults=True)
    assert message(result).startswith("No draft was good enough. The best, with 8, was: The 8:15 boat")
    assert not (here / "revised.txt").exists()


def test_revise_keeps_the_best_where_the_writer_gives_up(here: Path) -> None:
    """The prepared drafts are used up after four rounds."""
    (here / "brief.txt").write_text("Must say: moon\nWords: 5\n")
    result = run("revise", {"rounds": 9, "good": 10, "brief": "brief.txt"}, answers={"settle": True})
    assert (result.status, len(result.outputs["scores"])) == ("completed", 4)


def test_revise_fails_where_there_is_no_draft_at_all(here: Path) -> None:
    def give_up(_: Request) -> Any:
        raise WorkFailed(Failure("agent", "the model is away"))

    result = run("revise", agents={"writer": Scripted(give_up)})
    assert message(result) == "There is no draft: the model is away"


def test_revise_tells_the_writer_what_to_mend_of_the_best_draft(here: Path) -> None:
    asked: list[str] = []

    def write(request: Request) -> str:
        asked.append(request.prompt)
        return "On Friday the 9:40 from pier 5." if len(asked) == 1 else "Boats."

    run("revise", {"rounds": 3}, agents={"writer": Scripted(write)}, use_defaults=True)
    assert "On Friday the 9:40 from pier 5." in asked[2]
    assert "- it does not say 'ticket'" in asked[2]


def test_revise_takes_the_lower_of_two_scores(here: Path) -> None:
    judge = Scripted(lambda _: {"score": 5, "faults": ["it is cold"]})
    result = run("revise", {"judge": True}, agents={"judge": judge}, answers={"settle": True})
    assert (result.outputs["scores"], result.outputs["judged"]) == ([2, 5, 3, 5], 4)
    assert result.state["faults"] == ["it does not say 'pier 5'", "it is cold"]


@pytest.mark.parametrize(
    ("brief", "text", "score", "faults"),
    [
        ("Words: 4\n", "one two three four five", 7, ["it has 5 words, at most 4 are allowed"]),
        ("Words in a sentence: 2\n", "One two. One two three.", 9, ["a sentence has 3 words, at most 2 are allowed"]),
        ('Must say: a\\n"\n', "A.", 8, ["it does not say 'a/n''"]),
        ("Must not say: Sorry \n", "So sorry.", 9, ["it says 'Sorry'"]),
        ("Write.\n", "", 0, ["it is empty"]),
    ],
)
def test_the_score_follows_the_brief(brief: str, text: str, score: int, faults: list[str]) -> None:
    words = ["awk", "-f", str(WORKFLOWS / "revise" / "score.awk")]
    both = f"{brief}<draft>\n{text}\n"
    done = subprocess.run(words, input=both, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"score": score, "faults": faults}


@pytest.mark.parametrize("name", ["-b.txt", "a=1.txt", "my b'rief.txt"])
def test_revise_takes_its_rules_from_a_file_of_any_name(name: str, here: Path) -> None:
    shutil.copy(WORKFLOWS / "revise" / "brief.txt", here / name)
    assert run("revise", {"brief": name}).outputs["scores"] == [2, 8, 3, 10]


@pytest.mark.parametrize("content", [b"Write a notice.\n", b"", "Must say: x\n".encode("utf-16")])
def test_revise_refuses_a_brief_without_rules_as_every_draft_would_be_perfect(content: bytes, here: Path) -> None:
    (here / "brief.txt").write_bytes(content)
    result = run("revise", {"brief": "brief.txt"})
    assert result.error is not None
    assert "The brief has no rules" in result.error["message"]


# ---- translate


@pytest.mark.parametrize("name", ["-g.tsv", "g=1.tsv", "g 's.tsv"])
def test_translate_holds_a_glossary_of_any_name_and_with_any_line_ends(name: str, here: Path) -> None:
    for source, target in (("glossary.tsv", name), ("notice.txt", "mine.txt")):
        content = (WORKFLOWS / "translate" / source).read_bytes()
        (here / target).write_bytes(content.replace(b"\n", b"\r\n"))
    result = run("translate", {"glossary": name, "text": "mine.txt"}, use_defaults=True)
    assert result.outputs["signed"] == ["German", "French"]
    assert result.outputs["not_signed"] == ["Spanish: the number 3 is there too often; the number 5 is missing"]


def test_translate_finds_nothing_in_an_empty_text(here: Path) -> None:
    (here / "mine.txt").write_text("\n")
    result = run("translate", {"text": "mine.txt"}, use_defaults=True)
    assert result.error is not None
    assert "there is nothing to translate" in result.error["message"]


def test_translate_sends_back_what_a_rule_or_a_person_refuses(here: Path) -> None:
    result = run("translate", answers=answers("translate"))
    assert result.outputs == {
        "folder": "translations",
        "signed": ["German", "French", "Spanish"],
        "edited": ["Spanish"],
        "not_signed": [],
    }
    written = {file.stem: file.read_text() for file in (here / "translations").iterdir()}
    assert "Bitte kaufen Sie Ihre Fahrkarte" in written["German"]  # after the remark
    assert "le ferry part du quai 5" in written["French"]  # after the glossary
    assert "muelle 5" in written["Spanish"]  # by hand
    visits = [path for path in result.path if path.endswith("/translate")]
    assert sorted(visits) == [f"each[{n}]/translate" for n in (0, 0, 1, 1, 2, 2, 2)]


def test_translate_signs_by_default_only_what_has_no_fault(here: Path) -> None:
    result = run("translate", use_defaults=True)
    assert result.outputs["signed"] == ["German", "French"]
    assert result.outputs["not_signed"] == ["Spanish: the number 3 is there too often; the number 5 is missing"]


def test_translate_shows_the_person_all_that_there_is_to_know(here: Path) -> None:
    result = run("translate", {"languages": ["Spanish"]})
    context = result.waiting[0]["context"]
    assert context["faults"] == "the number 3 is there too often; the number 5 is missing"
    assert context["translated back"].startswith("From 1 June the Gull is in the yard")
    assert context["came back"] == "100 % of the words"


def test_translate_tells_the_translator_what_the_person_said(here: Path) -> None:
    asked: list[str] = []

    def translate(request: Request) -> str:
        asked.append(request.prompt)
        return "Moin 1 3 5."

    reply = [{"decision": "request_changes", "comments": "Too short."}, {"decision": "approve"}]
    inputs = {"languages": ["Low German"], "glossary": os.devnull, "text": "mine.txt"}
    (here / "mine.txt").write_text("Good morning 1 3 5.\n")
    run("translate", inputs, agents={"translator": Scripted(translate)}, answers={"sign": reply})
    assert "Mend this:\n- Too short." in asked[2]
    assert (here / "translations" / "Low German.txt").read_text() == "Moin 1 3 5.\n"


def test_translate_does_without_the_way_back(here: Path) -> None:
    def translate(request: Request) -> str:
        if "into English" in request.prompt:
            raise WorkFailed(Failure("agent", "no way back"))
        return "ja"

    (here / "mine.txt").write_text("yes\n")
    inputs = {"languages": ["German"], "text": "mine.txt"}
    result = run("translate", inputs, agents={"translator": Scripted(translate)})
    assert result.waiting[0]["context"]["translated back"] == "(it could not be)"


def test_translate_fails_where_no_language_is_signed(here: Path) -> None:
    result = run("translate", {"languages": ["German"]}, answers={"sign": {"decision": "reject", "comments": "No."}})
    assert message(result) == "No translation was signed: German: No."
    assert not (here / "translations").exists()


def test_a_language_is_no_way_out_of_the_folder(here: Path) -> None:
    with pytest.raises(magent.UsageError):
        run("translate", {"languages": ["../German"]})


# ---- nightly


def test_nightly_asks_nobody_where_all_is_well(here: Path) -> None:
    result = run("nightly", ROOMY)
    assert (result.status, result.outputs) == (
        "completed",
        {"wrong": [], "decision": "none was needed", "comment": ""},
    )


WRONG = [
    "the certificate of tickets.ferry.example ends in 7 days, on 2026-05-27",
    "the certificate of old.ferry.example ended on 2026-05-18",
    "the newest backup is 4 days old",
    "the log has 4 errors today",
]


@pytest.mark.parametrize("disk", ["-h", "/no/such/place"])
def test_nightly_asks_where_a_disk_could_not_be_looked_at(disk: str, here: Path) -> None:
    result = run("nightly", {"disk": disk})
    assert (result.exit_code, result.state["wrong"]) == (3, ["disk could not be checked"])


@pytest.mark.parametrize("name", ["x=1", "-bad", "b 'd"])
def test_nightly_looks_into_a_folder_of_any_name_and_with_any_line_ends(name: str, here: Path) -> None:
    shutil.copytree(BAD, here / name)
    for file in ("app.log", "certificates.txt", "sample-day"):
        content = (here / name / file).read_bytes()
        (here / name / file).write_bytes(content.replace(b"\n", b"\r\n"))
    assert run("nightly", {"folder": name, **ROOMY}).state["wrong"] == WRONG


def test_nightly_asks_where_something_is_wrong(here: Path) -> None:
    result = run("nightly", {"folder": BAD, **ROOMY})
    assert (result.exit_code, result.state["wrong"]) == (3, WRONG)
    assert result.waiting[0]["prompt"] == f"Wrong since last night: {'; '.join(WRONG)}. What now?"


@pytest.mark.parametrize(("choice", "code"), [("seen", 0), ("ignore", 0), ("alarm", 1)])
def test_nightly_does_what_the_person_says(choice: str, code: int, here: Path) -> None:
    result = run("nightly", {"folder": BAD, **ROOMY}, answers={"decide": {"choice": choice}})
    assert (result.exit_code, (here / "nightly-alarm.txt").exists()) == (code, code == 1)


def test_nightly_raises_the_alarm_where_nobody_can_answer(here: Path) -> None:
    result = run("nightly", {"folder": BAD, **ROOMY}, use_defaults=True)
    assert (result.exit_code, message(result)) == (1, f"The alarm was raised: {'; '.join(WRONG)}")
    assert f"- {WRONG[2]}\n- {WRONG[3]}\n" in (here / "nightly-alarm.txt").read_text()


def test_nightly_raises_the_alarm_once_the_deadline_has_passed(here: Path) -> None:
    result = magent.run(FILES["nightly"], {"folder": BAD, "patience": "300ms", **ROOMY})
    while result.status == "waiting":
        result = asyncio.run(magent.resume(result.run_id))
    assert (result.exit_code, result.state["decide"]["via"]) == (1, "timeout")


def test_nightly_counts_a_check_that_cannot_be_made_as_wrong(here: Path) -> None:
    (here / "empty").mkdir()
    result = run("nightly", {"folder": "empty", **ROOMY})
    assert result.state["wrong"] == [f"{name} could not be checked" for name in ("certificates", "backups", "log")]
    assert "certificates.txt" in result.waiting[0]["context"]["failed checks"]


def test_nightly_sees_a_full_disk(here: Path) -> None:
    result = run("nightly", {"disk_full": 0})
    assert len(result.state["wrong"]) == 1
    assert result.state["wrong"][0].startswith("the disk is full to ")


@pytest.mark.parametrize(
    ("today", "days", "said"),
    [("2026-12-31", 1, ""), ("2026-12-30", 3, "ends in 2 days"), ("2028-02-28", 9, "ended on 2027-01-01"),
     ("2026-01-01", 365, ""), ("2026-01-01", 366, "ends in 365 days")],
)  # fmt: skip
def test_days_are_counted_over_months_and_years(today: str, days: int, said: str, here: Path) -> None:
    words = ["awk", "-v", f"today={today}", "-v", f"most={days}", "-v", "kind=certificate"]
    script = str(WORKFLOWS / "nightly" / "days.awk")
    done = subprocess.run([*words, "-f", script], input="a 2027-01-01\n", capture_output=True, text=True, check=True)
    assert (said in done.stdout, done.stdout == "") == (True, said == "")


# ---- in a terminal


@pytest.mark.parametrize(
    ("name", "inputs", "questions", "code", "end"),
    [
        ("triage", [], ["? Choose one:"] * 3, 0, "asked: 3"),
        ("digest", [], ["? Approve?"], 0, "digest: digest.md"),
        ("revise", ["-i", "rounds=3"], ["? Approve?"], 1, "No draft was good enough"),
        ("translate", [], [*["? Your decision:"] * 3, "? Comments"], 0, "  - French"),
        (
            "nightly",
            ["-i", "folder=workflows/nightly/bad", "-i", "disk_full=101"],
            ["? Choose one:"],
            1,
            "The alarm was",
        ),
    ],
)
def test_at_a_terminal_enter_takes_what_is_proposed(
    name: str, inputs: list[str], questions: list[str], code: int, end: str, clone: Path
) -> None:
    with Terminal.magent("run", f"workflows/{name}.yaml", *inputs, columns=80, rows=50, cwd=clone) as terminal:
        for place, question in enumerate(questions):
            asked = questions[: place + 1].count(question)
            terminal.wait(lambda seen, question=question, asked=asked: seen.text.count(question) == asked)  # type: ignore[misc]
            terminal.type(ENTER)
        assert (terminal.end(), end in terminal.text) == (code, True), terminal.text


def test_at_a_terminal_nobody_is_asked_where_all_is_well(clone: Path) -> None:
    with Terminal.magent("run", "workflows/nightly.yaml", "-i", "disk_full=101", cwd=clone) as terminal:
        assert terminal.end() == 0
    assert "? " not in terminal.text
