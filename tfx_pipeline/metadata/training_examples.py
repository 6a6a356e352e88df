"""The raw tf.Examples a pushed model was trained and evaluated on: what CSV and ExampleGen made of gold's rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from lakeloop.exceptions import NotFoundError
from lakeloop.use_case import UseCase
from tfx_pipeline.example_files import batches
from tfx_pipeline.metadata.lineage.models import model_of
from tfx_pipeline.metadata.lineage.runs import RunGraph, run_graph, run_of_artifact
from tfx_pipeline.metadata.store import open_store

NODE, TYPE = "ExampleGen", "Examples"


@dataclass(frozen=True)
class TrainingExamples:
    """Examples of all splits, each with its key and period; `delta_version`: of gold/training they are rows of."""

    serialised: Sequence[bytes]
    keys: Sequence[str]
    periods: Sequence[str]
    delta_version: int


def training_examples(use_case: UseCase, version: str) -> TrainingExamples:
    """The examples of the run that pushed a version.

    Raises:
        NotFoundError: ML Metadata does not know the version, or the examples' files are gone.
    """
    contract = use_case.contract
    with open_store(use_case.settings) as store:
        known = model_of(store, use_case.name, version)
        if known is None or known.model is None:
            raise NotFoundError(f"ML Metadata does not know what version {version} was trained on")
        graph = run_graph(store, run_of_artifact(store, known.model.id))
    files = sorted(map(str, Path(_uri(graph, version)).glob("Split-*/*.gz")))
    if not files:
        raise NotFoundError(f"the examples that version {version} was trained on are gone ({_uri(graph, version)})")
    spec = {name: tf.io.FixedLenFeature([], tf.string) for name in (contract.key.column, contract.period_column)}
    serialised: list[bytes] = []
    keys: list[str] = []
    periods: list[str] = []
    for batch in batches(files):
        parsed = tf.io.parse_example(batch, spec)
        serialised += list(batch.numpy())
        keys += [value.decode() for value in parsed[contract.key.column].numpy()]
        periods += [value.decode() for value in parsed[contract.period_column].numpy()]
    return TrainingExamples(serialised, keys, periods, int(known.model.properties["delta_version"]))


def _uri(graph: RunGraph | None, version: str) -> str:
    if graph is not None:
        makers = {execution.id for execution in graph.executions if execution.node == NODE}
        made = [graph.artifact(artifact) for execution, artifact in graph.made if execution in makers]
        for artifact in made:
            if artifact is not None and artifact.type == TYPE:
                return artifact.uri
    raise NotFoundError(f"ML Metadata does not know the examples that version {version} was trained on")
