"""How a picture looks: its colours in light and dark, the outline of each kind of box, the small signs in them."""

from __future__ import annotations

from collections.abc import Mapping

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'DejaVu Sans', Arial, sans-serif"

_LIGHT = {
    "page": "#ffffff", "ink": "#111827", "dim": "#4b5563", "line": "#475569", "faint": "#7c8798", "rule": "#d3d9e2",
    "taken": "#0f766e", "panel": "#f6f8fa", "frame": "#94a3b8", "veil": "#fbfcfd",
    "task": "#eef2f8", "task_rim": "#52627c", "choice": "#fdf3d7", "choice_rim": "#94640c",
    "person": "#fbe9f2", "person_rim": "#a8316f", "fork": "#e5effc", "fork_rim": "#2563a8",
    "loop": "#e6f4ee", "loop_rim": "#22755a", "sub": "#efeafb", "sub_rim": "#6b4fb3", "end": "#e7eaef",
    "end_rim": "#374151",
    "completed": "#15803d", "failed": "#b91c1c", "waiting": "#a16207", "running": "#1d4ed8", "interrupted": "#c2410c",
    "cancelled": "#4b5563", "skipped": "#64748b",
    "completed_fill": "#e7f6ec", "failed_fill": "#fdeaea", "waiting_fill": "#fdf4d3", "running_fill": "#e4edfd",
    "interrupted_fill": "#fdeee3", "cancelled_fill": "#eceef1", "skipped_fill": "#f5f6f8",
}  # fmt: skip
_DARK = {
    "page": "#0f141b", "ink": "#e8edf4", "dim": "#aab4c2", "line": "#94a3b8", "faint": "#6f7d90", "rule": "#334155",
    "taken": "#2dd4bf", "panel": "#151c26", "frame": "#55647a", "veil": "#121821",
    "task": "#1d2633", "task_rim": "#8fa1bd", "choice": "#322811", "choice_rim": "#dfae4f",
    "person": "#331a29", "person_rim": "#e58bbb", "fork": "#14273f", "fork_rim": "#77aef0",
    "loop": "#12291f", "loop_rim": "#62c39c", "sub": "#241d3a", "sub_rim": "#ad96ee", "end": "#232b37",
    "end_rim": "#aab4c2",
    "completed": "#4ade80", "failed": "#f87171", "waiting": "#facc15", "running": "#7db0ff", "interrupted": "#fb923c",
    "cancelled": "#aab4c2", "skipped": "#94a3b8",
    "completed_fill": "#11291a", "failed_fill": "#371717", "waiting_fill": "#322a0c", "running_fill": "#14243f",
    "interrupted_fill": "#371f0f", "cancelled_fill": "#232b37", "skipped_fill": "#1a212b",
}  # fmt: skip
STATUSES = ("completed", "running", "waiting", "failed", "interrupted", "cancelled", "skipped")
_KINDS = {
    "task": "task", "step": "task", "condition": "choice", "human_input": "person", "parallel": "fork", "loop": "loop",
    "subgraph": "sub", "start": "end", "end": "end", "join": "fork", "dot": "end", "chain": "task",
}  # fmt: skip


def style(root: str = ".magent-graph") -> str:
    """The rules, for light and for dark; paper is light. Plain colours, that every program reads which draws SVG."""
    dark = "\n".join(_colors(_DARK, root))
    still = [
        f"{root} text {{ font-family: {FONT}; font-size: 11px; }}",
        f"{root} .name {{ font-size: 13px; font-weight: bold; }}",
        f"{root} .fact {{ font-weight: 600; }}",
        f"{root} .headline {{ font-size: 18px; font-weight: bold; }}",
        f"{root} .under {{ font-size: 12px; }}",
        f"{root} .middle {{ text-anchor: middle; }}",
        f"{root} .edge, {root} .icon, {root} .sign {{ fill: none; stroke-linecap: round; stroke-linejoin: round; }}",
        f"{root} .edge {{ stroke-width: 1.5; }}",
        f"{root} .conditional {{ stroke-dasharray: 7 4; stroke-linecap: butt; }}",
        f"{root} .loop_back {{ stroke-dasharray: 0.1 4.5; stroke-width: 2; }}",
        f"{root} .implied {{ stroke-width: 1.2; }}",
        f"{root} .taken {{ stroke-width: 3.2; }}",
        f"{root} .taken.loop_back {{ stroke-dasharray: 0.1 6; stroke-width: 3.6; }}",
        f"{root} .icon {{ stroke-width: 1.5; }}",
        f"{root} .sign {{ stroke-width: 1.8; }}",
        f"{root} a:focus-visible {{ outline: 3px solid; }}",
    ]
    return "\n".join([*still, *_colors(_LIGHT, root), "@media screen and (prefers-color-scheme: dark) {", dark, "}"])


