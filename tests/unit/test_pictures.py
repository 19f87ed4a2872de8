"""Pictures of workflows, by what must hold of every one of them."""

from __future__ import annotations

import random
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from itertools import pairwise, takewhile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magent import draw, loading
from magent.draw.layers import Item, Link
from magent.draw.letters import fit, length, wrap
from magent.draw.nest import sheet
from magent.draw.routes import Piece, Placed, place
from magent.draw.sheet import Frame, Sheet
from magent.model import Workflow
from tests.build import workflow
from tests.unit.test_draw import ALL_TYPES

NEST = """
    inputs: {xs: {type: array, default: [1, 2]}}
    nodes:
      fan: {type: parallel, branches: [left, right, third], next: after}
      left: {type: loop, until: "true", max_iterations: 3, body: inner, next: l2}
      inner: {type: parallel, for_each: inputs.xs, as: x, body: deep}
      deep: {type: subgraph, uses: polish, next: [{to: again, when: "true"}, {loop_back: deep, max: 2}, {to: end}]}
      again: {type: loop, for_each: inputs.xs, as: y, body: deepest}
      deepest: {run: "true", next: [{loop_back: deepest, max: 3, when: "output.exit_code > 0"}, {to: fin}]}
      fin: {set: {k: 1}}
      l2: {wait: 1s}
      right: {type: subgraph, uses: shared, next: r2}
      r2: {type: subgraph, uses: shared, on_error: {goto: r3}}
      r3: {set: {z: 1}}
      third: {chain: look}
      after: {run: "true"}
    tools: {calc: {builtin: calculator}}
    chains:
      look:
        steps:
          - {tool: calc, with: {expression: "1"}, as: one}
          - {chain: inner, when: steps.one > 0, as: two}
      inner: {steps: [{tool: calc, with: {expression: "3"}}, {tool: calc, with: {expression: "4"}}]}
    subgraphs:
      polish: {nodes: {shine: {set: {d: 1}, next: check}, check: {wait: 1s}}}
      shared: {nodes: {go: {run: "true", next: [{to: a, when: "output.exit_code == 0"}, {to: end}]}, a: {set: {q: 1}}}}
"""
Rectangle = tuple[float, float, float, float]  # left, top, right, bottom


def points(piece: Piece) -> Iterator[tuple[float, float]]:
    """Places on a piece, its ends included."""
    for step in range(17):
        t = step / 16
        if not piece.curved:
            yield piece.x1 + (piece.x2 - piece.x1) * t, piece.y1 + (piece.y2 - piece.y1) * t
            continue
        middle = (piece.y1 + piece.y2) / 2
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        yield (a + b) * piece.x1 + (c + d) * piece.x2, a * piece.y1 + (b + c) * middle + d * piece.y2


def meet(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] - 0.1 and other[0] < one[2] - 0.1 and one[1] < other[3] - 0.1 and other[1] < one[3] - 0.1


def within(x: float, y: float, around: Rectangle) -> bool:
    return around[0] + 0.6 < x < around[2] - 0.6 and around[1] + 0.6 < y < around[3] - 0.6


def rectangles(items: list[Item], placed: Placed) -> list[Rectangle]:
    return [(x, y, x + item.width, y + item.height) for (x, y), item in zip(placed.corners, items, strict=True)]


@st.composite
def scopes(draw_: st.DrawFn) -> tuple[list[Item], list[Link], float]:
    """Items that the first leads to, with loop_backs, labels, and inlets aside."""
    most = draw_(st.sampled_from([14, 14, 30]))
    sizes = draw_(st.lists(st.tuples(st.integers(20, 300), st.integers(10, 400)), min_size=1, max_size=most))
    aside, inset = st.sampled_from([(-1.0, -1.0), (0.25, 0.33)]), st.sampled_from([0.0, 5.0])
    items = []
    for wide, high in sizes:
        inlet, outlet = (each * wide for each in draw_(aside))
        items.append(Item(float(wide), float(high), inlet, outlet, draw_(inset), draw_(inset)))
    label = st.sampled_from([(0.0, 0.0), (60.0, 18.0), (190.0, 31.0)])
    links = [Link(draw_(st.integers(0, to - 1)), to, draw_(label)) for to in range(1, len(items))]
    for one, other in draw_(st.lists(st.tuples(*[st.integers(0, len(items) - 1)] * 2), max_size=2 * most)):
        links.append(Link(one, other, draw_(label), back=one >= other))
    return items, links, draw_(st.sampled_from([200.0, 300.0, 900.0, 1e9]))


