"""A compiled workflow as a picture, as text in a terminal, DOT, Mermaid or JSON, and what a run did laid over it. Pure,
and the same every time.

Node shape by type; normal edges solid, conditional ones dashed with their condition, loop_backs dotted; a box around
the nodes of each branch, body and subgraph. Whatever stands in a name or condition is escaped: a label is never syntax.
"""

from magent.draw.canvas import Line, plain, to_ascii
from magent.draw.overlay import Overlay, overlay
from magent.draw.to_dot import dot
from magent.draw.to_json import as_json
from magent.draw.to_mermaid import mermaid
from magent.draw.to_svg import svg
from magent.draw.to_text import LEAST_COLUMNS, text

__all__ = [
    "LEAST_COLUMNS",
    "Line",
    "Overlay",
    "as_json",
    "dot",
    "mermaid",
    "overlay",
    "plain",
    "svg",
    "text",
    "to_ascii",
]