def _colors(of: Mapping[str, str], root: str) -> list[str]:
    rules = [
        f"{root} .page {{ fill: {of['page']}; }}",
        f"{root} text {{ fill: {of['ink']}; }}",
        f"{root} .about, {root} .under, {root} .caption {{ fill: {of['dim']}; }}",
        f"{root} .edge {{ stroke: {of['line']}; }}",
        f"{root} .head {{ fill: {of['line']}; }}",
        f"{root} .edge.implied {{ stroke: {of['faint']}; }}",
        f"{root} .head.implied {{ fill: {of['faint']}; }}",
        f"{root} .chip {{ fill: {of['page']}; stroke: {of['rule']}; }}",
        f"{root} .frame {{ fill: {of['veil']}; stroke: {of['frame']}; }}",
        f"{root} .frame.panel, {root} .frame.pile {{ fill: {of['panel']}; stroke: {of['rule']}; }}",
        f"{root} .frame.section {{ fill: none; stroke: {of['frame']}; }}",
    ]
    for kind, name in _KINDS.items():
        rim = of[f"{name}_rim"]
        rules.append(f"{root} .box.{kind} {{ fill: {of[name]}; stroke: {rim}; }}")
        rules.append(f"{root} .frame.{kind} {{ stroke: {rim}; }}")
        rules.append(f"{root} .icon.{kind} {{ stroke: {rim}; }}")
        rules.append(f"{root} .solid.{kind} {{ fill: {rim}; }}")
    rules += [
        f"{root} .edge.taken {{ stroke: {of['taken']}; }}",
        f"{root} .head.taken {{ fill: {of['taken']}; }}",
        f"{root} .edge.untaken {{ stroke: {of['faint']}; }}",
        f"{root} .head.untaken {{ fill: {of['faint']}; }}",
        f"{root} .box.untaken {{ fill: {of['page']}; stroke: {of['faint']}; }}",
        f"{root} .icon.untaken {{ stroke: {of['faint']}; }}",
        f"{root} .solid.untaken {{ fill: {of['faint']}; }}",
        f"{root} .frame.untaken {{ stroke: {of['faint']}; }}",
        f"{root} text.untaken {{ fill: {of['dim']}; }}",
        f"{root} .sign {{ stroke: {of['page']}; }}",
        f"{root} .sign.filled {{ fill: {of['page']}; }}",
    ]
    for status in STATUSES:
        rules.append(f"{root} .box.{status} {{ fill: {of[f'{status}_fill']}; stroke: {of[status]}; stroke-width: 2; }}")
        rules.append(f"{root} .badge.{status} {{ fill: {of[status]}; }}")
        rules.append(f"{root} .icon.{status} {{ stroke: {of[status]}; }}")
        rules.append(f"{root} .solid.{status} {{ fill: {of[status]}; }}")
    return rules


def outline(kind: str, x: float, y: float, width: float, height: float) -> str:
    """The path of a box's border."""
    right, low = x + width, y + height
    if kind == "condition":
        tip, middle = 16.0, y + height / 2
        return _path((x + tip, y), (right - tip, y), (right, middle), (right - tip, low), (x + tip, low), (x, middle))
    if kind == "human_input":
        return _path((x, y), (right, y), (right - 12.0, low), (x + 12.0, low))
    if kind == "loop":
        cut = 9.0
        return _path(
            (x + cut, y), (right - cut, y), (right, y + cut), (right, low - cut), (right - cut, low), (x + cut, low),
            (x, low - cut), (x, y + cut),
        )  # fmt: skip
    radius = {"start": height / 2, "end": height / 2, "join": 10.0, "dot": 4.5, "step": 3.0, "task": 7.0}.get(kind, 2.0)
    return rounded(x, y, width, height, min(radius, height / 2))


