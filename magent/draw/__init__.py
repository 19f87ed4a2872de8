"""A compiled workflow as DOT, Mermaid or JSON. Pure, and the same text every time.

Node shape by type; normal edges solid, conditional ones dashed with their condition, loop_backs dotted; a box around
the nodes of each branch, body and subgraph. Whatever stands in a name or condition is escaped: a label is never syntax.
"""

from magent.draw.to_dot import dot
from magent.draw.to_json import as_json
from magent.draw.to_mermaid import mermaid

__all__ = ["as_json", "dot", "mermaid"]
