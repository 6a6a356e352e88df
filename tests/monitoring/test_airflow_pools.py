"""The pools of use cases: made where they are missing, however long Airflow is away, and left as somebody set them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakeloop.airflow_api import AirflowApi
from lakeloop.settings import Settings
from monitoring.airflow_pools import SLOTS, PoolKeeper
from tests.played_airflow import AirflowHandler, PlayedAirflow


class Airflow(PlayedAirflow):
    """What Airflow's API says of pools; `away`: it answers with an error."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.pools: dict[str, dict[str, Any]] = {"default_pool": {"name": "default_pool", "slots": 128}}
        self.looks, self.away = 0, False


class _Handler(AirflowHandler):
    server: Airflow

    def do_GET(self) -> None:
        self.server.looks += 1
        pools = list(self.server.pools.values())
        self.answer(*(503, {}) if self.server.away else (200, {"pools": pools, "total_entries": len(pools)}))

    def posted(self, body: dict[str, Any]) -> None:
        known = body["name"] in self.server.pools
        self.server.pools.setdefault(body["name"], body)
        self.answer(*(409, {"detail": "there is one"}) if known else (201, body))


@pytest.fixture
def airflow() -> Iterator[Airflow]:
    with Airflow() as server:
        yield server


@pytest.fixture
def settings(airflow: Airflow, tmp_path: Path) -> Settings:
    for name in ("bikes", "taxi"):
        add_use_case(tmp_path, name)
    return airflow.settings(use_cases=tmp_path)


def add_use_case(folder: Path, name: str) -> None:
    (folder / name).mkdir()
    (folder / name / "contract.yaml").touch()


def test_each_use_case_gets_a_pool_and_what_somebody_set_is_kept(airflow: Airflow, settings: Settings) -> None:
    airflow.pools["taxi"] = {"name": "taxi", "slots": 1}
    keeper = PoolKeeper(settings, AirflowApi(settings))
    assert keeper.deliver() == 1
    assert {name: pool["slots"] for name, pool in airflow.pools.items()} == {
        "default_pool": 128, "bikes": SLOTS, "taxi": 1,
    }  # fmt: skip
    looks = airflow.looks
    assert keeper.deliver() == 0 and airflow.looks == looks, "Airflow is asked where there is something new"
    add_use_case(settings.use_cases, "new")
    assert keeper.deliver() == 1 and airflow.pools["new"]["slots"] == SLOTS


def test_while_airflow_is_away_it_says_so_and_goes_on(
    airflow: Airflow, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.airflow_pools.FIRST_WAIT_SECONDS", 0.0)
    airflow.away = True
    keeper = PoolKeeper(settings, AirflowApi(settings))
    assert keeper.deliver() == 0 and "503" in keeper.problem
    airflow.away = False
    assert keeper.deliver() == 2 and keeper.problem == ""


def test_a_pool_that_was_deleted_is_made_again(
    airflow: Airflow, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.airflow_pools.AGAIN_SECONDS", 0.0)
    keeper = PoolKeeper(settings, AirflowApi(settings))
    assert keeper.deliver() == 2
    del airflow.pools["bikes"]
    assert keeper.deliver() == 1 and "bikes" in airflow.pools
