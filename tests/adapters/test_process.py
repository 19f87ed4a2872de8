"""Real child processes: what they print, how they end, and that nothing of them stays."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from magent.events import Failure, WorkFailed
from magent.keys import Guard, clean_environment
from magent.ports import Executor, ProcessResult
from magent.process import KEPT, ProcessExecutor

ENV = {"PATH": os.environ["PATH"]}
executor: Executor = ProcessExecutor()


async def run(
    *argv: str,
    env: dict[str, str] | None = None,
    cwd: str = ".",
    stdin: str | None = None,
    on_output: Callable[[str, str], None] = lambda stream, text: None,
) -> ProcessResult:
    return await executor.run(argv, env=ENV if env is None else env, cwd=cwd, stdin=stdin, on_output=on_output)


async def sh(script: str, **options: Any) -> ProcessResult:
    return await run("/bin/sh", "-ec", script, **options)


async def failure(*argv: str, **options: Any) -> Failure:
    with pytest.raises(WorkFailed) as caught:
        await run(*argv, **options)
    assert caught.value.failure.type == "exit"
    return caught.value.failure


async def test_the_streams_are_kept_apart_and_as_printed() -> None:
    assert await sh("printf 'a\\nb'; printf 'c\\r\\n' >&2") == ProcessResult(0, "a\nb", "c\r\n")


BY_TURNS = """
import os, time
def wait(name):
    while not os.path.exists(name):
        time.sleep(0.01)
os.write(1, b"say sesame")
wait("begun")
os.write(2, b"sesamesesame ")
wait("told")
os.write(1, b"sesame")
"""


async def test_a_secret_that_is_printed_by_turns_with_the_other_stream_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sesamesesame")
    monkeypatch.setattr("magent.process.GUARD", Guard())
    seen: list[str] = []

    def take(stream: str, text: str) -> None:
        seen.append(text)
        tmp_path.joinpath("begun" if stream == "stdout" else "told").touch()

    done = await run(sys.executable, "-c", BY_TURNS, cwd=str(tmp_path), on_output=take)
    assert done == ProcessResult(0, "say sesamesesame", "sesamesesame ")
    assert "".join(seen) == "say *** ***"


async def test_an_exit_code_is_no_error() -> None:
    assert (await sh("exit 3")).exit_code == 3


async def test_a_signal_gives_128_and_its_number() -> None:
    assert (await sh("kill -TERM $$")).exit_code == 143


async def test_arguments_travel_as_they_are() -> None:
    odd = ["", " ", "*", "$HOME", "a\nb", "'\"", "ä€"]
    result = await run(sys.executable, "-c", "import sys; print(sys.argv[1:])", *odd)
    assert result.stdout == f"{odd}\n"


async def test_the_environment_is_exactly_the_one_given() -> None:
    assert (await run("/usr/bin/env", env={"A": "1 2"})).stdout == "A=1 2\n"


async def test_the_program_is_found_on_the_path_of_the_given_environment(tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("#!/bin/sh\necho hello\n")
    (tmp_path / "hello").chmod(0o700)
    assert (await run("hello", env={"PATH": str(tmp_path)})).stdout == "hello\n"


async def test_it_starts_in_the_directory_named(tmp_path: Path) -> None:
    assert (await sh("pwd -P", cwd=str(tmp_path))).stdout == f"{tmp_path.resolve()}\n"


async def test_stdin_reaches_the_child_and_ends() -> None:
    assert (await run("cat", stdin="some text, ä")).stdout == "some text, ä"


async def test_empty_stdin_ends_at_once() -> None:
    assert (await run("cat", stdin="")).stdout == ""


async def test_without_stdin_the_child_reads_nothing() -> None:
    assert (await run("cat")).stdout == ""


async def test_stdin_can_be_opened_by_its_name() -> None:
    assert (await run("cat", "/dev/stdin", stdin="x")).stdout == "x"


async def test_large_stdin_and_large_output_pass_each_other() -> None:
    text = "0123456789abcdef" * 262_144
    assert (await run("cat", stdin=text)).stdout == text


async def test_a_child_that_does_not_read_its_stdin_is_no_error() -> None:
    assert (await sh("exec <&-; echo done", stdin="x" * 1_000_000)).stdout == "done\n"


async def test_output_is_handed_on_while_the_child_runs(tmp_path: Path) -> None:
    """The child waits for what only the first of its words sets free."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    seen: list[tuple[str, str]] = []

    def on_output(stream: str, text: str) -> None:
        if not seen:
            gate_handle = os.open(gate, os.O_RDWR)
            os.write(gate_handle, b"go\n")
        seen.append((stream, text))

    await sh('echo first; read word < "$GATE"; echo $word >&2', env={**ENV, "GATE": str(gate)}, on_output=on_output)
    assert seen == [("stdout", "first\n"), ("stderr", "go\n")]


