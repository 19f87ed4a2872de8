"""The roles that a graph knows, who of them speaks, and who routes among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from magent.errors import UsageError
from magent.events import Failure, WorkFailed
from magent.model import Graph
from magent.roles import Decision, Role, Router, Team, Wanted, team

DELEGATE = "delegate"  # the tool of those who may
DEEPEST = 3  # delegations one inside the other


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks: an agent, and the role that it plays. `above` are the roles that handed the work down, from
    the one that does the visit on."""

    agent: str
    role: Role | None = None
    above: tuple[str, ...] = ()

    @property
    def delegation(self) -> str:
        """`>coder>tester`, as it stands behind the path of the visit; "" for the visit's own work."""
        names = (*self.above[1:], self.role.name) if self.above and self.role else ()
        return "".join(f">{name}" for name in names)


class Company:
    """The roles that a graph knows, and who routes among them: made once a run, when first asked for."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    @cached_property
    def team(self) -> Team:
        return team(self._graph.roles, self._graph.predefined)

    @cached_property
    def _router(self) -> Router:
        return Router(self.team)

    def role(self, name: str) -> Role:
        """Raises WorkFailed (`agent`)."""
        try:
            return self.team.role(name)
        except UsageError as error:
            raise WorkFailed(Failure("agent", error.message, hint=error.hint)) from error

    def route(self, wanted: Wanted, text: str, among: Iterable[str] | None = None) -> Decision:
        """Among all the roles that routes pick from, or those that are named."""
        return self._router.route(wanted, text, among)

    def heirs(self, role: Role, above: Sequence[str]) -> list[Role]:
        """Whom the role may hand a subtask to: nobody who is waiting for it already."""
        return [each for each in self.team.heirs(role) if each.name not in above]

    def hindrance(self, speaker: Speaker) -> str | None:
        """Why a role that may delegate cannot do so here; None where it can, or is no such role."""
        if speaker.role is None or not speaker.role.can_delegate:
            return None
        if len(speaker.above) >= DEEPEST:
            return f"subtasks are handed on at most {DEEPEST} deep: do it yourself"
        if not self.heirs(speaker.role, speaker.above):
            return "there is nobody to whom this could be handed on: do it yourself"
        return None


@dataclass(slots=True)
class Companies:
    """The companies of a run's graphs."""

    known: dict[str, Company] = field(default_factory=dict)

    def of(self, graph: Graph) -> Company:
        key = graph.key.partition("#")[0]  # the subgraphs of a file share its roles
        if key not in self.known:
            self.known[key] = Company(graph)
        return self.known[key]
