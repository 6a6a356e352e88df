"""A real `lakeloop lake stream`, killed with SIGKILL at one stage after the other; and a changed contract."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.contract_change import NOTICE
from lakehouse.requests.stream import stream
from lakeloop.request_log_files import request_log_folder
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.simulation import simulate, without_gateway
from tests.lakehouse import killing
from tests.lakehouse.request_log import log_file, record
from tests.lakes import own_lake

pytestmark = pytest.mark.long


def test_a_stream_killed_at_every_stage_in_turn_loses_and_doubles_nothing(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, use_case="insurance")
    contract = open_use_case(settings).contract
    lake, log = tmp_path / "lake", request_log_folder(open_use_case(settings))
    checkpoint = lake / "_checkpoints/insurance/requests"

    def new_month(month: int) -> None:
        simulate(UseCase(settings, contract), [month], without_gateway(UseCase(settings, contract), "a"), label="a")
        # and all of the months before once more, as a gateway would that had forgotten them
        repeated = b"".join(path.read_bytes() for path in sorted(log.glob("simulation_a-*.jsonl")))
        (log / f"again-{month}.jsonl").write_bytes(repeated)

    def committed(table: str) -> Callable[[], bool]:
        folder = lake / table.replace("/", "/insurance/") / "_delta_log"

        def with_rows() -> int:
            return sum('"add":' in path.read_text() for path in folder.glob("*.json"))

        before = with_rows()
        return lambda: with_rows() > before

    def noted(folder: str) -> Callable[[], bool]:
        before = len(list((checkpoint / folder).glob("[0-9]*")))
        return lambda: len(list((checkpoint / folder).glob("[0-9]*"))) > before

    stages: dict[str, Callable[[], Callable[[], bool]]] = {
        "rows in bronze, the stream's progress not yet noted": lambda: committed("bronze/requests"),
        "a batch planned, nothing of it written": lambda: noted("offsets"),
        "a batch in bronze, silver not yet": lambda: noted("commits"),
        "rows in silver, its progress not yet noted": lambda: committed("silver/predictions"),
    }
    for month, stage in enumerate(stages.values(), start=1):
        new_month(month)
        killing.kill_when(stage(), tmp_path, "lake", "stream")
    assert killing.start(tmp_path, "lake", "stream").wait() == 0, (tmp_path / "killed.log").read_text()

    silver = DeltaTable(lake / "silver/insurance/predictions").to_pandas()
    assert (len(silver), silver["request_id"].nunique()) == (6000, 6000)
    assert silver.groupby("month").size().to_dict() == {f"2023-0{m}": 1500 for m in (2, 3, 4, 5)}
    bronze = DeltaTable(lake / "bronze/insurance/requests").to_pandas()
    assert bronze.groupby("_source_file").size().to_dict() == {
        **{f"simulation_a-{m:08d}.jsonl": 1500 for m in (1, 2, 3, 4)},
        **{f"again-{m}.jsonl": 1500 * m for m in (1, 2, 3, 4)},
    }
    assert not bronze.duplicated(["_source_file", "_line"]).any()


def test_a_changed_contract_makes_predictions_anew_from_bronze(spark: SparkSession, tmp_path: Path) -> None:
    lake = own_lake(spark, tmp_path)
    log_file(lake, "w-1", [record("a"), record("b", features={"age": 151.0})])
    stream(lake)
    assert lake.rows("silver/predictions")["request_id"].tolist() == ["a"]
    age = lake.contract.features["age"].model_copy(update={"valid": (0.0, 200.0)})
    wider = lake.contract.model_copy(update={"features": {**lake.contract.features, "age": age}})
    lake = replace(lake, contract=wider)
    lake.ingest()
    assert lake.lines[0] == NOTICE
    assert sorted(lake.rows("silver/predictions")["request_id"]) == ["a", "b"]
    assert lake.rows("silver/rejects").empty
    log_file(lake, "w-2", [record("a"), record("c")])
    report = stream(lake)
    assert (report.inserted, report.repeated) == (1, 1)