async def test_a_character_that_arrives_in_pieces_is_handed_on_whole() -> None:
    seen: list[str] = []
    script = "import os,time\nfor byte in '€'.encode(): os.write(1, bytes([byte])); time.sleep(.02)"
    result = await run(sys.executable, "-c", script, on_output=lambda stream, text: seen.append(text))
    assert (result.stdout, seen) == ("€", ["€"])


async def test_what_is_no_utf8_is_replaced() -> None:
    seen: list[str] = []
    result = await sh("printf 'a\\377b\\303'", on_output=lambda stream, text: seen.append(text))
    assert result.stdout == "".join(seen) == "a�b�"


async def test_of_endless_output_the_first_and_the_last_are_kept() -> None:
    count = 3 * KEPT
    result = await sh(f"echo first; head -c {count} /dev/zero | tr '\\0' x; echo; echo last")
    assert result.stdout.startswith("first\nxxx")
    assert result.stdout.endswith("xxx\nlast\n")
    assert f"\n[… {count + 12 - KEPT} bytes left out …]\n" in result.stdout
    assert len(result.stdout) < KEPT + 100


async def test_output_that_just_fits_is_whole() -> None:
    assert (await sh(f"head -c {KEPT} /dev/zero | tr '\\0' x")).stdout == "x" * KEPT


async def test_a_grandchild_that_keeps_the_streams_open_holds_nothing_up(groups: Groups) -> None:
    started = time.monotonic()
    result = await sh("sleep 60 & echo $!")
    groups.add(int(result.stdout))
    assert time.monotonic() - started < 5
    assert result.exit_code == 0


async def test_what_was_printed_before_the_end_is_never_lost() -> None:
    results = await asyncio.gather(*(sh("head -c 65000 /dev/zero; exit 1") for _ in range(20)))
    assert [len(result.stdout) for result in results] == [65000] * 20


async def test_a_program_that_is_not_there_is_a_failure_with_exit_code_127() -> None:
    found = await failure("no-such-program")
    assert found.data == {"exit_code": 127, "stdout": "", "stderr": found.message, "data": None}
    assert "'no-such-program' was not found" in found.message


