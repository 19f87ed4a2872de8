"""What somebody meant who wrote a name that there is not."""

from __future__ import annotations

import time

import pytest

from magent.source import nearest

VERBS = ("run", "resume", "respond", "runs", "validate", "graph", "schema")
FLAGS = ("--input", "--inputs", "--id", "--use-defaults", "--max-concurrency", "--no-input", "-i", "-q")
NODES = ("draft", "critique", "Publish", "sign_off", "each")


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("rnu", VERBS, "run"),
        ("rusn", VERBS, "runs"),
        ("RUN", VERBS, "run"),
        ("Vaildate", VERBS, "validate"),
        ("resum", VERBS, "resume"),
        ("xyzzy", VERBS, None),
        ("", VERBS, None),
        ("--use_defaults", FLAGS, "--use-defaults"),
        ("--USE-DEFAULTS", FLAGS, "--use-defaults"),
        ("--inp", FLAGS, "--input"),
        ("--max", FLAGS, "--max-concurrency"),
        ("-x", FLAGS, None),
        ("critqiue", NODES, "critique"),
        ("publish", NODES, "Publish"),
        ("sign-off", NODES, "sign_off"),
        ("signoff", NODES, "sign_off"),
    ],
)
def test_the_name_that_was_meant(word: str, known: tuple[str, ...], meant: str | None) -> None:
    assert nearest(word, known) == meant


def test_long_words_and_many_names_take_no_time() -> None:
    began = time.process_time()
    assert nearest("x" * 10_000, ["x" * 9_999]) is None
    nearest("node_12x34", [f"node_{number}" for number in range(100_000)])
    assert time.process_time() - began < 5
