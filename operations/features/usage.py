"""Which models use a feature, from ML Metadata; of pushed ones alone where there is none."""

from collections.abc import Sequence
from dataclasses import dataclass

from lakeloop.exceptions import LakeloopError
from lakeloop.manifest import read_manifest
from lakeloop.model_card import read_model_card
from lakeloop.pushed_models import pushed_versions, serving_version_if_any
from lakeloop.use_case import UseCase


@dataclass(frozen=True)
class ModelUse:
    """A model and a column. `version` is '' for one that was never pushed; `made`: ISO 8601 in UTC, '' not known.

    `dropped`: the model accepts the feature and does not look at it.
    """

    version: str
    made: str
    dropped: bool = False
    serves: bool = False


@dataclass(frozen=True)
class KnownModelInputs:
    """A model with the columns of the export it was trained on (None: not known any more) and those it left out."""

    version: str
    made: str
    columns: tuple[str, ...] | None
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class Models:
    """All models of a use case, oldest first; `serving` is '' where none was pushed; `gaps` say what is not known."""

    known: tuple[KnownModelInputs, ...]
    serving: str = ""
    gaps: tuple[str, ...] = ()

    def using(self, column: str) -> tuple[ModelUse, ...]:
        """The models whose export had the column."""
        using = [model for model in self.known if model.columns is not None and column in model.columns]
        serving = [self.serving != "" and model.version == self.serving for model in using]
        return tuple(
            ModelUse(model.version, model.made, column in model.dropped, serves)
            for model, serves in zip(using, serving, strict=True)
        )


def models_of(use_case: UseCase, serving: str | None = None) -> Models:
    """Every model that is known; none before the first was trained. `serving`: None asks the model server."""
    from tfx_pipeline.metadata.lineage.models import inputs_of_models
    from tfx_pipeline.metadata.store import has_metadata, open_store

    gaps: list[str] = []
    if has_metadata(use_case.settings):
        with open_store(use_case.settings) as store:
            found = inputs_of_models(store, use_case.name)
        known = tuple(KnownModelInputs(m.version, m.made, m.columns, m.dropped) for m in found)
    else:
        known = _pushed_alone(use_case, gaps)
    lost = sum(model.columns is None for model in known)
    if lost:
        gaps.append(
            f"what {lost} of {len(known)} models were trained on is not known: their exports' manifests are gone"
        )
    return Models(known, serving_version_if_any(use_case) if serving is None else serving, tuple(gaps))


def _pushed_alone(use_case: UseCase, gaps: list[str]) -> tuple[KnownModelInputs, ...]:
    """The models folder knows what was pushed, and each version what it was trained on."""
    versions: Sequence[str] = pushed_versions(use_case)
    if not versions:
        gaps.append("no model was trained yet: there is no ML Metadata; `lakeloop train` makes it")
        return ()
    gaps.append("there is no ML Metadata, so only pushed models are known, candidates are not")
    return tuple(_pushed(use_case, version) for version in versions)


def _pushed(use_case: UseCase, version: str) -> KnownModelInputs:
    try:
        card = read_model_card(use_case, version)
        manifest = read_manifest(card.manifest_path(use_case))
    except LakeloopError:
        return KnownModelInputs(version, "", None, ())
    return KnownModelInputs(version, "", manifest.columns, card.drop)