async def test_a_file_that_is_no_program_is_a_failure_with_exit_code_126(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    found = await failure(str(tmp_path / "text"))
    assert (found.data["exit_code"], "chmod" in (found.hint or "")) == (126, True)


async def test_a_directory_that_is_not_there_is_told_from_a_program_that_is_not(tmp_path: Path) -> None:
    found = await failure("true", cwd=str(tmp_path / "gone"))
    assert f"there is no directory '{tmp_path}/gone'" in found.message


async def test_a_script_without_its_first_line_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("echo hello")
    (tmp_path / "script").chmod(0o700)
    assert "#!" in ((await failure(str(tmp_path / "script"))).hint or "")


@pytest.mark.parametrize("argv", [("echo", "x" * 3_000_000), ("echo", "a\0b")])
async def test_arguments_that_no_program_can_get_lead_to_stdin(argv: tuple[str, ...]) -> None:
    assert "stdin" in ((await failure(*argv)).hint or "")


async def test_an_empty_command_is_a_failure() -> None:
    assert "empty" in (await failure()).message


class Groups:
    """Processes that a test must see ended; whatever is left of them is ended with the test."""

    def __init__(self) -> None:
        self._pids: list[int] = []

    def add(self, *pids: int) -> None:
        self._pids += pids

    def alive(self) -> list[int]:
        return [pid for pid in self._pids if _runs(pid)]


def _runs(pid: int) -> bool:
    """Zombies have ended: in a container nobody may be there to collect them."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{pid}/stat").read_text()
        return status.rpartition(")")[2].split()[0] not in "ZX"
    return False


@pytest.fixture
async def groups() -> AsyncIterator[Groups]:
    groups = Groups()
    yield groups
    for pid in groups.alive():
        os.kill(pid, signal.SIGKILL)


async def cancelled(script: str, groups: Groups, before: Callable[[int], None] = lambda pid: None) -> float:
    """Cancels once the script has printed the ids of all its processes in a line; gives the seconds that it took."""
    printed: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
    text = ""

    def on_output(stream: str, more: str) -> None:
        nonlocal text
        text += more if stream == "stdout" else ""
        if text.endswith("\n") and not printed.done():
            printed.set_result([int(word) for word in text.split()])

    task = asyncio.create_task(sh(script, on_output=on_output))
    pids = await printed
    groups.add(*pids)
    before(pids[0])
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - started


async def test_cancelled_it_ends_the_child_and_its_children_politely(groups: Groups, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    seconds = await cancelled(
        f"trap 'echo bye > {mark}; exit' TERM; sh -c 'echo $PPID $$; exec sleep 60' & wait", groups
    )
    assert (groups.alive(), mark.read_text()) == ([], "bye\n")
    assert seconds < 2


async def test_cancelled_it_ends_what_does_not_listen_within_two_seconds(groups: Groups) -> None:
    seconds = await cancelled("trap '' TERM; (sleep 60; sleep 60) & echo $$ $!; while :; do sleep 60; done", groups)
    assert groups.alive() == []
    assert seconds < 2


async def test_cancelled_it_ends_a_deaf_grandchild_whose_parent_went_politely(groups: Groups) -> None:
    seconds = await cancelled("(trap '' TERM; sleep 60; sleep 60) & echo $$ $!; trap 'exit 0' TERM; wait", groups)
    assert groups.alive() == []
    assert seconds < 2


async def test_cancelled_it_ends_a_child_that_left_the_group(groups: Groups) -> None:
    await cancelled("set -m; sleep 60 & echo $$ $!; wait", groups)
    assert groups.alive() == []


async def test_cancelled_it_ends_a_child_that_left_the_session(groups: Groups) -> None:
    await cancelled("setsid sh -c 'echo $PPID $$; sleep 60; true' & wait", groups)
    assert groups.alive() == []


async def test_cancelled_it_ends_what_was_stopped(groups: Groups) -> None:
    await cancelled("echo $$; exec sleep 60", groups, before=lambda pid: os.kill(pid, signal.SIGSTOP))
    assert groups.alive() == []


async def test_cancelled_while_a_grandchild_lingers_it_ends_that_too(groups: Groups) -> None:
    printed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(sh("sleep 60 & echo $!", on_output=lambda stream, text: printed.set_result(int(text))))
    groups.add(await printed)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):  # it may have been over a moment before
        await task
        pytest.skip("the child ended before it was cancelled")
    assert groups.alive() == []


async def test_cancelled_again_it_ends_all_at_once(groups: Groups) -> None:
    async def impatient() -> float:
        waiting = asyncio.create_task(cancelled("trap '' TERM; echo $$; while :; do sleep 60; done", groups))
        while not (ours := [task for task in asyncio.all_tasks() if task.cancelling()]):
            await asyncio.sleep(0)
        for _ in range(5):  # until the first has reached the task
            await asyncio.sleep(0)
        ours[0].cancel()
        return await waiting

    assert await impatient() < 1
    assert groups.alive() == []


async def test_cancelled_at_any_moment_from_the_start_on_it_leaves_nothing(groups: Groups, tmp_path: Path) -> None:
    """Whoever came as far as to say its name is gone."""
    for turns in range(20):
        task = asyncio.create_task(sh(f"echo $$ >> {tmp_path}/pids; sleep 60; true"))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    if (tmp_path / "pids").exists():
        groups.add(*map(int, (tmp_path / "pids").read_text().split()))
    assert groups.alive() == []


async def test_where_the_system_cannot_watch_a_process_a_thread_waits_for_it(
    groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    assert await sh("echo a; exit 3") == ProcessResult(3, "a\n", "")
    await cancelled("echo $$; exec sleep 60", groups)
    assert groups.alive() == []


async def test_many_at_once_end_each_with_its_own_output() -> None:
    results = await asyncio.gather(*(run("echo", str(number)) for number in range(60)))
    assert [result.stdout for result in results] == [f"{number}\n" for number in range(60)]


KILLED = """
import asyncio, os, signal, time
from magent.process import ProcessExecutor
from magent.warden import WARDEN

tasks = set()

async def sh(script):
    said = asyncio.Event()
    def heard(_stream, text):
        print(text, end="", flush=True)
        said.set()
    run = ProcessExecutor().run(["/bin/sh", "-c", script], env=dict(os.environ), cwd=".", stdin=None, on_output=heard)
    task = asyncio.create_task(run)
    tasks.add(task)
    await said.wait()
    return task

async def main():
    await (await sh("sleep 60 >/dev/null 2>&1 & echo left $!"))
    await sh("echo $$; sleep 60; true")
    os.kill(WARDEN._pid, signal.SIGKILL)
    os.waitpid(WARDEN._pid, 0)
    await sh("setsid sh -c 'echo $PPID $$; sleep 60; true' & wait")
    await sh("timeout 60 sleep 60 & echo $! $$; wait")
    await sh("trap '' TERM; echo $$; while :; do sleep 60; done")
    copy = os.fork()
    if not copy:
        os.close(1)
        time.sleep(60)
        os._exit(0)
    print("left", copy, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_killed_it_leaves_nothing_that_is_at_work(groups: Groups) -> None:
    """What a command that has ended left behind, is left."""
    killed = await run(sys.executable, "-c", KILLED)
    lines = killed.stdout.splitlines()
    left = [int(line.split()[1]) for line in lines if line.startswith("left")]
    ours = [int(word) for line in lines if not line.startswith("left") for word in line.split()]
    assert (killed.exit_code, len(left), len(ours)) == (137, 2, 6), killed
    groups.add(*ours)
    async with asyncio.timeout(10):
        while groups.alive():
            await asyncio.sleep(0.01)
    groups.add(*left)
    assert groups.alive() == left


async def test_no_handle_stays_open() -> None:
    await run("true", stdin="x")
    before = len(os.listdir("/proc/self/fd"))
    await asyncio.gather(*(run("cat", stdin="x" * 200_000) for _ in range(10)))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_child_does_not_see_secrets_and_keys_of_models() -> None:
    ours = {"PATH": "/bin", "DEPLOY": "s", "OPENAI_API_KEY": "k", "ACME_API_KEY": "k", "HF_TOKEN": "k", "API_KEYS": "x"}
    assert clean_environment(ours, ["DEPLOY"], {}) == {"PATH": "/bin", "API_KEYS": "x"}


def test_what_a_task_names_a_child_sees_after_all() -> None:
    extra = {"OPENAI_API_KEY": "k", "PATH": "/else"}
    assert clean_environment({"PATH": "/bin", "OPENAI_API_KEY": "k"}, ["PATH"], extra) == extra
