"""Workflows that the verbs are tried on."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

DEMO = """
    magent: 1
    name: demo
    inputs:
      topic: {type: string, description: What it is about}
      count: {type: integer, default: 2}
    agents: {writer: {replies: ["Tides rise.\\nTides fall."]}}
    nodes:
      draft: {prompt: "{{ inputs.topic }}", agent: writer, next: each}
      each: {type: parallel, for_each: "range(inputs.count) | list", body: count, next: sign_off}
      count: {run: "echo {{ item }}", parse: json}
      sign_off: {type: human_input, input: approval, prompt: "Publish [bold]it[/bold]?", default: true, next: done}
      done: {set: {published: "{{ state.sign_off.approved }}"}}
    outputs: {text: "{{ state.draft }}", published: "{{ state.published }}"}
"""

FAILING = """
    magent: 1
    name: failing
    nodes:
      first: {set: {x: 1}, next: lint}
      lint: {run: "exit 3"}
"""

INVALID = """
    magent: 1
    name: invalid
    nodes:
      first: {set: {x: 1}, next: secnd}
      second: {run: "exit 3"}
"""


@pytest.fixture
def demo(here: Path) -> Path:
    """`demo.yaml`, `failing.yaml`, `invalid.yaml` in an empty current directory."""
    for name, text in (("demo", DEMO), ("failing", FAILING), ("invalid", INVALID)):
        here.joinpath(f"{name}.yaml").write_text(dedent(text), "utf-8")
    return here
