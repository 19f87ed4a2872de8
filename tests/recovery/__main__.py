"""`python -m tests.recovery`: random runs under random trouble, for as long as one likes.

--minutes N | --rounds N    how long; one round of each store and fault where neither is given
--seed S                    where the rounds begin; the same seed, store and fault make the same round
--store file|sqlite|postgres|all
--fault NAME|all|every      `every` makes a round for each write of a life, and each way to die of it
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.recovery.harness import EVERY, STORES, Harness, Trouble
from tests.recovery.table import FAULTS, fits


def main() -> int:
    given = _arguments()
    combinations = [
        (store, fault)
        for fault in (FAULTS if given.fault == "all" else [given.fault])
        for store in (STORES if given.store == "all" else [given.store])
        if fits(fault, store)
    ]
    if not combinations:
        print(f"{given.fault} cannot happen to a store of {given.store}", file=sys.stderr)
        return 2
    end = time.monotonic() + given.minutes * 60 if given.minutes else None
    rounds = given.rounds or (sys.maxsize if end else len(combinations))
    told: Counter[tuple[str, str, str]] = Counter()
    with ExitStack() as stack:
        harness = stack.enter_context(Harness(Path(tempfile.mkdtemp(prefix="magent-rounds-"))))
        for number in range(rounds):
            if end is not None and time.monotonic() > end:
                break
            store, fault = combinations[number % len(combinations)]
            seed = given.seed + number // len(combinations)
            count, how = _round(harness, store, fault, seed)
            told[store, fault, how] += count
    _tell(told)
    return 1 if any(how == "failed" for _, _, how in told) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.recovery", description="Random runs under random trouble.")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=[*STORES, "all"], default="all")
    parser.add_argument("--fault", choices=[*FAULTS, EVERY, "all"], default="all")
    return parser.parse_args()


def _round(harness: Harness, store: str, fault: str, seed: int) -> tuple[int, str]:
    """How many, and: ok, failed, or not here."""
    began = time.monotonic()
    again = f"python -m tests.recovery --store {store} --fault {fault} --seed {seed} --rounds 1"
    try:
        if fault == EVERY:
            count = harness.every_write(store, seed)
            print(f"ok {store} every write seed {seed}: {count} ({time.monotonic() - began:.1f}s)", flush=True)
            return count, "ok"
        missing = harness.round(store, fault, seed)
    except Trouble as trouble:
        print(f"FAILED {store} {fault} seed {seed}\n{trouble}\n  again: {again}\n  kept: {trouble.kept}", flush=True)
        return 1, "failed"
    if missing:
        print(f"not here: {store} {fault} seed {seed}: {missing}", flush=True)
        return 1, "not here"
    print(f"ok {store} {fault} seed {seed} ({time.monotonic() - began:.1f}s)", flush=True)
    return 1, "ok"


def _tell(told: Counter[tuple[str, str, str]]) -> None:
    print("\nstore     fault       ok  failed  not here")
    for store, fault in dict.fromkeys((store, fault) for store, fault, _ in told):
        counts = [told[store, fault, how] for how in ("ok", "failed", "not here")]
        print(f"{store:9} {fault:9} {counts[0]:4} {counts[1]:7} {counts[2]:9}")
    counts = [sum(count for (*_, how), count in told.items() if how == each) for each in ("ok", "failed", "not here")]
    print(f"{'all':19} {counts[0]:4} {counts[1]:7} {counts[2]:9}")


if __name__ == "__main__":
    sys.exit(main())
