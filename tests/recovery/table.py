"""The faults of the crash harness by name, and to which stores they can happen."""

from __future__ import annotations

from tests.recovery import doings, faults
from tests.recovery.faults import Fault

FAULTS: dict[str, Fault] = {
    "kill": faults.kill,
    "write": faults.write,
    "power": faults.power,
    "torn": faults.torn,
    "cut": faults.cut,
    "flip": faults.flip,
    "full": faults.full,
    "readonly": faults.readonly,
    "clock": faults.clock,
    "vanished": faults.vanished,
    "server": faults.server,
    "gone": faults.gone,
    "paused": faults.paused,
    "fight": faults.fight,
    "answered": doings.answered,
    "cancelled": doings.cancelled,
    "late": doings.late,
    "copied": doings.copied,
    "forked": doings.forked,
    "crowd": doings.crowd,
}
OF_SERVERS = ("server", "gone")


def fits(fault: str, store: str) -> bool:
    """Whether the fault can happen to such a store. What a power cut takes of a database is its server's care."""
    return fault not in (("power",) if store == "postgres" else OF_SERVERS)
