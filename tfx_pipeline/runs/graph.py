"""The compiled pipeline's graph as plain JSON, for those who must not import TFX (the DAGs)."""

import hashlib
import json
from pathlib import Path

from pydantic import ValidationError

from lakeloop.exceptions import NotFoundError
from lakeloop.frozen_model import FrozenModel
from lakeloop.own_files import own_files
from lakeloop.use_case import UseCase

FILE_NAME, IR_FILE = "graph.json", "ir.pb"
TUNER = "Tuner"
"""Runs only where a run asks for trials; the Trainer takes its hyper-parameters if there are some."""
PUSHING = ("InfraValidator", "Pusher")
"""What a blessed model still has to go through; of several candidates only the best one does."""


class Node(FrozenModel, extra="ignore"):
    """A node and the nodes it waits for."""

    id: str
    upstream: tuple[str, ...]


class Graph(FrozenModel, extra="ignore"):
    """The nodes in topological order; the hashes say what it was compiled from."""

    pipeline: str
    contract_sha256: str
    code_sha256: str
    nodes: tuple[Node, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """Node ids in topological order."""
        return tuple(node.id for node in self.nodes)


def graph_path(use_case: UseCase) -> Path:
    """Where `graph.json` lives."""
    return use_case.folder("tfx").absolute() / FILE_NAME


def ir_path(use_case: UseCase) -> Path:
    """Where the intermediate representation lives."""
    return use_case.folder("tfx").absolute() / IR_FILE


def read_graph(use_case: UseCase) -> Graph:
    """The graph of the compiled pipeline.

    Raises:
        NotFoundError: it was not compiled yet, or by an older version.
    """
    path = graph_path(use_case)
    try:
        return Graph.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise NotFoundError(f"there is no compiled pipeline at {path}; run `lakeloop pipeline compile`") from error


def is_compiled(use_case: UseCase) -> bool:
    """Whether what was compiled fits today's contract, paths and code."""
    try:
        graph = read_graph(use_case)
    except NotFoundError:
        return False
    current = (contract_sha256(use_case), code_sha256())
    return (graph.contract_sha256, graph.code_sha256) == current and ir_path(use_case).is_file()


def contract_sha256(use_case: UseCase) -> str:
    """Hash of all the compiled pipeline depends on besides its own code: contract, paths, the use case's own code."""
    places = [str(use_case.folder("tfx").absolute()), str(use_case.folder("models").absolute())]
    own = [file.model_dump_json() for file in own_files(use_case.own_folder).values()]
    text = use_case.contract.model_dump_json()
    text += "\n".join([*places, str(use_case.settings.metadata_db.absolute()), *own])
    return hashlib.sha256(text.encode()).hexdigest()


def code_sha256() -> str:
    """Hash of all of `tfx_pipeline`'s code."""
    folder = Path(__file__).parents[1]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.rglob("*.py")))).hexdigest()
