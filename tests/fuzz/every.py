"""All that is fed, by name."""

from __future__ import annotations

from tests.fuzz import around, outward, targets
from tests.fuzz.targets import Target

TARGETS: dict[str, Target] = {**targets.TARGETS, **around.TARGETS, **outward.TARGETS}
