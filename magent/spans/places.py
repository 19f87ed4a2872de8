"""Where in a workflow an address is, such as `fan[2]/draft`."""

from __future__ import annotations

from typing import Any

from magent.model import Graph, Loop, Node, Subgraph, Workflow
from magent.spans import words


class Places:
    """What stands at addresses of a workflow, found once for each."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow
        self._graphs: dict[str, Graph] = {}

    def node(self, path: str) -> Node | None:
        above, _, name = path.rpartition("/")
        return self.graph(above).nodes.get(name)

    def owner(self, path: str) -> str:
        """The address of the visit that the one at this address is in; "" for none."""
        above, _, name = path.rpartition("/")
        graph = self.graph(above)
        node = graph.nodes.get(name)
        if node is None:
            return above.rpartition("[")[0] if above.endswith("]") else above
        return words.around(graph, node, above)

    def conversation(self, path: str, session: str) -> str:
        """What a session is called in the whole run: items and subgraphs have their own, all rounds of a loop one."""
        above, kept = path.rpartition("/")[0], [session]
        while above:
            outer, _, last = above.rpartition("/")
            if not isinstance(self.node(above.rpartition("[")[0] if above.endswith("]") else above), Loop):
                kept.append(last)
            above = outer
        return "/".join(reversed(kept))

    def graph(self, above: str) -> Graph:
        """The graph that the nodes under an address are of."""
        found = self._graphs.get(above)
        if found is None:
            outer, _, last = above.rpartition("/")
            found = self.graph(outer) if above else self._workflow.graph
            node = found.nodes.get(last) if above else None
            if isinstance(node, Subgraph):
                found = self._workflow.graphs[node.uses]
            if not above.endswith("]"):  # items and rounds are many, and in the graph of their node
                self._graphs[above] = found
        return found

    def agent_words(self, agent: str, path: str, models: dict[str, str]) -> dict[str, Any]:
        """What is known of the agent that a visit at this address asks. `models`: those that the run was given, by
        agent."""
        graph = self.graph(path.rpartition("/")[0])
        spec = graph.agents.get(agent) or self._workflow.graph.agents.get(agent)
        instead = models.get(agent)
        if instead is not None and instead in graph.agents:
            spec, instead = graph.agents[instead], None
        return words.agent_words(agent, spec, instead)
