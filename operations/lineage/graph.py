"""What a question of lineage is answered with: items, what was made from what, and what nobody knows any more."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from pydantic import Field

from lakeloop.frozen_model import FrozenModel

NodeKind = Literal[
    "file", "bronze", "silver", "gold", "event", "run", "export", "execution", "artifact", "model", "verdict",
    "decision", "release", "version", "card", "request", "scoring",
]  # fmt: skip
KINDS: tuple[NodeKind, ...] = get_args(NodeKind)
"""In the order of the flow: what is made of what, from left to right."""


class Item(FrozenModel):
    """One thing there is or was."""

    id: str = Field(description="unique in the answer, e.g. gold/training@3 or artifact 12")
    kind: NodeKind
    title: str = Field(description="what a person would call it")
    facts: Mapping[str, str] = Field({}, description="what is known of it, by name")


class Link(FrozenModel):
    """`source` went into, caused or decided `target`; both are ids."""

    source: str
    target: str


class Lineage(FrozenModel):
    """An answer. `gaps` says in sentences what is not known, and why."""

    subject: str = Field(description="id of what was asked about")
    items: tuple[Item, ...]
    links: tuple[Link, ...]
    gaps: tuple[str, ...] = ()

    def item(self, item_id: str) -> Item:
        """The item of an id. Raises KeyError if it is not in the answer."""
        return next(item for item in self.items if item.id == item_id)

    def nearest_sources(self) -> Mapping[str, tuple[Item, ...]]:
        """What went into the subject as a tree: item id -> the items below it, each on the shortest way to it."""
        return self._nearest([(link.target, link.source) for link in self.links])

    def nearest_targets(self) -> Mapping[str, tuple[Item, ...]]:
        """What was made from the subject, as a tree."""
        return self._nearest([(link.source, link.target) for link in self.links])

    def _nearest(self, steps: Sequence[tuple[str, str]]) -> Mapping[str, tuple[Item, ...]]:
        items = {item.id: item for item in self.items}
        order = {item_id: number for number, item_id in enumerate(items)}
        following: dict[str, list[str]] = {}
        for start, end in steps:
            following.setdefault(start, []).append(end)
        tree: dict[str, tuple[Item, ...]] = {}
        known, waiting = {self.subject}, deque([self.subject])
        while waiting:
            here = waiting.popleft()
            new = sorted({end for end in following.get(here, ()) if end not in known}, key=order.__getitem__)
            if new:
                tree[here] = tuple(items[end] for end in new)
            known.update(new)
            waiting.extend(new)
        return tree


class LineageDraft:
    """An answer in the making. The same item or link added twice is there once; later facts are added to earlier."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._links: dict[tuple[str, str], Link] = {}
        self._gaps: dict[str, None] = {}

    def add(self, kind: NodeKind, item_id: str, title: str = "", facts: Mapping[str, object] | None = None) -> str:
        """Add an item and give its id; facts that are None or '' are left out."""
        known_facts = {name: _text(value) for name, value in (facts or {}).items() if value not in (None, "")}
        known = self._items.get(item_id)
        if known is not None:
            known_facts = {**known.facts, **known_facts}
        self._items[item_id] = Item(id=item_id, kind=kind, title=title or item_id, facts=known_facts)
        return item_id

    def link(self, source: str, target: str) -> None:
        """Say that `source` went into `target`."""
        if source != target:
            self._links[source, target] = Link(source=source, target=target)

    def gap(self, sentence: str) -> None:
        """Say what is not known, and why."""
        self._gaps[sentence] = None

    def of_kind(self, kind: NodeKind) -> tuple[str, ...]:
        """The ids of the items of one kind that were added so far."""
        return tuple(item.id for item in self._items.values() if item.kind == kind)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    def finish(self, subject: str) -> Lineage:
        """The answer, its items in the order of the flow."""
        items = sorted(self._items.values(), key=lambda item: KINDS.index(item.kind))
        links = [link for link in self._links.values() if link.source in self._items and link.target in self._items]
        return Lineage(subject=subject, items=tuple(items), links=tuple(links), gaps=tuple(self._gaps))


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
