"""magent: multi-agent workflows in YAML, with durable runs and people in the loop.

The shape, floor by floor (a module imports only from floors below its own; `tests/test_architecture.py` holds it):

    0 words         version · errors · source · clock · durations · cells · hiding · keys · urls
    1 language      expressions/
    2 model         model · events · shapes · state
    3 shared logic  spans/ · ports · answers/ · functions · entries · foreign · glance · layout · graph · draw · roles/
    4 spec/         composer · traps · loader · schema · checks/ · build
                    commands · offers · wrappers (of tools)
    5 engine/       scopes · joins · tree · reopen · fold · route · view · arrive · conclude · settle · plan (all pure)
                    values · nodes · attempt · recorder · driver · launching · people · leaving
                    drive (the loop) · run
    6 plumbing      warden · groups · process · apart
      adapters      stores/ · human/ · agents/ · tools/ · tracing/
    7 assembly      settings · retention · masks · outfit · preflight · forecast · loading · outcome · history
                    explained · records · traces · answering · asking · figures · notify · telemetry
                    life · opening · moving · copying · forks · app · said · report/ · differ/ · crew · sweeping · api
    8 doors         cli/ · this module · __main__

A run is its list of events; the fold of the events is its state; the planner decides purely, the loop acts thinly.
`outfit` and `life` alone know the adapters.

The Python API: `load`, `run`, `resume`, `plan_resume`, `respond`, `cancel`, `runs`. Everything is imported when
it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magent.api import cancel, load, plan_resume, respond, resume, run, runs
    from magent.app import LoadedWorkflow
    from magent.errors import (
        AnsweredAlready,
        AnswerRefused,
        InvalidWorkflow,
        MagentError,
        RunDamaged,
        RunLocked,
        StoreError,
        UsageError,
    )
    from magent.events import Event
    from magent.forks import Plan
    from magent.life import Options
    from magent.outcome import Result
    from magent.spans.here import span

__all__ = [
    "AnswerRefused",
    "AnsweredAlready",
    "Event",
    "InvalidWorkflow",
    "LoadedWorkflow",
    "MagentError",
    "Options",
    "Plan",
    "Result",
    "RunDamaged",
    "RunLocked",
    "StoreError",
    "UsageError",
    "cancel",
    "load",
    "plan_resume",
    "respond",
    "resume",
    "run",
    "runs",
    "span",
]

_HOMES = {
    **dict.fromkeys(("cancel", "load", "plan_resume", "respond", "resume", "run", "runs"), "magent.api"),
    "Plan": "magent.forks",
    "LoadedWorkflow": "magent.app",
    "Options": "magent.life",
    "Result": "magent.outcome",
    "span": "magent.spans.here",
    "Event": "magent.events",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'magent' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_HOMES.get(name, "magent.errors")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
