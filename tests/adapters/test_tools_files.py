import asyncio
import os
import shutil
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from magent.events import WorkFailed
from magent.ports import Tool
from magent.tools.files import LARGEST_READ
from tests.adapters.tooling import context, refused, toolbox, used

OUTSIDE = "the secret outside"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A workspace, beside what must not be reached."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text(OUTSIDE)
    workspace = tmp_path / "workspace"
    (workspace / "notes").mkdir(parents=True)
    (workspace / "notes" / "a.txt").write_text("one\ntwo\nthree\n")
    return workspace


async def files() -> dict[str, Tool]:
    return {
        name.partition(".")[2]: tool for name, tool in (await toolbox({"t": {"builtin": "files"}}).tools(["t"])).items()
    }


async def call(name: str, place: Path, **arguments: Any) -> Any:
    return await used((await files())[name], arguments, context(place))


async def fault(name: str, place: Path, may_write: bool = True, **arguments: Any) -> str:
    return (await refused((await files())[name], arguments, context(place, write=may_write))).message


# ---- what they do


async def test_there_are_six_functions() -> None:
    assert tuple(await files()) == ("read", "write", "append", "list", "search", "stat")


async def test_a_file_is_read_whole_or_in_part(place: Path) -> None:
    whole = {"path": "notes/a.txt", "text": "one\ntwo\nthree\n", "size": 14, "truncated": False}
    assert await call("read", place, path="notes/a.txt") == whole
    assert await call("read", place, path="./notes//a.txt") == whole
    assert await call("read", place, path=str(place / "notes" / "a.txt")) == whole
    assert (await call("read", place, path="notes/a.txt", first_line=2))["text"] == "two\nthree\n"
    part = await call("read", place, path="notes/a.txt", first_line=2, lines=1)
    assert (part["text"], part["truncated"]) == ("two\n", True)
    assert (await call("read", place, path="notes/a.txt", lines=3))["truncated"] is False
    assert (await call("read", place, path="notes/a.txt", first_line=9))["text"] == ""


