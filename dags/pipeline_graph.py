"""The TFX pipeline's graph as `lakeloop pipeline compile` left it: the tasks of a retrain, never written twice."""

import json
from dataclasses import dataclass

from lakeloop.use_case import UseCase

PUSHING = ("InfraValidator", "Pusher")
"""What only the winner goes through."""


@dataclass(frozen=True)
class Node:
    """A node and the nodes it waits for."""

    id: str
    upstream: tuple[str, ...]


def compiled_nodes(use_case: UseCase) -> tuple[Node, ...]:
    """The nodes in topological order; () where nothing was compiled yet."""
    path = use_case.folder("tfx").absolute() / "graph.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return tuple(Node(str(node["id"]), tuple(node["upstream"])) for node in found["nodes"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def candidate_nodes(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """What every candidate goes through, up to the gate's verdict."""
    return tuple(node for node in nodes if node.id not in PUSHING)


def pushing_nodes(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """What the winner goes through after that."""
    return tuple(node for node in nodes if node.id in PUSHING)
