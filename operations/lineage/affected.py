"""What a bad delivery has touched: versions of gold, clusters, models, decisions and predictions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ml_metadata import metadata_store
from pydantic import Field

from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.bronze.ledger import deliveries
from lakehouse.exceptions import VersionVacuumedError
from lakehouse.storage.layout import TRAINING_TABLE
from lakehouse.storage.table_rows import rows_of_file, rows_with_keys
from lakeloop.frozen_model import FrozenModel
from lakeloop.use_case import UseCase
from operations.joined_rows import keys_that_met
from operations.lineage import request_side
from operations.lineage.cluster_side import clusters_with
from operations.lineage.deliveries import GoldWith, find_deliveries, gold_with
from operations.lineage.lake_side import TAKEN
from operations.lineage.pipeline_side import manifest_of
from tfx_pipeline.metadata.lineage.models import KnownModel, export_of, models_trained_on
from tfx_pipeline.metadata.lineage.runs import ArtifactInfo, annotations_of_run, run_of_artifact
from tfx_pipeline.metadata.store import has_metadata, open_store

if TYPE_CHECKING:
    import pyarrow as pa


class Touched(NamedTuple):
    """Rows of an export with values from a delivery; `corrected`: those a later one has changed (None: not known)."""

    rows: int
    corrected: int | None


class AffectedModel(FrozenModel):
    """A model with rows of the delivery among those it was trained and evaluated on."""

    version: str = Field(description="as what it was pushed; empty: it was not")
    run_id: str
    delta_version: int = Field(description="version of gold/training its rows came from")
    rows: int | None = Field(description="rows from the delivery; none: not known any more, all of the file's at most")
    corrected: int | None = Field(description="of these, rows that a later delivery has corrected; none: not known")
    of_rows: int = Field(description="all rows it was given")
    decision: str = Field("", description="decision it was a candidate of; empty: none")
    trigger: str = Field("", description="why its run was made; empty: an older release did not say")
    requests: int = Field(description="answered requests in the lake for which it gave the probabilities")


class Affected(FrozenModel):
    """What one delivery has touched."""

    source: str
    file: str
    batch: int
    sha256: str
    state: str
    rows: int
    gold_versions: tuple[int, ...] = ()
    clusters: tuple[int, ...] = Field((), description="versions of gold/clusters with values from the delivery")
    models: tuple[AffectedModel, ...] = ()
    gaps: tuple[str, ...] = ()

    @property
    def versions(self) -> tuple[str, ...]:
        """The pushed versions among the models."""
        return tuple(model.version for model in self.models if model.version)


def affected_by(use_case: UseCase, path: str) -> tuple[Affected, ...]:
    """What each delivery of a file has touched.

    Raises:
        NotFoundError: nothing of that name was ever delivered.
    """
    found = find_deliveries(deliveries(use_case), path)
    if not has_metadata(use_case.settings):
        return tuple(_affected(use_case, None, delivery) for delivery in found)
    with open_store(use_case.settings) as store:
        return tuple(_affected(use_case, store, delivery) for delivery in found)


def _affected(use_case: UseCase, store: metadata_store.MetadataStore | None, delivery: DeliveryRecord) -> Affected:
    made = gold_with(use_case, delivery) if delivery.state == TAKEN else ()
    clusters, unknown = clusters_with(use_case, delivery) if delivery.state == TAKEN else ((), ())
    models, gaps = [], list(unknown)
    if delivery.state != TAKEN:
        gaps.append(f"the file was {delivery.state}: {delivery.reason or 'its content was there already'}")
    if any(one.rows is None for one in made):
        gaps.append("some versions of silver were vacuumed: there, every row of the file counts as used")
    if store is not None:
        by_version = {str(one.gold.version): one for one in made}
        counted: dict[str, Touched | None] = {}  # by export: candidates of one run were given the same rows
        valid = _valid_keys(use_case, delivery) if made else None
        for known in models_trained_on(store, use_case.name, [one.gold.version for one in made]):
            if known.model is None:
                continue
            provenance = known.model.properties
            one, export = by_version[provenance["delta_version"]], provenance.get("manifest_sha256", "")
            if export not in counted:
                periods = _periods_of(store, known.model)
                counted[export] = _touched(use_case, delivery, one, periods, valid)
            found = counted[export]
            if found is None or found.rows:
                models.append(_model(store, known, known.model, found))
    return Affected(
        source=delivery.source, file=delivery.file, batch=delivery.batch, sha256=delivery.sha256, state=delivery.state,
        rows=delivery.rows, gold_versions=tuple(one.gold.version for one in made),
        clusters=tuple(one.clusters.version for one in clusters),
        models=_with_requests(use_case, models), gaps=tuple(gaps),
    )  # fmt: skip


def _model(
    store: metadata_store.MetadataStore, known: KnownModel, model: ArtifactInfo, touched: Touched | None
) -> AffectedModel:
    run_id = run_of_artifact(store, model.id)
    annotations = annotations_of_run(store, run_id)
    return AffectedModel(
        version=known.version,
        run_id=run_id,
        decision=annotations.get("decision_id", ""),
        trigger=annotations.get("trigger", ""),
        delta_version=int(model.properties["delta_version"]),
        rows=None if touched is None else touched.rows,
        corrected=None if touched is None else touched.corrected,
        of_rows=int(model.properties.get("rows", "0")),
        requests=0,
    )


def _periods_of(store: metadata_store.MetadataStore, model: ArtifactInfo) -> tuple[int, int] | None:
    """First and last period of the export a model was given; None: all, or not known any more."""
    export = export_of(store, model)
    manifest = manifest_of(export) if export is not None else None
    return None if manifest is None else manifest.periods


def _touched(
    use_case: UseCase, delivery: DeliveryRecord, one: GoldWith, periods: tuple[int, int] | None,
    valid: "pa.Array | None") -> Touched | None:  # fmt: skip
    """Rows of gold's version, in the periods a model was given, whose values came from the delivery; None: unknown.

    `valid`: keys of the rows that have their values from it now; None: not known.
    """
    import pyarrow.compute as pc

    contract = use_case.contract
    key, period = contract.key.column, contract.period_column
    try:
        keys = _keys_of_file(use_case, delivery, one)
        rows = rows_with_keys(use_case, TRAINING_TABLE, one.gold.version, key, keys, [key, period])
    except VersionVacuumedError:
        return None
    if periods is not None:
        first, last = contract.period_name(periods[0]), contract.period_name(periods[1])
        rows = rows.filter(pc.and_(pc.greater_equal(rows[period], first), pc.less_equal(rows[period], last)))
    if valid is None:
        return Touched(rows.num_rows, None)
    return Touched(rows.num_rows, rows.num_rows - (pc.sum(pc.is_in(rows[key], value_set=valid)).as_py() or 0))


def _valid_keys(use_case: UseCase, delivery: DeliveryRecord) -> "pa.Array | None":
    """None where an ingest and a vacuum at the same moment left nothing to read."""
    try:
        return _keys_of_file(use_case, delivery, None)
    except VersionVacuumedError:
        return None


def _keys_of_file(use_case: UseCase, delivery: DeliveryRecord, made: GoldWith | None) -> "pa.Array":
    """Keys of rows with values of the delivery, as gold's version was made of silver's (None: as they are now); of rows
    that have their truth from a later one, too.

    Raises:
        VersionVacuumedError: that version of silver was vacuumed.
    """
    import pyarrow as pa

    contract = use_case.contract
    key, version = contract.key.column, None if made is None else made.silver.version
    if delivery.source in contract.joins:
        return keys_that_met(use_case, delivery, version, None if made is None else made.base)
    rows = rows_of_file(use_case, f"silver/{delivery.source}", version, delivery.file, delivery.batch, [key])
    keys = rows[key].combine_chunks()
    if not contract.ahead:
        return keys
    return pa.concat_arrays([keys, pa.array(map(contract.earlier_key, keys.to_pylist()), keys.type)])


def _with_requests(use_case: UseCase, models: Sequence[AffectedModel]) -> tuple[AffectedModel, ...]:
    versions = [model.version for model in models if model.version]
    answered = request_side.requests_of(use_case, versions, ["model_version"]) if versions else None
    if answered is None:
        return tuple(models)
    counted = answered.group_by("model_version").aggregate([([], "count_all")]).to_pylist()
    counts = {row["model_version"]: row["count_all"] for row in counted}
    return tuple(model.model_copy(update={"requests": counts.get(model.version, 0)}) for model in models)