@given(scopes())
@settings(max_examples=120, deadline=None)
def test_nothing_overlaps_and_no_edge_runs_through_an_item_or_a_label(
    scope: tuple[list[Item], list[Link], float],
) -> None:
    items, links, tallest = scope
    placed = place(items, links, tallest)
    boxes = rectangles(items, placed)
    labels = {
        number: (x - link.label[0] / 2, y - link.label[1] / 2, x + link.label[0] / 2, y + link.label[1] / 2)
        for number, (link, place_) in enumerate(zip(links, placed.labels, strict=True))
        for x, y in ([] if place_ is None else [place_])
    }
    assert len(labels) == sum(link.labelled for link in links)
    solid = [*boxes, *labels.values()]
    assert not [(at, to) for at, one in enumerate(solid) for to in range(at) if meet(one, solid[to])]
    for at, (link, way) in enumerate(zip(links, placed.ways, strict=True)):
        others = [box for number, box in enumerate(boxes) if number not in (link.source, link.target)]
        others += [label for number, label in labels.items() if number != at]
        assert not [at for piece in way for at in points(piece) for box in others if within(*at, box)]
    whole = (-0.1, -0.1, placed.width + 0.1, placed.height + 0.1)
    assert all(whole[0] < one[0] < one[2] < whole[2] and whole[1] < one[1] < one[3] < whole[3] for one in solid)


@given(scopes())
@settings(max_examples=40, deadline=None)
def test_an_edge_goes_without_a_gap_from_its_source_to_its_target(scope: tuple[list[Item], list[Link], float]) -> None:
    items, links, tallest = scope
    placed = place(items, links, tallest)
    for link, way in zip(links, placed.ways, strict=True):
        source, target = (rectangles(items, placed)[number] for number in (link.source, link.target))
        assert all(a.x2 == pytest.approx(b.x1) and a.y2 == pytest.approx(b.y1) for a, b in pairwise(way))
        assert source[0] <= way[0].x1 <= source[2]
        assert way[0].y1 == pytest.approx(source[3] - items[link.source].high)
        assert target[0] <= way[-1].x2 <= target[2]
        assert way[-1].y2 == pytest.approx(target[1] + items[link.target].deep)
        assert way[-1].y1 < way[-1].y2  # the arrow points down


Span = tuple[bool, float, float, float]  # level or upright, where, from, to


def straight(way: list[Piece]) -> Iterator[Span]:
    for piece in way:
        if not piece.curved and piece.x1 == piece.x2:
            yield False, round(piece.x1, 1), min(piece.y1, piece.y2), max(piece.y1, piece.y2)
        elif not piece.curved:
            yield True, round(piece.y1, 1), min(piece.x1, piece.x2), max(piece.x1, piece.x2)


@given(scopes())
@settings(max_examples=80, deadline=None)
def test_lines_that_share_no_end_never_lie_upon_one_another(scope: tuple[list[Item], list[Link], float]) -> None:
    items, links, tallest = scope
    placed = place(items, links, tallest)
    spans = sorted((*span, at) for at, way in enumerate(placed.ways) for span in straight(way))
    for at, (level, where, start, end, one) in enumerate(spans):
        for other_level, elsewhere, begin, _, other in spans[at + 1 :]:
            if (other_level, elsewhere) != (level, where) or begin > end - 1.5:
                break
            assert links[one].source == links[other].source or links[one].target == links[other].target, (where, start)


def test_a_loop_back_goes_up_beside_all_that_stands_between() -> None:
    items = [Item(100.0, 40.0)] * 4
    placed = place(items, [Link(0, 1), Link(1, 2), Link(2, 3), Link(3, 1, back=True)])
    upward = [piece for piece in placed.ways[3] if piece.y2 < piece.y1]
    assert [not 0.0 <= piece.x1 - placed.corners[0][0] <= 100.0 for piece in upward] == [True]


