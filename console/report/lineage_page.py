"""An answer of lineage as a page: the flow from top to bottom; a click shows what is known of an item, and its ways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from console.report.html_file import write_page
from lakeloop.contract import Contract
from operations.lineage.graph import Lineage

WIDTH, HEIGHT, GAP_X, GAP_Y = 190, 46, 14, 40
A_LINE = 4
"""Items side by side; where more are as deep in the flow, they take several lines."""
TITLE = 24


@dataclass(frozen=True)
class Box:
    """An item with its place in the picture, in pixels from the upper left."""

    id: str
    kind: str
    title: str
    x: int
    y: int


@dataclass(frozen=True)
class Picture:
    """Boxes and the curves between them; `lines` are SVG paths with the ids they join."""

    boxes: Sequence[Box]
    lines: Sequence[tuple[str, str, str]]
    width: int
    height: int


def write_lineage(found: Lineage, contract: Contract, path: Path) -> Path:
    """Write the page; readers see the old or the new one, never half of it."""
    created = f"{datetime.now(UTC):%Y-%m-%d %H:%M UTC}"
    return write_page("lineage.html", path, contract=contract, created=created, **lineage_values(found))


def lineage_values(found: Lineage) -> dict[str, Any]:
    """What the page's template needs."""
    return {
        "subject": found.item(found.subject),
        "found": found,
        "picture": draw(found),
        "items": {item.id: {"kind": item.kind, "title": item.title, "facts": item.facts} for item in found.items},
        "links": [[link.source, link.target] for link in found.links],
    }


def draw(found: Lineage) -> Picture:
    """What was made of something is drawn below it, each item as near as can be under what it was made of."""
    sources: dict[str, list[str]] = {item.id: [] for item in found.items}
    for link in found.links:
        sources[link.target].append(link.source)
    rows: dict[int, list[str]] = {}
    for item_id, depth in depths(sources).items():
        rows.setdefault(depth, []).append(item_id)
    places: dict[str, tuple[int, int]] = {}
    y = GAP_Y // 2
    for depth in sorted(rows):
        ordered = sorted(rows[depth], key=lambda item_id: _middle(sources[item_id], places))
        for start in range(0, len(ordered), A_LINE):
            line = ordered[start : start + A_LINE]
            left = (A_LINE - len(line)) * (WIDTH + GAP_X) // 2 + GAP_X
            places |= {item_id: (left + n * (WIDTH + GAP_X), y) for n, item_id in enumerate(line)}
            y += HEIGHT + GAP_Y
    boxes = [Box(i.id, i.kind, _cut(i.title), *places[i.id]) for i in found.items]
    lines = [(k.source, k.target, _curve(places[k.source], places[k.target])) for k in found.links]
    return Picture(boxes, lines, A_LINE * (WIDTH + GAP_X) + GAP_X, y)


def depths(sources: Mapping[str, Sequence[str]]) -> Mapping[str, int]:
    """How deep in the flow each item is: one below the deepest of its sources; what has none, just above its first use.

    Items in a circle, which the flow has none of, would stand at the top.
    """
    found: dict[str, int] = {}

    def depth(item_id: str, above: frozenset[str]) -> int:
        if item_id not in found:
            below = [depth(s, above | {item_id}) for s in sources[item_id] if s not in above]
            found[item_id] = max(below, default=-1) + 1
        return found[item_id]

    for item_id in sources:
        depth(item_id, frozenset())
    for item_id, made_from in sources.items():
        if not made_from:
            users = [found[other] for other, theirs in sources.items() if item_id in theirs]
            found[item_id] = max(0, min(users, default=1) - 1)
    return found


def _cut(title: str) -> str:
    return title if len(title) <= TITLE else f"{title[: TITLE - 1]}…"


def _middle(sources: Sequence[str], places: Mapping[str, tuple[int, int]]) -> float:
    above = [places[source][0] for source in sources if source in places]
    return sum(above) / len(above) if above else 0.0


def _curve(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1 = start[0] + WIDTH // 2, start[1] + HEIGHT
    x2, y2 = end[0] + WIDTH // 2, end[1]
    bend = max(GAP_Y, (y2 - y1) // 2)
    return f"M{x1} {y1} C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}"
