"""When the contract's row shape changes, silver and gold are made anew from bronze, which keeps what was delivered."""

import logging
from collections.abc import Callable

from delta.tables import DeltaTable

from lakehouse.bronze.made_keys import make_keys_anew
from lakehouse.bronze.made_times import make_times_anew
from lakehouse.gold import build as gold
from lakehouse.gold import training
from lakehouse.lake import Lake
from lakehouse.requests import predictions
from lakehouse.silver import refine as silver
from lakehouse.silver.joins import create_waiting
from lakehouse.silver.mendings import forget_mendings
from lakehouse.storage.layout import (
    REJECTS,
    TRAINING_TABLE,
    WAITING,
    checkpoint_path,
    delete_folder,
    read_json,
    table_exists,
    write_json,
)
from lakeloop.contract.contract import AHEAD
from lakeloop.contract.features import FEATURES_FILE
from lakeloop.derived_features import rows_shape_sha256

log = logging.getLogger(__name__)
MADE_ANEW = "silver and gold are made anew from bronze; their earlier versions stay readable"
NOTICE = f"the contract's columns or limits changed: {MADE_ANEW}"
DERIVED_NOTICE = f"the contract's columns or limits, or {FEATURES_FILE}, changed: {MADE_ANEW}"


def follow_contract(lake: Lake, progress: Callable[[str], None]) -> None:
    """Empty silver and gold and forget how far they had read, if the contract, or the code that derives features, is
    not the one they were made by.

    The shape they were made by is written last, so an interrupted change begins again.
    """
    contract = lake.contract
    made_by = lake.work_folder / "contract.json"
    known, now = read_json(made_by), rows_shape_sha256(lake)
    if known == now:
        return
    if known is not None:
        progress(DERIVED_NOTICE if contract.derived_features else NOTICE)
        gold.progress_path(lake).unlink(missing_ok=True)
        for source in contract.sources:
            make_keys_anew(lake, source)
            make_times_anew(lake, source)
            _forget(lake, source)
        if contract.ahead and table_exists(lake.table(f"silver/{AHEAD}")):
            silver.create_silver(lake, AHEAD, replace=True)
        if table_exists(lake.table(f"silver/{WAITING}")):
            create_waiting(lake, replace=True)
        predictions.forget(lake)
        if table_exists(lake.table(TRAINING_TABLE)):
            training.create_training(lake, replace=True)
        rejects = lake.table(f"silver/{REJECTS}")
        if table_exists(rejects):
            DeltaTable.forPath(lake.spark, rejects).delete()
        forget_mendings(lake)
        log.info("event=contract_changed use_case=%s from=%s to=%s", lake.name, known, now)
    write_json(made_by, now)


def _forget(lake: Lake, source: str) -> None:
    silver.progress_path(lake, source).unlink(missing_ok=True)
    delete_folder(lake.spark, checkpoint_path(lake, source))
    if table_exists(lake.table(f"silver/{source}")):
        silver.create_silver(lake, source, replace=True)