def test_loop_backs_to_the_same_item_share_a_lane() -> None:
    links = [Link(n, n + 1) for n in range(9)]
    placed = place([Item(100.0, 40.0)] * 10, [*links, *(Link(n, 0, (80.0, 18.0), back=True) for n in range(2, 10))])
    lanes = {piece.x1 for way in placed.ways[9:] for piece in way if piece.y2 < piece.y1}
    assert len(lanes) <= 2, "one on each side at most"


def test_the_width_of_dense_graphs_grows_with_lanes_and_not_with_edges() -> None:
    items, pairs = [Item(100.0, 40.0)] * 12, [(one, other) for one in range(12) for other in range(one + 1, 12)]
    assert place(items, [Link(*pair, (80.0, 18.0)) for pair in pairs]).width < 1500.0, "66 edges with labels"
    bare = place(items, [Link(*pair) for pair in pairs])
    assert bare.width < 700.0
    assert place(items, [Link(*pair) for pair in pairs * 4]).width == bare.width, "264 edges"


def test_edges_in_a_trunk_have_their_dashes_in_the_same_places() -> None:
    far = "".join(f"  n{n}: {{set: {{k{n}: 1}}, next: [{{to: far, when: inputs.k == {n}}}, {{to: n{n + 1}}}]}}\n"
                  for n in range(4))  # fmt: skip
    text = (
        f"inputs: {{k: {{type: integer, default: 0}}}}\nnodes:\n{far}  n4: {{wait: 1s, next: far}}\n  far: {{wait: 1s}}"
    )
    drawn = draw.svg(workflow(text))
    paths = re.findall(r'n\d → far: .*?</title><path class="edge conditional" d="(M[^C]*)', drawn, re.S)
    assert len(paths) == 4
    assert len({path.partition("L")[0] for path in paths}) == 1, "written from the target on, where all of them meet"


def picture(text: str) -> Sheet:
    return sheet(workflow(text))


def chain(count: int, back_from: Callable[[int], int | None]) -> str:
    """A flow of steps; `back_from` says to which step one may go back."""
    lines = ["inputs: {k: {type: integer, default: 0}}", "nodes:"]
    for n in range(count):
        back = back_from(n)
        edges = [] if back is None else [f"{{loop_back: s{back}, max: 3, when: inputs.k == {n}}}"]
        lines.append(f"  s{n}: {{run: 'make step-{n}', next: [{', '.join([*edges, f'{{to: s{n + 1}}}'])}]}}")
    return "\n".join([*lines, f"  s{count}: {{wait: 1s}}"])


@pytest.mark.parametrize(
    "back_from",
    [
        lambda n: None,
        lambda n: n,
        lambda n: n - 4 if n % 6 == 5 else None,
        lambda n: 0 if n == 56 else None,
        lambda n: max(0, n - 3),
    ],
    ids=["none", "to itself", "a few steps", "to the first", "all over one another"],
)
def test_a_long_chain_goes_on_in_columns_also_where_it_goes_back(back_from: Callable[[int], int | None]) -> None:
    made = picture(chain(57, back_from))
    assert 0.5 < made.width / made.height < 2.0
    assert made.height < 2200.0


@pytest.mark.parametrize("count", [20, 50, 120])
def test_many_branches_stand_in_rows(count: int) -> None:
    names = [f"branch_{n}" for n in range(count)]
    lines = [f"  {name}: {{run: 'work {name}'}}" for name in names]
    made = picture("\n".join([f"nodes:\n  fan: {{type: parallel, branches: [{', '.join(names)}]}}", *lines]))
    assert 1.0 < made.width / made.height < 4.0
    assert made.width < 2200.0


def around(frame: Frame) -> Rectangle:
    return frame.x, frame.y, frame.x + frame.width, frame.y + frame.height


@pytest.mark.parametrize("text", [ALL_TYPES, NEST], ids=["all types", "nested"])
def test_frames_nest_or_stand_apart_and_hold_whole_boxes(text: str) -> None:
    made = picture(text)
    frames = [around(frame) for frame in made.frames]
    boxes = [(box.x, box.y, box.x + box.width, box.y + box.height) for box in made.boxes]
    for at, one in enumerate(frames):
        for other in [*frames[at + 1 :], *boxes]:
            holds = one[0] < other[0] and one[1] < other[1] and one[2] > other[2] and one[3] > other[3]
            assert holds or not meet(one, other)
    assert not [(at, to) for at, one in enumerate(boxes) for to in range(at) if meet(one, boxes[to])]


