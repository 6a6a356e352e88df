"""When the contract's row shape changes, silver and gold are made anew from bronze, which keeps what was delivered."""

import logging
from collections.abc import Callable

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.gold import build as gold
from lakehouse.gold import training
from lakehouse.requests import predictions
from lakehouse.silver import refine as silver
from lakehouse.storage.layout import (
    REJECTS,
    TRAINING,
    checkpoint_path,
    delete_folder,
    read_json,
    table_exists,
    table_path,
    work_folder,
    write_json,
)
from lakeloop.contract import Contract
from lakeloop.settings import Settings

log = logging.getLogger(__name__)
NOTICE = (
    "the contract's columns or limits changed: silver and gold are made anew from bronze; "
    "their earlier versions stay readable"
)


def follow_contract(
    spark: SparkSession, contract: Contract, settings: Settings, progress: Callable[[str], None]
) -> None:
    """Empty silver and gold and forget how far they had read, if the contract is not the one they were made by.

    The shape they were made by is written last, so an interrupted change begins again.
    """
    made_by = work_folder(settings) / "contract.json"
    known, now = read_json(made_by), contract.schema_sha256
    if known == now:
        return
    if known is not None:
        progress(NOTICE)
        gold.progress_path(settings).unlink(missing_ok=True)
        for source in contract.sources:
            _forget(spark, contract, settings, source)
        predictions.forget(spark, contract, settings)
        if table_exists(table_path(settings, "gold", TRAINING)):
            training.create_training(spark, contract, settings, replace=True)
        rejects = table_path(settings, "silver", REJECTS)
        if table_exists(rejects):
            DeltaTable.forPath(spark, rejects).delete()
        log.info("event=contract_changed use_case=%s from=%s to=%s", settings.use_case, known, now)
    write_json(made_by, now)


def _forget(spark: SparkSession, contract: Contract, settings: Settings, source: str) -> None:
    silver.progress_path(settings, source).unlink(missing_ok=True)
    delete_folder(spark, checkpoint_path(settings, source))
    if table_exists(table_path(settings, "silver", source)):
        silver.create_silver(spark, contract, settings, source, replace=True)
