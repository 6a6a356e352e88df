"""A real `lakeloop lake ingest`, killed with SIGKILL at one stage after the other."""

from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable

from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.delivery import generate
from tests.lakehouse.killing import kill_when, start

pytestmark = pytest.mark.long


def test_an_ingest_killed_at_every_stage_in_turn_loses_and_doubles_nothing(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, use_case="insurance")
    contract = open_use_case(settings).contract
    generate(UseCase(settings, contract), [0, 1])
    lake = tmp_path / "lake"
    late = (
        open_use_case(settings).folder("landing") / "claims"
    )  # sources are taken side by side: the second one has its own turn
    late.rename(tmp_path / "claims")

    def committed(table: str, version: int) -> Callable[[], bool]:
        layer, name = table.split("/")
        return (lake / layer / "insurance" / name / "_delta_log" / f"{version:020d}.json").is_file

    stages = {
        "files staged": (lake / "_work/insurance/policies/staging").is_dir,
        "rows in bronze, not yet in the ledger": committed("bronze/policies", 1),
        "rows in silver, the stream's progress not yet noted": committed("silver/policies", 1),
        "the second source in bronze": committed("bronze/claims", 1),
        "gold joined, its progress not yet noted": committed("gold/training", 1),
    }
    for name, reached in stages.items():
        if name == "the second source in bronze":
            (tmp_path / "claims").rename(late)
        assert not reached(), f"{name}: reached by an earlier start"
        kill_when(reached, tmp_path, "lake", "ingest")
    assert start(tmp_path, "lake", "ingest").wait() == 0, (tmp_path / "killed.log").read_text()

    rows = {table: DeltaTable(lake / table.replace("/", "/insurance/")).to_pandas() for table in (
        "bronze/policies", "bronze/claims", "bronze/deliveries", "silver/policies", "silver/claims", "gold/training"
    )}  # fmt: skip
    for table, count in {
        "bronze/policies": 3000, "bronze/claims": 1500, "silver/policies": 3000, "silver/claims": 1500,
        "gold/training": 1500,
    }.items():  # fmt: skip
        assert (len(rows[table]), rows[table]["policy_id"].nunique()) == (count, count), table
    assert sorted(rows["bronze/deliveries"]["file"]) == [
        "claims-2023-01.csv", "policies-2023-01.csv", "policies-2023-02.csv"
    ]  # fmt: skip
    assert rows["gold/training"]["group_name"].value_counts().to_dict() == {"high": 580, "medium": 488, "low": 432}
    assert not (lake / "_work/insurance/policies/staging").exists()
