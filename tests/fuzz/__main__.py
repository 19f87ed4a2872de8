"""`python -m tests.fuzz [TARGET…] --minutes N --seed S`: hostile input for minutes, a process a target.

With atheris installed (`pip install atheris`; it needs Python 3.11 to 3.13) inputs are guided by coverage, and those
that led to new code are kept in the directory `--corpus`, where the next time begins; without it, or with `--plain`,
they come by chance alone. What is found is printed, and its input kept in the directory `--keep`: put it into
`tests/fuzz/found/TARGET/` with a name that says what it is, and the suite tries it for ever.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LIMIT = 3 << 30  # bytes of memory


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="without atheris")
    parser.add_argument("--keep", default="fuzz-found", help="where inputs go that found something")
    parser.add_argument("--corpus", default="fuzz-corpus", help="where inputs go that led to new code")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        corpus = None if given.plain else Path(given.corpus)
        return _one(given.targets[0], given.minutes * 60, given.seed, Path(given.keep), corpus)
    from tests.fuzz.every import TARGETS

    codes = []
    for name in given.targets or TARGETS:
        if name not in TARGETS:
            parser.error(f"there is no target {name}: {', '.join(TARGETS)}")
        words = [
            name,
            "--minutes",
            str(given.minutes),
            "--seed",
            str(given.seed),
            "--keep",
            os.path.abspath(given.keep),
            "--corpus",
            os.path.abspath(given.corpus),
        ]
        plain = ["--plain"] if given.plain or importlib.util.find_spec("atheris") is None else []
        codes.append(subprocess.run([sys.executable, "-m", "tests.fuzz", "--child", *words, *plain]).returncode)
    return max(map(abs, codes))


def _one(name: str, seconds: float, seed: int, keep: Path, corpus: Path | None) -> int:
    """Without a `corpus`, by chance alone."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    if corpus is not None:  # to the end: verbs and adapters are imported where they are first used
        importlib.import_module("atheris").instrument_imports(include=["magent"]).__enter__()
    from tests.fuzz.every import TARGETS
    from tests.fuzz.mutate import mutate

    target, home, scratch = TARGETS[name], os.getcwd(), tempfile.mkdtemp(prefix="magent-fuzz-")
    os.chdir(scratch)
    trial, seeds = Trial(name, scratch, keep), target.seeds()
    if corpus is None:
        rng, end = random.Random(seed), time.monotonic() + seconds
        while time.monotonic() < end:
            trial.tried(mutate(seeds, target.words, rng))
    else:
        _guided(trial, seeds, target.words, seconds, seed, corpus / name)
    os.chdir(home)
    return trial.end()


class Trial:
    """What was tried of one target, and what was found."""

    def __init__(self, name: str, scratch: str, keep: Path) -> None:
        self._checker = importlib.import_module("tests.fuzz.check").Checker(scratch)
        self._name, self._scratch, self._keep = name, scratch, keep / name
        self._found: dict[str, int] = {}
        self._count = 0

    def tried(self, data: bytes) -> None:
        self._count += 1
        finding = self._checker.check(self._name, data)
        if finding is None:
            return
        self._found[finding.place] = self._found.get(finding.place, 0) + 1
        if self._found[finding.place] == 1:
            self._keep.mkdir(parents=True, exist_ok=True)
            file = self._keep / hashlib.sha256(data).hexdigest()[:12]
            file.write_bytes(data)
            print(f"{self._name}: {finding.place}\n  {file}\n{finding.said}", flush=True)

    def end(self) -> int:
        shutil.rmtree(self._scratch)
        told = ", ".join(f"{place} ×{times}" for place, times in self._found.items()) or "nothing found"
        print(f"{self._name}: {self._count} inputs, {told}", flush=True)
        return 1 if self._found else 0


def _guided(
    trial: Trial, seeds: Sequence[bytes], words: Sequence[bytes], seconds: float, seed: int, corpus: Path
) -> None:
    """Inputs that led to code which was not reached before are bent further. Does not come back."""
    from tests.fuzz.mutate import bend

    atheris: Any = importlib.import_module("atheris")
    end = time.monotonic() + seconds
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds):
        corpus.joinpath(f"seed-{number}").write_bytes(data)

    def custom(data: bytes, size: int, number: int) -> bytes:
        rng = random.Random(number)
        if rng.randrange(3) == 0:  # libFuzzer's own ways, which know what the data was compared with
            return bytes(atheris.Mutate(data, size))
        return bend(data, seeds, words, rng, rng.randint(1, 4))[:size]

    def one(data: bytes) -> None:
        trial.tried(data)
        if time.monotonic() > end:
            os._exit(trial.end())  # libFuzzer would take an exception for what it looks for

    flags = ["-max_len=60000", "-print_final_stats=0", "-verbosity=0", "-timeout=400", "-rss_limit_mb=0"]
    atheris.Setup(["fuzz", str(corpus), f"-seed={seed + 1}", *flags], one, custom_mutator=custom)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
