"""The DAGs as Airflow reads them: which there are, how they hang together, and what they must not drag in."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from lakeloop.dag_ids import DAGS
from tests.dags.conftest import InAirflow
from tests.operations.fetching.conftest import write_use_case
from tests.use_case_copies import USE_CASES


@pytest.fixture(scope="module")
def use_cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Use cases that have nothing in common, one whose contract is broken, and a copy that still has its old name."""
    folder = tmp_path_factory.mktemp("use_cases")
    for name, where in USE_CASES.items():
        shutil.copytree(where / name, folder / name)
    with (folder / "insurance" / "contract.yaml").open("a") as contract:
        contract.write("scoring: {after: gold, table: gold/training}\n")
    with (folder / "stays" / "contract.yaml").open("a") as contract:
        contract.write("scoring: {after: model}\n")
    write_use_case(folder, "fetched")
    with (write_use_case(folder, "in_time") / "contract.yaml").open("a") as contract:
        contract.write("clock: wall\n")
    shutil.copytree(folder / "insurance", folder / "copied")
    (folder / "half done").mkdir()
    (folder / "half done" / "contract.yaml").write_text("use_case: half done\nfeetures: {}\n")
    return folder


@pytest.fixture(scope="module")
def found(in_airflow_once: InAirflow, use_cases: Path) -> dict[str, Any]:
    return in_airflow_once("read_dags", LAKELOOP_USE_CASES=str(use_cases))


def test_each_contract_has_its_dags_and_a_broken_one_takes_none_away(found: dict[str, Any]) -> None:
    assert found["errors"] == {}
    expected = {f"{case}_{what}" for case in ("insurance", "churn") for what in DAGS}
    assert expected | {"lakeloop_maintenance", "half_done_contract_is_broken"} <= set(found["dags"])
    assert not any(name.startswith("half_done") for name in set(found["dags"]) - {"half_done_contract_is_broken"})
    assert "call both the same" in found["dags"]["copied_contract_is_broken"]["doc"]
    page = found["dags"]["half_done_contract_is_broken"]["doc"]
    assert "feetures" in page and "did you mean `features`?" in page and "half done/contract.yaml" in page


def test_what_is_not_compiled_yet_compiles_itself_once(found: dict[str, Any]) -> None:
    dag = found["dags"]["insurance_retrain"]
    assert list(dag["tasks"]) == ["compile_the_pipeline"] and dag["schedule"] == "@once"


def test_every_task_is_of_its_use_cases_pool(found: dict[str, Any]) -> None:
    pools = {dag: {task["pool"] for task in content["tasks"].values()} for dag, content in found["dags"].items()}
    wanted = {f"{case}_{what}": {case} for case in ("insurance", "churn") for what in DAGS}
    assert {dag: pools[dag] for dag in wanted} == wanted
    housekeeping = found["dags"]["lakeloop_maintenance"]["tasks"]
    assert {"insurance", "churn"} < pools["lakeloop_maintenance"]
    assert all(task["pool"] == name.split(".")[0] for name, task in housekeeping.items())


def test_a_narrowed_platform_has_the_dags_of_what_it_serves(in_airflow_once: InAirflow, use_cases: Path) -> None:
    narrowed = {"LAKELOOP_USE_CASES": str(use_cases), "LAKELOOP_SERVED_USE_CASES": "churn"}
    dags = set(in_airflow_once("read_dags", **narrowed)["dags"])
    assert dags == {*(f"churn_{what}" for what in DAGS), "lakeloop_maintenance"}


def test_reading_them_imports_no_machine_learning_and_one_file(found: dict[str, Any]) -> None:
    assert found["heavy"] == []
    assert [Path(file).name for file in found["files"]] == ["use_cases.py"]
    print(f"\n{len(found['dags'])} DAGs read in {found['seconds']:.2f} s")


def test_the_layers_of_an_ingest_follow_each_other(found: dict[str, Any]) -> None:
    after = {name: task["after"] for name, task in found["dags"]["insurance_ingest"]["tasks"].items()}
    assert after == {
        "bronze": [], "silver": ["bronze"], "gold": ["silver"], "ground_truth": ["gold"], "refused_files": ["bronze"],
    }  # fmt: skip


def test_each_source_from_elsewhere_is_fetched_by_a_dag_of_its_own(found: dict[str, Any]) -> None:
    fetches = {name: dag for name, dag in found["dags"].items() if name.startswith("in_time_fetch_")}
    assert {name: dag["schedule"] for name, dag in fetches.items()} == {
        "in_time_fetch_rides": "1:00:00", "in_time_fetch_weather": "1:00:00", "in_time_fetch_prices": "1 day, 0:00:00",
    }  # fmt: skip
    assert "Every 1 hour" in fetches["in_time_fetch_weather"]["doc"]
    assert "`weather.py`" in fetches["in_time_fetch_weather"]["doc"]
    assert "/nowhere/prices" in fetches["in_time_fetch_prices"]["doc"]


def test_by_a_simulated_clock_periods_are_fetched_by_whoever_moves_it(found: dict[str, Any]) -> None:
    fetches = {name: dag for name, dag in found["dags"].items() if name.startswith("fetched_fetch_")}
    assert {name: dag["schedule"] for name, dag in fetches.items()} == {
        "fetched_fetch_rides": "None", "fetched_fetch_weather": "None", "fetched_fetch_prices": "1 day, 0:00:00",
    }  # fmt: skip
    assert "By hand" in fetches["fetched_fetch_rides"]["doc"]


def test_a_table_is_scored_by_itself_where_the_contract_asks_for_it(found: dict[str, Any]) -> None:
    assert sorted(name for name in found["dags"] if name.endswith("_score")) == ["insurance_score", "stays_score"]
    dag = found["dags"]["insurance_score"]
    assert dag["tasks"]["score"]["retries"] == 2, "a scoring that was killed is gone on with"
    assert dag["tasks"]["scores"]["after"] == ["score"] and "insurance/gold" in dag["schedule"]
    assert "After every ingest" in dag["doc"] and "`gold/training`" in dag["doc"]
    after_model = found["dags"]["stays_score"]
    assert "stays/champion" in after_model["schedule"] and "stays/model" not in after_model["schedule"]
    assert "When another version serves" in after_model["doc"]


def test_a_model_is_watched_when_it_is_available_and_tables_are_vacuumed_when_optimized(found: dict[str, Any]) -> None:
    deploy = found["dags"]["insurance_deploy"]["tasks"]
    assert deploy["watch"]["after"] == ["available"]
    tasks = found["dags"]["lakeloop_maintenance"]["tasks"]
    assert tasks["insurance.vacuum"]["after"] == ["insurance.optimize"] and "churn.vacuum" in tasks


def test_runs_do_not_overlap_and_past_time_is_not_made_up_for(found: dict[str, Any]) -> None:
    for name, dag in found["dags"].items():
        assert not dag["catchup"], name
        assert dag["most_runs"] == 1 or name.endswith("_is_broken"), name
    assert found["dags"]["insurance_stream"]["schedule"] == "* * * * *"


def test_every_dag_and_every_task_says_what_it_is_for(found: dict[str, Any]) -> None:
    for name, dag in found["dags"].items():
        assert len(dag["doc"]) > 200, name
        for task, content in dag["tasks"].items():
            assert len(content["doc"]) > 40 or name.endswith("_is_broken"), f"{name}.{task}"
