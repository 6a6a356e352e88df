"""Resolver strategies: the champion's model, and the statistics of the rows it was trained on.

The champion is the version that serves, if the QualityGate blessed its model. TFX's own LatestBlessedModelStrategy
would also take what only the Evaluator blessed (it writes ModelBlessing artifacts too), or what was never pushed. What
serves does not stand in ML Metadata, so who launches a node says it (`with released(…)`).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.common.resolver import ResolverStrategy
from tfx.types import Artifact

from lakeloop.release_state import Release
from tfx_pipeline.metadata.store import (
    MODEL_ID_PROPERTY,
    PUSHED_PROPERTY,
    VERSION_PROPERTY,
    blessed_by_the_gate,
    in_order_of_release,
)

MODEL, BLESSING, PUSHED = "model", "model_blessing", "pushed_model"
STATISTICS, CURRENT = "statistics", "current_statistics"
Artifacts = dict[str, list[Artifact]]
_release: ContextVar[Release] = ContextVar("release")


@contextmanager
def released(release: Release) -> Iterator[None]:
    """What the strategies take for the state of the use case's versions while the block runs."""
    token = _release.set(release)
    try:
        yield
    finally:
        _release.reset(token)


class ChampionModelStrategy(ResolverStrategy):
    """Outputs `model`: the champion, or nothing before the first."""

    def resolve_artifacts(self, store: mlmd.MetadataStore, input_dict: Artifacts) -> Artifacts:
        """Needs all models, blessings and pushed models of the pipeline."""
        champion = champion_of(input_dict[MODEL], input_dict[BLESSING], input_dict[PUSHED], _release.get())
        return {**_nothing(input_dict), MODEL: [champion] if champion is not None else []}


class ChampionStatisticsStrategy(ResolverStrategy):
    """Outputs `statistics`: the champion's; the run's own before the first champion, so nothing can differ."""

    def resolve_artifacts(self, store: mlmd.MetadataStore, input_dict: Artifacts) -> Artifacts:
        """Needs, besides, all statistics and this run's."""
        champion = champion_of(input_dict[MODEL], input_dict[BLESSING], input_dict[PUSHED], _release.get())
        theirs = trained_on(store, champion, input_dict[STATISTICS]) if champion is not None else None
        return {**_nothing(input_dict), STATISTICS: [theirs] if theirs is not None else input_dict[CURRENT]}


def champion_of(
    models: Iterable[Artifact], blessings: Iterable[Artifact], pushed: Iterable[Artifact], release: Release
) -> Artifact | None:
    """The model of the version that serves, or of the newest push, among those with a blessing by our gate."""
    blessed = blessed_by_the_gate(blessing.mlmd_artifact for blessing in blessings)
    by_id = {model.id: model for model in models if model.id in blessed}
    pushes = sorted((one for one in pushed if one.get_int_custom_property(PUSHED_PROPERTY) == 1), key=lambda a: a.id)
    in_order = in_order_of_release(pushes, lambda push: push.get_string_custom_property(VERSION_PROPERTY), release)
    found = (by_id.get(push.get_int_custom_property(MODEL_ID_PROPERTY)) for push in in_order)
    return next((model for model in found if model is not None), None)


def trained_on(store: mlmd.MetadataStore, model: Artifact, statistics: Iterable[Artifact]) -> Artifact | None:
    """The statistics that went into the execution that made the model."""
    event = metadata_store_pb2.Event
    makers = [e.execution_id for e in store.get_events_by_artifact_ids([model.id]) if e.type == event.OUTPUT]
    inputs = {e.artifact_id for e in store.get_events_by_execution_ids(makers) if e.type == event.INPUT}
    return next((artifact for artifact in statistics if artifact.id in inputs), None)


def _nothing(input_dict: Artifacts) -> Artifacts:
    return {key: [] for key in input_dict}