async def test_a_file_that_is_too_large_is_cut_at_a_character(place: Path) -> None:
    (place / "large.txt").write_text("€" * LARGEST_READ)
    found = await call("read", place, path="large.txt")
    assert found["truncated"] is True
    assert found["text"] == "€" * (LARGEST_READ // 3)
    assert found["size"] == 3 * LARGEST_READ


@pytest.mark.parametrize(
    ("data", "why"), [(b"a\0b", "it holds NUL bytes"), (b"abc\xff", "byte 0xff at 3"), (b"\xe2\x82", "byte 0xe2 at 0")]
)
async def test_what_is_no_text_is_refused(place: Path, data: bytes, why: str) -> None:
    (place / "data.bin").write_bytes(data)
    assert why in await fault("read", place, path="data.bin")


async def test_a_file_is_written_at_once_and_privately(place: Path) -> None:
    assert await call("write", place, path="new/deep/b.txt", text="ä") == {"path": "new/deep/b.txt", "size": 2}
    assert stat.S_IMODE((place / "new" / "deep" / "b.txt").stat().st_mode) == 0o600
    assert stat.S_IMODE((place / "new").stat().st_mode) == 0o700
    await call("write", place, path="new/deep/b.txt", text="again")
    assert (place / "new" / "deep" / "b.txt").read_text() == "again"
    assert [entry.name for entry in (place / "new" / "deep").iterdir()] == ["b.txt"]


async def test_a_file_that_was_there_keeps_its_mode(place: Path) -> None:
    (place / "tool.sh").write_text("old")
    (place / "tool.sh").chmod(0o755)
    await call("write", place, path="tool.sh", text="new")
    assert stat.S_IMODE((place / "tool.sh").stat().st_mode) == 0o755


async def test_text_is_added_to_a_file(place: Path) -> None:
    assert await call("append", place, path="log.txt", text="a\n") == {"path": "log.txt", "size": 2}
    assert await call("append", place, path="log.txt", text="b\n") == {"path": "log.txt", "size": 4}
    assert (place / "log.txt").read_text() == "a\nb\n"


async def test_a_directory_is_listed(place: Path) -> None:
    (place / "link").symlink_to("/etc/passwd")
    assert await call("list", place) == {
        "entries": [
            {"path": "link", "type": "link", "size": None},
            {"path": "notes", "type": "directory", "size": None},
        ],
        "truncated": False,
    }
    every = await call("list", place, recursive=True)
    assert {"path": "notes/a.txt", "type": "file", "size": 14} in every["entries"]
    assert (await call("list", place, path="notes"))["entries"] == [{"path": "notes/a.txt", "type": "file", "size": 14}]


async def test_a_long_list_is_cut_and_says_so(place: Path) -> None:
    for number in range(1100):
        (place / f"{number:04}").touch()
    found = await call("list", place)
    assert (len(found["entries"]), found["truncated"]) == (1000, True)


async def test_names_that_are_no_text_can_be_told(place: Path) -> None:
    os.close(os.open(os.fsencode(place) + b"/bad\xff", os.O_CREAT))
    assert "bad�" in [entry["path"] for entry in (await call("list", place))["entries"]]
    assert (await call("search", place, text="three"))["searched"] == 2


async def test_lines_are_found_by_text_or_pattern(place: Path) -> None:
    (place / "b.txt").write_text("Two\r\nfour\n")
    (place / "data.bin").write_bytes(b"two\0")
    found = await call("search", place, text="two")
    assert found == {
        "matches": [{"path": "notes/a.txt", "line": 2, "text": "two"}],
        "searched": 2,
        "skipped": 1,
        "truncated": False,
    }
    both = await call("search", place, pattern="^t[wx]o$", ignore_case=True)
    assert [(match["path"], match["line"]) for match in both["matches"]] == [("b.txt", 1), ("notes/a.txt", 2)]
    assert (await call("search", place, text="t", path="notes", max_results=1))["truncated"] is True


async def test_a_search_has_to_say_what_for(place: Path) -> None:
    assert "one of them" in await fault("search", place)
    assert "one of them" in await fault("search", place, text="a", pattern="b")
    told = await fault("search", place, pattern="(a")
    assert "'(a' is no pattern" in told
    assert "missing ): (a" in told
    assert "b'" not in told
    assert "is no pattern" in await fault("search", place, pattern=r"(?=a)")
    assert "every line" in await fault("search", place, text="")


async def test_a_pattern_that_would_hang_does_not(place: Path) -> None:
    (place / "a.txt").write_text("a" * 200_000 + "\n")
    began = time.monotonic()
    assert (await call("search", place, pattern="(a*)*b"))["matches"] == []
    assert time.monotonic() - began < 5


async def test_facts_of_a_path(place: Path) -> None:
    facts = await call("stat", place, path="notes/a.txt")
    assert (facts["exists"], facts["type"], facts["size"]) == (True, "file", 14)
    assert facts["modified"].endswith("Z")
    assert (await call("stat", place, path="notes"))["type"] == "directory"
    assert (await call("stat", place, path="."))["type"] == "directory"
    assert (await call("stat", place, path="nothing"))["exists"] is False
    assert (await call("stat", place, path="no/such/directory.txt"))["exists"] is False
    assert "no directory" in await fault("stat", place, path="notes/a.txt/x")


async def test_a_workspace_that_may_only_be_read_is_not_written(place: Path) -> None:
    for name in ("write", "append"):
        assert "may only be read" in await fault(name, place, False, path="notes/a.txt", text="x")
    assert (place / "notes" / "a.txt").read_text() == "one\ntwo\nthree\n"
    assert await used((await files())["read"], {"path": "notes/a.txt"}, context(place, write=False))


# ---- what they do not

HOSTILE = [
    "../outside/secret.txt",
    "notes/../../outside/secret.txt",
    "notes/..",
    "..",
    "/etc/passwd",
    "//etc/passwd",
    "/",
    "notes/a.txt\0.png",
    "a/" * 200 + "b",
    "x" * 5000,
    "x" * 300,
    "\ud800",
    ".magent/runs",
    "notes/.MAGENT/x",
    "/proc/self/environ",
    "~root/.ssh/id_rsa/x",
]


@pytest.mark.parametrize("path", HOSTILE)
@pytest.mark.parametrize("name", ["read", "write", "append", "list", "search", "stat"])
async def test_no_path_leads_out(place: Path, name: str, path: str) -> None:
    more: Any = {"text": "x"} if name in ("write", "append", "search") else {}
    if name in ("write", "append") and path.startswith("~"):
        await call(name, place, path=path, **more)  # a name like any other, inside
        assert (place / path).read_text() == "x"
        return
    try:
        result = await call(name, place, path=path, **more)
    except WorkFailed:
        return
    assert name == "stat"
    assert result["exists"] is False


async def test_a_sibling_whose_name_begins_alike_is_outside(place: Path) -> None:
    (place.parent / "workspace2").mkdir()
    (place.parent / "workspace2" / "x").write_text("x")
    assert "outside" in await fault("read", place, path=str(place.parent / "workspace2" / "x"))


@pytest.mark.parametrize("name", ["read", "write", "append", "list", "search", "stat"])
async def test_no_link_is_followed_wherever_it_stands(place: Path, name: str) -> None:
    outside = place.parent / "outside"
    (place / "dir").symlink_to(outside)
    (place / "file").symlink_to(outside / "secret.txt")
    (place / "inner").symlink_to(place / "notes")
    (place / "loop").symlink_to("loop")
    more: Any = {"text": "x"} if name in ("write", "append", "search") else {}
    for path in ("dir/secret.txt", "dir/new.txt", "file", "inner/a.txt", "loop", "dir"):
        said = await fault(name, place, path=path, **more)
        assert "symbolic link" in said, (path, said)
    assert (outside / "secret.txt").read_text() == OUTSIDE
    assert [entry.name for entry in outside.iterdir()] == ["secret.txt"]


async def test_a_search_passes_links_over(place: Path) -> None:
    (place / "dir").symlink_to(place.parent / "outside")
    (place / "file").symlink_to(place.parent / "outside" / "secret.txt")
    assert (await call("search", place, text="secret"))["matches"] == []
    listed = await call("list", place, recursive=True)
    assert not [entry for entry in listed["entries"] if "secret" in entry["path"]]


@pytest.mark.parametrize("name", ["read", "write", "append", "stat"])
async def test_hard_links_are_refused(place: Path, name: str) -> None:
    os.link(place.parent / "outside" / "secret.txt", place / "hard")
    more: Any = {"text": "x"} if name in ("write", "append") else {}
    assert "hard link" in await fault(name, place, path="hard", **more)
    assert (place.parent / "outside" / "secret.txt").read_text() == OUTSIDE
    assert (await call("search", place, text="secret"))["matches"] == []


@pytest.mark.parametrize("name", ["read", "write", "append", "stat"])
async def test_pipes_sockets_and_directories_are_refused_at_once(place: Path, name: str) -> None:
    os.mkfifo(place / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    try:
        os.chdir(place)
        listener.bind("sock")
    finally:
        os.chdir(here)
    more: Any = {"text": "x"} if name in ("write", "append") else {}
    began = time.monotonic()
    with listener:
        for path in ("pipe", "sock", *(("notes",) if name != "stat" else ())):
            assert await fault(name, place, path=path, **more)
    assert time.monotonic() - began < 2
    assert stat.S_ISFIFO((place / "pipe").stat().st_mode)


async def test_devices_and_the_files_of_the_system_are_refused() -> None:
    assert "a device" in await fault("read", Path("/dev"), path="null")
    assert "/proc" in await fault("read", Path("/proc"), path="self/environ")
    assert "/proc" in await fault("read", Path("/"), path="proc/self/environ")
    assert "/sys" in await fault("list", Path("/"), path="sys/kernel")


async def test_a_text_that_is_too_large_or_no_text_is_not_written(place: Path) -> None:
    assert "more than the 10 MB" in await fault("write", place, path="a", text="x" * 10_000_001)
    assert "half a character" in await fault("write", place, path="a", text="a\ud800")
    assert not (place / "a").exists()


async def test_a_workspace_that_is_gone_is_told(place: Path) -> None:
    shutil.rmtree(place)
    for path in (".", "notes/a.txt"):
        assert await fault("stat", place, path=path) == "the workspace is not there"


# ---- with somebody at work against them


@contextmanager
def attacker(step: Callable[[], None]) -> Iterator[None]:
    """Does `step` again and again, in a thread, until the end."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            step()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def swapping(place: Path, link: Path, name: str) -> Callable[[], None]:
    """`name` is now what it was, and now a link to something outside."""
    real = place / f"{name}.real"

    def step() -> None:
        os.rename(place / name, real)
        with suppress(OSError):  # a write may just have made a new one
            os.symlink(link, place / name)
            os.unlink(place / name)
        while real.exists():
            try:
                os.rename(real, place / name)
            except OSError:
                shutil.rmtree(place / name, ignore_errors=True)

    return step


async def test_a_directory_that_becomes_a_link_never_leads_out(place: Path) -> None:
    outside = place.parent / "outside"
    (outside / "a.txt").write_text(OUTSIDE)
    tools = await files()
    done = 0
    with attacker(swapping(place, outside, "notes")):
        end = time.monotonic() + 2
        while time.monotonic() < end:
            for name, arguments in (
                ("read", {"path": "notes/a.txt"}),
                ("write", {"path": "notes/new.txt", "text": "mine"}),
                ("append", {"path": "notes/log.txt", "text": "mine"}),
                ("list", {"path": "notes"}),
                ("search", {"path": "notes", "text": "secret"}),
            ):
                try:
                    result = await used(tools[name], arguments, context(place))
                except WorkFailed:
                    continue
                done += 1
                assert OUTSIDE not in str(result)
                assert "secret.txt" not in str(result)
    assert done
    assert sorted(entry.name for entry in outside.iterdir()) == ["a.txt", "secret.txt"]
    assert (outside / "secret.txt").read_text() == OUTSIDE


async def test_a_file_that_becomes_a_link_never_leads_out(place: Path) -> None:
    secret = place.parent / "outside" / "secret.txt"
    (place / "f.txt").write_text("mine")
    tools = await files()

    def step() -> None:
        os.symlink(secret, place / "next")
        os.replace(place / "next", place / "f.txt")
        (place / "next").write_text("mine")
        os.replace(place / "next", place / "f.txt")

    with attacker(step):
        end = time.monotonic() + 2
        while time.monotonic() < end:
            for name, arguments in (
                ("read", {"path": "f.txt"}),
                ("write", {"path": "f.txt", "text": "written"}),
                ("append", {"path": "f.txt", "text": "more"}),
                ("stat", {"path": "f.txt"}),
            ):
                try:
                    result = await used(tools[name], arguments, context(place))
                except WorkFailed:
                    continue
                assert OUTSIDE not in str(result)
                assert result.get("size") != len(OUTSIDE)
    assert secret.read_text() == OUTSIDE


async def test_whoever_reads_sees_the_old_text_or_the_new_one(place: Path) -> None:
    tools = await files()
    texts = ["a" * 300_000, "b" * 300_000]
    await used(tools["write"], {"path": "f", "text": texts[0]}, context(place))
    seen: set[str] = set()

    def look() -> None:
        seen.add((place / "f").read_text())

    with attacker(look):
        for number in range(30):
            await used(tools["write"], {"path": "f", "text": texts[number % 2]}, context(place))
    assert seen <= set(texts)


async def test_calls_beside_one_another_do_not_hinder_one_another(place: Path) -> None:
    tools = await files()
    await asyncio.gather(
        *(used(tools["write"], {"path": f"d/{number}", "text": str(number)}, context(place)) for number in range(50))
    )
    assert (await call("list", place, path="d"))["entries"][-1]["path"] == "d/9"
