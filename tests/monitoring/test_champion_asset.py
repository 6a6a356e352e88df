"""Airflow is told which version serves: each other one once, whoever decided that, and however long Airflow is away."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lakeloop.model_folders import SAVED_MODEL, models_folder
from lakeloop.releases import challenge, decide
from lakeloop.settings import Settings
from monitoring.airflow_client import AirflowClient
from monitoring.champion_asset import ChampionTeller
from tests.played_airflow import AirflowHandler, PlayedAirflow

CASE, OTHER = "bikes", "taxi"


class Airflow(PlayedAirflow):
    """What Airflow's API says of assets: their names by number, and the versions it was told, the oldest first."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.assets = {1: f"{CASE}/champion", 2: f"my_{CASE}/champion"}
        self.told: list[tuple[int, str]] = []
        self.asked = 0


class _Handler(AirflowHandler):
    server: Airflow

    def do_GET(self) -> None:
        self.server.asked += 1
        address = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        if address.path == "/api/v2/assets":
            found = [{"id": n, "name": name} for n, name in self.server.assets.items() if asked["name_pattern"] in name]
            return self.answer(200, {"assets": found})
        assert asked["order_by"] == "-timestamp"
        events = [{"extra": {"version": v}} for n, v in reversed(self.server.told) if n == int(asked["asset_id"])]
        return self.answer(200, {"asset_events": events[: int(asked["limit"])], "total_entries": len(events)})

    def posted(self, body: dict[str, Any]) -> None:
        self.server.told.append((body["asset_id"], body["extra"]["version"]))
        self.answer(200, {})


@pytest.fixture
def airflow() -> Iterator[Airflow]:
    with Airflow() as server:
        yield server


@pytest.fixture
def settings(airflow: Airflow, tmp_path: Path) -> Settings:
    return airflow.settings(home=tmp_path)


def push(settings: Settings, version: str, name: str = CASE) -> None:
    folder = models_folder(settings, name) / version
    folder.mkdir(parents=True)
    (folder / SAVED_MODEL).touch()


def teller(settings: Settings, *names: str) -> ChampionTeller:
    return ChampionTeller(settings, AirflowClient(settings), lambda: names or (CASE,))


def test_whatever_has_another_version_serve_is_told_once(airflow: Airflow, settings: Settings) -> None:
    champions = teller(settings)
    assert champions.deliver() == 0 and airflow.asked == 0, "nothing was pushed yet"
    push(settings, "1")
    assert (champions.deliver(), champions.deliver()) == (1, 0)
    push(settings, "2")
    assert champions.deliver() == 1
    decide(settings, CASE, "rollback", "", "ann", "it is slow")
    assert champions.deliver() == 1
    decide(settings, CASE, "pin", "2", "ann", "it is better")
    assert champions.deliver() == 1
    push(settings, "3")
    decide(settings, CASE, "unpin", "", "ann", "it is over")
    asked = airflow.asked
    assert champions.deliver() == 0 and airflow.asked == asked, (
        "a version that does not serve, and what changes nothing"
    )
    decide(settings, CASE, "promote", "3", "ann", "it is newer")
    assert champions.deliver() == 1
    assert airflow.told == [(1, version) for version in "12123"]


def test_a_challenger_that_is_pushed_wakes_nobody_until_it_serves(airflow: Airflow, settings: Settings) -> None:
    champions = teller(settings)
    push(settings, "1")
    champions.deliver()
    assert challenge(settings, CASE, "2", "by the contract") == ""
    push(settings, "2")
    assert champions.deliver() == 0
    decide(settings, CASE, "promote", "2", "ann", "it agrees")
    assert champions.deliver() == 1 and airflow.told == [(1, "1"), (1, "2")]


def test_one_that_starts_anew_tells_what_airflow_does_not_know(airflow: Airflow, settings: Settings) -> None:
    push(settings, "1")
    assert teller(settings).deliver() == 1
    assert teller(settings).deliver() == 0
    push(settings, "2")
    assert teller(settings).deliver() == 1 and airflow.told == [(1, "1"), (1, "2")]


def test_what_airflow_does_not_take_is_said_and_told_later_and_delays_no_other(
    airflow: Airflow, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.champion_asset.FIRST_WAIT_SECONDS", 0.0)
    push(settings, "7", OTHER)
    push(settings, "1")
    champions = teller(settings, OTHER, CASE)
    assert champions.deliver() == 1 and f"knows no asset {OTHER}/champion" in champions.problem
    airflow.assets[3] = f"{OTHER}/champion"
    assert champions.deliver() == 1 and champions.problem == ""
    assert airflow.told == [(1, "1"), (3, "7")]
