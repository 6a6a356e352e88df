"""Clusters as part of an answer: the files of one thing's rows, and the clusters that a file's rows are in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.bronze.ledger import deliveries
from lakehouse.exceptions import VersionVacuumedError
from lakehouse.read.clusters import NOTE, cluster_of
from lakehouse.read.provenance import find_version, silver_of, table_versions
from lakehouse.storage.commits import Commit
from lakehouse.storage.layout import CLUSTERS
from lakehouse.storage.table_rows import rows_at
from lakeloop.contract import Contract
from lakeloop.exceptions import NotFoundError
from lakeloop.use_case import UseCase
from operations.joined_rows import keys_that_met
from operations.lineage import lake_side
from operations.lineage.graph import LineageDraft

if TYPE_CHECKING:
    import pyarrow.dataset as ds


def add_thing(draft: LineageDraft, use_case: UseCase, version: int, thing: str) -> str:
    """A thing of a version of gold/clusters with the files that its rows have their values from; gives its id.

    Raises:
        NotFoundError: there is no such version, or no such thing in it.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    base = use_case.contract.feature_source
    commit = find_version(table_versions(use_case, CLUSTERS), CLUSTERS, version)
    made = lake_side.add_version(draft, use_case, CLUSTERS, commit)
    found = cluster_of(use_case, version, thing)
    silver = f"silver/{base}"
    facts = {"cluster": found.cluster, "name": found.name, "distance": found.distance, "left out": found.left_out,
             "periods": " to ".join(dict.fromkeys(found.periods))}  # fmt: skip
    item = draft.add("gold", f"{CLUSTERS}@{version} {thing}", f"{found.of} {thing}", facts)
    draft.link(made, item)
    wanted = (ds.field(found.of).cast(pa.string()) == thing) & _in(use_case, found.periods)
    try:
        rows = rows_at(use_case, silver, found.silver_version, ["_source_file", "_batch"], wanted).to_pylist()
        used = find_version(table_versions(use_case, silver), silver, found.silver_version)
    except NotFoundError as gone:
        draft.gap(f"which files its rows are from is not known any more: {gone}")
        return item
    draft.link(lake_side.add_version(draft, use_case, silver, used), made)
    known = {(d.file, d.batch): d for d in deliveries(use_case) if d.source == base and d.state == lake_side.TAKEN}
    counted: dict[tuple[str, int], int] = {}
    for row in rows:
        place = (row["_source_file"], row["_batch"])
        counted[place] = counted.get(place, 0) + 1
    for place, count in sorted(counted.items()):
        if place in known:
            draft.link(lake_side.add_file(draft, known[place], {f"rows of {thing}": count}), f"{silver}@{used.version}")
        else:
            draft.gap(f"the ledger of deliveries has no {place[0]} in batch {place[1]}, of which {thing} has rows")
    return item


class ClustersWith(NamedTuple):
    """A version of gold/clusters whose things' rows have values from a file, and the base's silver it was made of."""

    clusters: Commit
    silver_version: int


def clusters_with(use_case: UseCase, delivery: DeliveryRecord) -> tuple[tuple[ClustersWith, ...], tuple[str, ...]]:
    """The versions of gold/clusters with values from a delivery, the oldest first; and what is not known any more.

    A file of a joined source counts where rows met one of its own, and things are compared by what it brings; where
    other words of the contract made the clusters, whatever it brings.
    """
    base, contract = use_case.contract.feature_source, use_case.contract
    try:
        versions = table_versions(use_case, CLUSTERS)
    except NotFoundError:
        return (), ()
    found, gaps = [], []
    for commit in versions:
        note = commit.note.get(NOTE)
        if not note or not _may_bring_values(contract, delivery.source, note["contract"]):
            continue
        number = commit.note["silver"][base]
        try:
            if _rows_with(use_case, delivery, number, note["periods"]):
                found.append(ClustersWith(commit, number))
        except VersionVacuumedError as gone:
            gaps.append(f"whether {CLUSTERS}@{commit.version} has rows of it is not known any more: {gone}")
    return tuple(found), tuple(gaps)


def add_clusters_with(draft: LineageDraft, use_case: UseCase, delivery: DeliveryRecord, subject: str) -> None:
    """The versions of gold/clusters with values from a delivery, behind it; nothing where there are none."""
    base, source = f"silver/{use_case.contract.feature_source}", f"silver/{delivery.source}"
    found, gaps = clusters_with(use_case, delivery)
    for gap in gaps:
        draft.gap(gap)
    for one in found:
        silver_versions = table_versions(use_case, base)
        silver = lake_side.add_version(draft, use_case, base, find_version(silver_versions, base, one.silver_version))
        if source == base:
            draft.link(subject, silver)
        else:
            met = silver_of(silver_versions, one.silver_version)[delivery.source]
            joined = find_version(table_versions(use_case, source), source, met)
            item = lake_side.add_version(draft, use_case, source, joined)
            draft.link(subject, item)
            draft.link(item, silver)
        draft.link(silver, lake_side.add_version(draft, use_case, CLUSTERS, one.clusters))


def _may_bring_values(contract: Contract, source: str, made_by: str) -> bool:
    """Whether things are compared by what a source brings, as the contract's section of that hash says."""
    if source not in contract.joins:
        return source == contract.feature_source
    terms = contract.clusters
    if terms is None or terms.sha256 != made_by:
        return True
    read = {terms.of, *terms.compared, *(() if terms.pivot is None else (terms.pivot.by,))}
    for name in [name for name in read if name in contract.features]:
        read |= set(contract.features[name].derived_from or ())
    return not read.isdisjoint(contract.joined_features(source))


def _rows_with(use_case: UseCase, delivery: DeliveryRecord, number: int, periods: Sequence[str]) -> int:
    """How many rows of those periods have values from the delivery in the base's silver table of that version."""
    import pyarrow.dataset as ds

    contract, base = use_case.contract, f"silver/{use_case.contract.feature_source}"
    counted = _in(use_case, (periods[0], periods[1]))
    if delivery.source == contract.feature_source:
        wanted = (ds.field("_batch") == delivery.batch) & (ds.field("_source_file") == delivery.file)
    else:
        met = silver_of(table_versions(use_case, base), number).get(delivery.source)
        if met is None:
            return 0
        wanted = ds.field(contract.key.column).isin(keys_that_met(use_case, delivery, met, number))
    return int(rows_at(use_case, base, number, ["_batch"], wanted & counted).num_rows)


def _in(use_case: UseCase, periods: tuple[str, str]) -> "ds.Expression":
    import pyarrow.dataset as ds

    period = ds.field(use_case.contract.period_column)
    return (period >= periods[0]) & (period <= periods[1])
