"""Clusters as part of an answer: the files of one thing's rows, and the clusters that a file's rows are in."""

from typing import TYPE_CHECKING

from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.bronze.ledger import deliveries
from lakehouse.exceptions import VersionVacuumedError
from lakehouse.read.clusters import NOTE, cluster_of
from lakehouse.read.provenance import find_version, table_versions
from lakehouse.storage.layout import CLUSTERS
from lakehouse.storage.table_rows import rows_at
from lakeloop.exceptions import NotFoundError
from lakeloop.use_case import UseCase
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


def add_clusters_with(draft: LineageDraft, use_case: UseCase, delivery: DeliveryRecord, subject: str) -> None:
    """The versions of gold/clusters whose things' rows have values from a delivery, behind it; nothing where none has.

    Of a version of silver that was vacuumed nothing is said but that.
    """
    base = use_case.contract.feature_source
    try:
        versions, silver_versions = table_versions(use_case, CLUSTERS), table_versions(use_case, f"silver/{base}")
    except NotFoundError:
        return
    import pyarrow.dataset as ds

    of_file = (ds.field("_batch") == delivery.batch) & (ds.field("_source_file") == delivery.file)
    for commit in versions if delivery.source == base else ():
        if NOTE not in commit.note:
            continue
        number = commit.note["silver"][base]
        first, last = commit.note[NOTE]["periods"]
        try:
            rows = rows_at(use_case, f"silver/{base}", number, ["_batch"], of_file & _in(use_case, (first, last)))
        except VersionVacuumedError as gone:
            draft.gap(f"whether {CLUSTERS}@{commit.version} has rows of it is not known any more: {gone}")
            continue
        if rows.num_rows:
            used = find_version(silver_versions, f"silver/{base}", number)
            silver = lake_side.add_version(draft, use_case, f"silver/{base}", used)
            draft.link(subject, silver)
            draft.link(silver, lake_side.add_version(draft, use_case, CLUSTERS, commit))


def _in(use_case: UseCase, periods: tuple[str, str]) -> "ds.Expression":
    import pyarrow.dataset as ds

    period = ds.field(use_case.contract.period_column)
    return (period >= periods[0]) & (period <= periods[1])
