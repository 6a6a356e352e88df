"""The lake's part of an answer: delivered files, and the versions of tables that were made of them."""

from collections.abc import Iterable, Mapping

from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.bronze.ledger import deliveries
from lakehouse.exceptions import VersionVacuumedError
from lakehouse.read.provenance import (
    bronze_of,
    find_version,
    last_batch,
    made_from,
    row_count,
    silver_of,
    table_versions,
)
from lakehouse.storage.commits import Commit
from lakehouse.storage.layout import CLUSTERS, TRAINING_TABLE
from lakehouse.storage.table_rows import file_rows
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import has_lake_table
from lakeloop.use_case import UseCase
from operations.lineage.graph import LineageDraft, NodeKind

TAKEN = "taken"
SILVER_OF_STREAM = {"requests": "predictions"}


def add_gold(draft: LineageDraft, use_case: UseCase, table: str, version: int) -> str:
    """A version of a gold table with all it was made from; gives its id.

    Raises:
        NotFoundError: there is no such table or version.
    """
    versions = table_versions(use_case, table)
    made = add_version(draft, use_case, table, find_version(versions, table, version))
    silver = silver_of(versions, version)
    if not silver:
        why = "it is no join of them, or an older release wrote it"
        draft.gap(f"{made} does not say which versions of silver it was made from: {why}")
    for source, silver_version in silver.items():
        draft.link(add_silver(draft, use_case, f"silver/{source}", silver_version), made)
    return made


def add_gold_if_known(draft: LineageDraft, use_case: UseCase, table: str, version: int) -> str:
    """`add_gold`, or the version by its name alone with a gap where the lake does not know it any more."""
    try:
        return add_gold(draft, use_case, table, version)
    except NotFoundError as missing:
        draft.gap(f"where the rows came from is not known any more: {missing}")
        return draft.add("gold", f"{table}@{version}")


def add_silver(draft: LineageDraft, use_case: UseCase, table: str, version: int) -> str:
    """A version of a silver table with the files its rows have their values from; gives its id.

    Raises:
        NotFoundError: there is no such table or version.
    """
    versions = table_versions(use_case, table)
    made = add_version(draft, use_case, table, find_version(versions, table, version))
    contract, source = use_case.contract, table.partition("/")[2]
    source = contract.label.source if contract.ahead and source == contract.truth_table else source
    known = {(d.file, d.batch): d for d in deliveries(use_case) if d.source == source and d.state == TAKEN}
    noted: Mapping[str, int | None] = bronze_of(versions, version)
    bronze = _add_bronze_of(draft, use_case, noted or ({source: None} if known else {}))
    for item in bronze:
        draft.link(item, made)
    for joined, joined_version in silver_of(versions, version).items():
        draft.link(add_silver(draft, use_case, f"silver/{joined}", joined_version), made)
    if not known:  # requests come as a stream: their log's files are no deliveries
        return made
    for (file, batch), count in _rows_by_file(draft, use_case, table, version, known).items():
        delivery = known.get((file, batch))
        if delivery is None:
            draft.gap(f"the ledger of deliveries has no {file} in batch {batch}, of which {made} has {count:,} rows")
        else:
            draft.link(add_file(draft, delivery, {"rows in " + made: count or None}), bronze[0])
    return made


def add_bronze(draft: LineageDraft, use_case: UseCase, table: str, version: int) -> str:
    """A version of a bronze table with the files in it; gives its id.

    Raises:
        NotFoundError: there is no such table or version.
    """
    made = add_version(draft, use_case, table, find_version(table_versions(use_case, table), table, version))
    source = table.partition("/")[2]
    newest = last_batch(use_case, table, version) or 0
    for delivery in deliveries(use_case):
        if delivery.source == source and delivery.state == TAKEN and delivery.batch <= newest:
            draft.link(add_file(draft, delivery), made)
    return made


def add_file(draft: LineageDraft, delivery: DeliveryRecord, facts: dict[str, object] | None = None) -> str:
    """A delivered file with its checksum and times; gives its id."""
    own = {
        "source": delivery.source,
        "sha256": delivery.sha256,
        "bytes": delivery.bytes,
        "rows": delivery.rows,
        "written": _time(delivery.modified_at),
        "taken in": _time(delivery.ingested_at),
        "batch": str(delivery.batch),
        "state": delivery.state,
        "reason": delivery.reason,
    }
    item_id = f"{delivery.source}/{delivery.file} batch {delivery.batch}"
    return draft.add("file", item_id, f"{delivery.source}/{delivery.file}", {**own, **(facts or {})})


def add_what_came_of(draft: LineageDraft, use_case: UseCase, table: str, version: int) -> list[int]:
    """What was made from a bronze or silver table at a version, or first after it; gives gold/training's versions."""
    layer, _, name = table.partition("/")
    if name in use_case.contract.joins and layer == "silver":
        base = f"silver/{use_case.contract.feature_source}"
        met = _add_made(draft, use_case, table, version, base)
        return list(dict.fromkeys(n for one in met for n in add_what_came_of(draft, use_case, base, one)))
    if layer == "silver":
        if name == use_case.contract.feature_source and has_lake_table(use_case, CLUSTERS):
            _add_made(draft, use_case, table, version, CLUSTERS)
        return _add_made(draft, use_case, table, version, TRAINING_TABLE)
    later = f"silver/{SILVER_OF_STREAM.get(name, name)}"
    silver = _add_made(draft, use_case, table, version, later)
    made = {number: None for one in silver for number in add_what_came_of(draft, use_case, later, one)}
    return list(made)


def _add_made(draft: LineageDraft, use_case: UseCase, table: str, version: int, later: str) -> list[int]:
    """The versions of a later table that were made from this one at `version` or at the first one used after it."""
    try:
        versions = table_versions(use_case, later)
    except NotFoundError:
        draft.gap(f"there is no {later} yet")
        return []
    layer, _, name = table.partition("/")
    made = made_from(versions, layer, name, version)
    for number in made:
        used = find_version(versions, later, number)
        draft.link(f"{table}@{version}", add_version(draft, use_case, later, used))
    if not made:
        draft.gap(f"no version of {later} was made from {table}@{version} or a later version, as far as commits say")
    return made


def _rows_by_file(
    draft: LineageDraft, use_case: UseCase, table: str, version: int, known: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], int]:
    try:
        return dict(file_rows(use_case, table, version))
    except VersionVacuumedError as gone:
        newest = last_batch(use_case, table, version) or 0
        draft.gap(f"{gone}; what is shown are all files delivered until then, by the ledger")
        return {(file, batch): 0 for file, batch in known if batch <= newest}


def _add_bronze_of(draft: LineageDraft, use_case: UseCase, made_from: Mapping[str, int | None]) -> list[str]:
    """The bronze tables silver was made from; without a version where an older release did not note it."""
    items = []
    for source, version in made_from.items():
        table = f"bronze/{source}"
        if version is None:
            items.append(draft.add("bronze", table, facts={"version": "not noted by the release that wrote it"}))
        else:
            items.append(
                add_version(draft, use_case, table, find_version(table_versions(use_case, table), table, version))
            )
    return items


def add_version(draft: LineageDraft, use_case: UseCase, table: str, found: Commit) -> str:
    """One version of a table by itself; gives its id."""
    layer = table.partition("/")[0]
    facts = {
        "rows": row_count(use_case, table, found.version),
        "written": _time(found.at),
        "operation": found.operation,
    }
    kind: NodeKind = "bronze" if layer == "bronze" else "silver" if layer == "silver" else "gold"
    return draft.add(kind, f"{table}@{found.version}", facts=facts)


def _time(at: object) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