GALLERY = sorted(Path(__file__).parent.parent.parent.glob("workflows/*.yaml"))


def clear(made: Sheet) -> None:
    """No box or label upon another, no edge through one that is not its own, nothing outside of the sheet."""
    boxes = [(box.x, box.y, box.x + box.width, box.y + box.height) for box in made.boxes]
    labels: dict[int, Rectangle] = {}
    for number, line in enumerate(made.lines):
        if line.middle is not None:
            (x, y), (wide, high) = line.middle, line.size
            labels[number] = (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
    solid = sorted([*boxes, *labels.values()], key=lambda each: each[1])
    for at, one in enumerate(solid):
        assert one[0] > -0.1
        assert one[1] > -0.1
        assert one[2] < made.width + 0.1
        assert one[3] < made.height + 0.1
        behind = takewhile(lambda each, end=one[3]: each[1] < end, solid[at + 1 :])  # type: ignore[misc]
        assert not [other for other in behind if meet(one, other)]
    for number, line in enumerate(made.lines):
        ends = [(line.way[0].x1, line.way[0].y1), (line.way[-1].x2, line.way[-1].y2)]
        others = [box for box in boxes if not any(within(x, y, grown(box)) for x, y in ends)]
        others += [label for owner, label in labels.items() if owner != number]
        low, end = (choose(y for piece in line.way for y in (piece.y1, piece.y2)) for choose in (min, max))
        others = [each for each in others if each[1] < end and low < each[3]]
        for x, y in (at for piece in line.way for at in points(piece)):
            assert -0.1 < x < made.width + 0.1
            assert -0.1 < y < made.height + 0.1
            assert not [(line.title, other) for other in others if within(x, y, other)]


@pytest.mark.parametrize("file", GALLERY, ids=lambda file: file.stem)
def test_in_whole_pictures_edges_and_labels_are_clear_of_boxes_too(file: Path) -> None:
    clear(sheet(loading.read(file).workflow))


@given(st.integers(1, 50), st.integers(0, 9), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_whatever_nests_in_whatever_is_clear(count: int, ways: int, chance: random.Random) -> None:
    clear(picture(Thicket(chance, ways / 10).text(count)))


class Thicket:
    """Workflows of every kind of node, nested, with jumps, loop_backs and ends; `ways`: how many, from 0 to 1."""

    def __init__(self, chance: random.Random, ways: float) -> None:
        self.chance, self.ways = chance, ways
        self.lines: list[str] = []
        self.made = 0

    def text(self, count: int) -> str:
        entry = self.scope(count, 0)
        lines = sorted(self.lines, key=lambda line: not line.startswith(f"  {entry}:"))
        inputs = "inputs: {k: {type: integer, default: 0}, xs: {type: array, default: [1]}}"
        steps = "[{tool: calc, with: {expression: '1'}, as: one}, {tool: calc, when: 'steps.one > 0'}]"
        chains = f"chains: {{look: {{steps: {steps}}}}}"
        return "\n".join([inputs, "tools: {calc: {builtin: calculator}}", chains, "nodes:", *lines])

    def scope(self, count: int, depth: int) -> str:
        """So many nodes; gives the first."""
        kinds = ["work"] * 5 + ["ask", "check", "chain", "wait"] + ["fan", "loop", "each"] * (depth < 3)
        found: list[tuple[str, str]] = []
        while count > 0:
            kind, self.made = self.chance.choice(kinds), self.made + 1
            name, inner = f"{kind}_{self.made}" + "_w" * self.chance.choice([0, 0, 0, 30]), list[str]()
            for _ in range({"fan": self.chance.randint(1, 5), "loop": 1, "each": 1}.get(kind, 0)):
                size = self.chance.randint(1, max(1, min(7, count // 2)))
                inner.append(self.scope(size, depth + 1))
                count -= size
            found.append((name, self.body(kind, inner)))
            count -= 1
        for at, (name, body) in enumerate(found):
            self.lines.append(f"  {name}: {{{body}{self.edges(at, [each for each, _ in found])}}}")
        return found[0][0]

    def body(self, kind: str, inner: list[str]) -> str:
        return {
            "work": "run: 'work on it, and then a good deal more than that'",
            "ask": "type: human_input, input: approval, prompt: ok",
            "check": "type: condition",
            "chain": "chain: look",
            "wait": "wait: 1s",
            "fan": f"type: parallel, branches: [{', '.join(inner)}]",
            "loop": f"type: loop, until: 'inputs.k > 1', max_iterations: 4, body: {inner[0] if inner else ''}",
            "each": f"type: parallel, for_each: inputs.xs, as: it_{self.made}, body: {inner[0] if inner else ''}",
        }[kind]

    def edges(self, at: int, names: list[str]) -> str:
        chance, edges, later = self.chance, list[str](), names[at + 1 :]
        for _ in range(3):
            if later[1:] and chance.random() < self.ways / 2:
                edges.append(f"{{to: {chance.choice(later)}, when: inputs.k == {chance.randint(0, 99)}}}")
            if chance.random() < self.ways / 3:
                edges.append(f"{{loop_back: {chance.choice(names[: at + 1])}, max: 3, when: inputs.k > 7}}")
        if chance.random() < self.ways / 4 or names[at].startswith("check"):
            edges.append("{to: end, when: inputs.k < 0}")
        goto = f", on_error: {{goto: {later[-1]}}}" if later and chance.random() < self.ways / 4 else ""
        onward = [f"{{to: {later[0] if later else 'end'}}}"] if later or edges else []
        return goto + (f", next: [{', '.join([*edges, *onward])}]" if edges or onward else "")


def grown(box: Rectangle) -> Rectangle:
    return box[0] - 2, box[1] - 2, box[2] + 2, box[3] + 2


def test_the_way_into_a_subgraph_leads_to_where_it_is_entered() -> None:
    made = picture("""
        nodes: {a: {type: subgraph, uses: s}}
        subgraphs:
          s:
            nodes:
              first: {run: "true", next: [{loop_back: first, max: 2, when: "output.exit_code > 0"}, {to: second}]}
              second: {type: parallel, branches: [x, y]}
              x: {wait: 1s}
              y: {wait: 1s}
    """)
    (first,) = (box for box in made.boxes if box.node is not None and box.node[1] == "first")
    ends = [(line.way[-1].x2, line.way[-1].y2) for line in made.lines if line.implied and line.look == "normal"]
    assert any(first.x < x < first.x + first.width and y == pytest.approx(first.y) for x, y in ends)


def test_everything_of_a_workflow_is_in_its_picture() -> None:
    made = workflow(NEST)
    shown = [box.node for box in sheet(made).boxes if box.node is not None]
    wanted = [(key, name) for key, graph in made.graphs.items() for name in graph.nodes]
    assert sorted(shown) == sorted([*wanted, (f"{made.root}#shared", "end")])
    kinds = {frame.kind for frame in sheet(made).frames}
    assert kinds == {"parallel", "loop", "subgraph", "chain", "panel", "pile", "section"}
    looks = [line.look for line in sheet(made).lines]
    assert (looks.count("loop_back"), looks.count("conditional")) == (4, 4)


def test_a_workflow_may_nest_deeper_than_python_calls() -> None:
    loops = [f"  l{n}: {{type: loop, until: 'true', max_iterations: 2, body: l{n + 1}}}" for n in range(150)]
    made = picture("\n".join(["nodes:", *loops, "  l150: {wait: 1s}"]))
    assert len(made.frames) == 150


def steps(count: int, seed: int) -> Workflow:
    """A long flow with jumps, conditions and loop_backs."""
    chance = random.Random(seed)
    lines = ["inputs: {deep: {type: boolean, default: true}}", "nodes:"]
    for n in range(count - 1):
        edges = (
            [f"{{to: n{min(count - 1, n + chance.randint(2, 7))}, when: inputs.deep}}"] if chance.random() < 0.2 else []
        )
        edges += [f"{{loop_back: n{n}, max: 3, when: inputs.deep}}"] if chance.random() < 0.1 else []
        lines.append(f"  n{n}: {{run: 'true', next: [{', '.join([*edges, f'{{to: n{n + 1}}}'])}]}}")
    return workflow("\n".join([*lines, f"  n{count - 1}: {{run: 'true'}}"]))


@pytest.mark.untraced
def test_five_hundred_nodes_take_no_two_seconds_and_no_endless_strip() -> None:
    made = steps(500, 1)
    began = time.process_time()
    text = draw.svg(made)
    assert time.process_time() - began < 2.0
    size = re.match(r'<svg .*?width="([\d.]+)" height="([\d.]+)"', text)
    assert size is not None
    assert 0.3 < float(size[1]) / float(size[2]) < 4.0


def test_edges_that_are_too_many_and_too_long_end_in_the_name_of_their_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magent.draw.nest._MOST_PASSED", 30)
    made = sheet(steps(40, 2))
    told = [box.texts[0].shown for box in made.boxes if box.kind == "join"]
    assert len(told) > 3
    assert all(re.fullmatch(r"→ n\d+", text) for text in told)
    assert len(made.lines) == len(sheet(steps(40, 2)).lines)


@pytest.mark.untraced
def test_a_thicket_of_edges_costs_little() -> None:
    chance = random.Random(1)
    links = [Link(n, chance.randint(n + 1, 79), (100.0, 18.0)) for n in range(79) for _ in range(4)]
    began = time.process_time()
    place([Item(100.0, 40.0)] * 80, links)
    place([Item(100.0, 40.0)] * 1500, [Link(0, n) for n in range(1, 1500)])
    assert time.process_time() - began < 4.0


def test_the_same_workflow_gives_the_same_picture() -> None:
    assert draw.svg(steps(40, 2)) == draw.svg(steps(40, 2))


def test_a_picture_is_sound_and_tells_itself_to_those_who_cannot_see_it() -> None:
    root = ET.fromstring(draw.svg(workflow(ALL_TYPES), None, "run x, completed"))
    space = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    assert [child.tag for child in root[:2]] == [f"{space}title", f"{space}desc"]
    assert root[0].text == "test"
    assert (root[1].text or "").startswith("test: 14 nodes, 17 edges. run x, completed.")
    assert "@media screen and (prefers-color-scheme: dark)" in (root[2].text or "")


def test_what_stands_in_a_file_is_text_in_its_picture() -> None:
    hostile = "</title><script>alert(1)</script>"
    text = f"""
        name: test
        magent: 1
        description: "a{hostile}b"
        inputs: {{a: {{type: string, default: x}}}}
        nodes:
          one:
            run: "echo {hostile} & \\u0007"
            description: "{hostile}"
            next: [{{to: two, when: "inputs.a == '{hostile}'"}}, {{to: end}}]
          two: {{wait: 1s}}
    """
    drawn = draw.svg(workflow(text))
    ET.fromstring(drawn)
    assert "<script" not in drawn
    assert drawn.count("&lt;script&gt;") >= 4


def test_what_is_cut_is_whole_in_a_title() -> None:
    condition = " or ".join(f"inputs.a == 'number {n}'" for n in range(9))
    name = "a_name_of_a_node_that_is_a_good_deal_longer_than_any_box_will_ever_be"
    drawn = draw.svg(
        workflow(f"""
        inputs: {{a: {{type: string, default: x}}}}
        nodes:
          {name}: {{set: {{b: 1}}, next: [{{to: two, when: "{condition}"}}, {{to: end}}]}}
          two: {{run: "echo a command that is a good deal longer than the box that is drawn for it"}}
        """)
    )
    titles = [title.text or "" for title in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}title")]
    assert name in titles
    assert "run echo a command that is a good deal longer than the box that is drawn for it" in titles
    assert f"{name} → two: {condition}" in titles
    assert f">{name}<" not in drawn.replace(f"<title>{name}</title>", "")


@given(st.text("ab W.漢🚀é\u0301…", max_size=60), st.floats(20, 400))
@settings(max_examples=60, deadline=None)
def test_a_text_that_is_made_to_fit_does(text: str, width: float) -> None:
    shown = fit(text, width, 11.0)
    assert length(shown, 11.0) <= width + 0.01
    assert shown == text or text.startswith(shown[:-1])
    rows = wrap(" ".join(text.split()), width, 11.0, 2)
    assert len(rows) <= 2
    assert all(length(row, 11.0) <= width + 0.01 for row in rows)