def _path(*points: tuple[float, float]) -> str:
    return f"M{' '.join(f'{number(x)},{number(y)}' for x, y in points)}Z"


def rounded(x: float, y: float, width: float, height: float, radius: float) -> str:
    right, low, r = number(x + width), number(y + height), number(radius)
    across, down = number(width - 2 * radius), number(height - 2 * radius)
    return (
        f"M{number(x + radius)},{number(y)}h{across}a{r},{r} 0 0 1 {r},{r}v{down}a{r},{r} 0 0 1 -{r},{r}"
        f"H{number(x + radius)}a{r},{r} 0 0 1 -{r},-{r}V{number(y + radius)}a{r},{r} 0 0 1 {r},-{r}Z"
        if right and low
        else ""
    )


def number(value: float) -> str:
    """With a tenth at most: the same text on every machine."""
    return f"{round(value, 1):g}"


# In a square of 14; strokes.
ICONS = {
    "start": "M4,2.5 L11,7 L4,11.5Z",
    "end": "M3,3 H11 V11 H3Z",
    "condition": "M7,1.5 L12.5,7 L7,12.5 L1.5,7Z",
    "human_input": "M7,7 A2.7,2.7 0 1 0 7,1.6 A2.7,2.7 0 1 0 7,7 M2,13 C2,9.3 4.4,8.6 7,8.6 C9.6,8.6 12,9.3 12,13",
    "parallel": "M7,1 V5 M2.5,13 V9 Q2.5,5 7,5 Q11.5,5 11.5,9 V13 M7,5 V13",
    "loop": "M11.8,5.2 A5.2,5.2 0 1 0 12.2,8 M12.4,1.8 V5.4 H8.8",
    "subgraph": "M1.5,1.5 H12.5 V12.5 H1.5Z M4.5,4.5 H9.5 V9.5 H4.5Z",
    "prompt": "M1.5,2 H12.5 V9.5 H6.5 L3.5,12.5 V9.5 H1.5Z",
    "run": "M1.5,3 L6,7 L1.5,11 M7.5,11.5 H12.5",
    "call": "M5,1.5C2.5,1.5 4.5,6.5 2,7C4.5,7.5 2.5,12.5 5,12.5M9,1.5C11.5,1.5 9.5,6.5 12,7C9.5,7.5 11.5,12.5 9,12.5",
    "tool": "M12,3.8A3.4,3.4 0 0 1 7.6,7.6L3.4,12A1.3,1.3 0 0 1 1.8,10.4L6.2,6.2A3.4,3.4 0 0 1 10,1.8L8,4L9.8,5.8Z",
    "chain": "M6,4.5 H3.5 A2.5,2.5 0 0 0 3.5,9.5 H6 M8,4.5 H10.5 A2.5,2.5 0 0 1 10.5,9.5 H8 M5,7 H9",
    "wait": "M7,1.5 A5.5,5.5 0 1 0 7,12.5 A5.5,5.5 0 1 0 7,1.5 M7,4 V7.2 L9.4,8.6",
    "set": "M2.5,5 H11.5 M2.5,9 H11.5",
}  # fmt: skip
# Of statuses, in a circle with a radius of 8 around (0, 0): the path, and whether it is filled.
SIGNS = {
    "completed": ("M-3.4,0.2 L-1,2.8 L3.6,-2.8", False),
    "failed": ("M-2.8,-2.8 L2.8,2.8 M2.8,-2.8 L-2.8,2.8", False),
    "waiting": ("M-1.8,-3 V3 M1.8,-3 V3", False),
    "running": ("M-1.8,-3.2 L3.2,0 L-1.8,3.2Z", True),
    "interrupted": ("M-2.4,-2.4 H2.4 V2.4 H-2.4Z", True),
    "cancelled": ("M-3.2,3.2 L3.2,-3.2", False),
    "skipped": ("M-3,0 H3", False),
}
