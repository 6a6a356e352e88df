"""bronze/requests -> silver/predictions: typed, validated, one row a request id, the first one wins; or a reject.

Idempotent by request id: a batch that is taken again after a crash changes nothing.
"""

import logging
from pathlib import Path

import numpy as np
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as sf

from lakehouse.lake import Lake
from lakehouse.requests.lines import check_names, prediction_columns, reject_rows, validated_records
from lakehouse.requests.request_ids import SeenIds
from lakehouse.silver.refine import SilverReport
from lakehouse.silver.rejects import write_rejects
from lakehouse.storage.commits import commit_note
from lakehouse.storage.layout import PREDICTIONS_TABLE, REQUESTS, read_json, table_exists, write_json
from lakehouse.storage.merge import append, merge
from lakehouse.storage.schema import constraints, create_table
from lakehouse.storage.table_log import version_of
from lakeloop.derived_features import derivation_of
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)
ROWS_A_FILE = 500_000


def refine_predictions(lake: Lake) -> SilverReport:
    """Bring everything new in bronze/requests into silver; `repeated`: records whose request id was there already."""
    report = SilverReport()
    bronze = lake.table(f"bronze/{REQUESTS}")
    if not table_exists(bronze):
        return report
    progress = progress_path(lake)
    done = read_json(progress) or {"batch": 0, "version": None}
    version = version_of(bronze)
    if done["version"] == version and table_exists(lake.table(PREDICTIONS_TABLE)):
        return report
    create_predictions(lake)
    rows = lake.frame(f"bronze/{REQUESTS}", version).where(sf.col("_batch") > done["batch"])
    validated = validated_records(rows, lake.contract, derivation_of(lake)).persist()
    try:
        with commit_note(lake.spark, {"bronze": {REQUESTS: version}}):
            last = _write(lake, validated, report)
    finally:
        validated.unpersist()
    write_json(progress, {"batch": max(last, done["batch"]), "version": version})
    log.info("event=refined source=%s inserted=%d repeated=%d rejected=%d", REQUESTS, report.inserted, report.repeated,
             report.rejected)  # fmt: skip
    return report


def progress_path(use_case: UseCase) -> Path:
    """The last batch of bronze/requests, and the table's version, that silver/predictions was made from."""
    return use_case.work_folder / REQUESTS / "silver.json"


def create_predictions(lake: Lake, replace: bool = False) -> None:
    """The table with the contract's types and limits; `replace` as for `create_table`."""
    contract = lake.contract
    check_names(contract)
    key, period = contract.key.column, contract.period_column
    checked = {**contract.features, period: contract.silver_columns(contract.feature_source)[period]}
    create_table(
        lake.spark,
        lake.table(PREDICTIONS_TABLE),
        prediction_columns(contract),
        comment=contract.requests.description if contract.requests else "Answered requests, each with its answer",
        checks=constraints(contract, checked),
        statistics=(key, period, "at", "_batch"),
        replace=replace,
    )


def forget(lake: Lake) -> None:
    """Empty silver/predictions, to be made anew from bronze by another contract."""
    progress_path(lake).unlink(missing_ok=True)
    seen_ids(lake).clear()
    if table_exists(lake.table(PREDICTIONS_TABLE)):
        create_predictions(lake, replace=True)


def seen_ids(use_case: UseCase) -> SeenIds:
    """The index of request ids that may be in silver/predictions."""
    return SeenIds(use_case.work_folder / REQUESTS / "seen_ids")


def _write(lake: Lake, validated: DataFrame, report: SilverReport) -> int:
    """Write a batch's good rows and rejects; its highest `_batch`, 0 if it has no rows."""
    found = validated.select("_good", sf.xxhash64("request_id").alias("hash"), "_batch").toArrow()
    if not found.num_rows:
        return 0
    good = found["_good"].to_numpy()
    hashes = found["hash"].to_numpy()[good]
    distinct = np.unique(hashes)
    index = _index_of(lake)
    repeats = bool(index.known(distinct).any())
    index.add(distinct)
    path = lake.table(PREDICTIONS_TABLE)
    rows = validated.where("_good").select(*lake.frame(PREDICTIONS_TABLE).columns)
    if len(distinct) < len(hashes):
        rows = first_by_request_id(rows)
    if len(hashes):
        if repeats:
            inserted = merge(path, rows, ["request_id"]).inserted
        else:  # request ids that are new for certain: no look into the table is needed
            inserted = append(path, rows.coalesce(len(distinct) // ROWS_A_FILE + 1)).inserted
        report.inserted += inserted
        report.repeated += len(hashes) - inserted
    index.note_version(version_of(path) or 0)
    batches = found["_batch"].to_numpy()
    if not good.all():
        rows = reject_rows(validated, lake.contract, REQUESTS)
        report.add(write_rejects(rows, lake, REQUESTS, (int(batches.min()), int(batches.max()))))
    return int(batches.max())


def _index_of(lake: Lake) -> SeenIds:
    """The index, made anew from the table if anybody else wrote that."""
    index = seen_ids(lake)
    if index.table_version != version_of(lake.table(PREDICTIONS_TABLE)):
        index.clear()
        ids = lake.frame(PREDICTIONS_TABLE).select(sf.xxhash64("request_id").alias("hash")).toArrow()
        index.add(ids["hash"].to_numpy())
    return index


def first_by_request_id(rows: DataFrame) -> DataFrame:
    """One row a request id: the one answered first."""
    first = Window.partitionBy("request_id").orderBy("answered_at", "_batch", "_source_file", "_line")
    return rows.withColumn("_first", sf.row_number().over(first)).where("_first = 1").drop("_first")
