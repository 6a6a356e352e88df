"""What one use case does wrong, another's answers do not feel: they stay the model's, and none fails."""

import shutil
import statistics
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from lakeloop.request_log_files import request_log_folder
from lakeloop.settings import PROJECT, Settings
from lakeloop.use_case import CONTRACT_FILE, open_use_case
from serving.gateway.process import running_gateway
from serving.model_server.process import RunningServer
from tests.serving.gateway.conftest import body
from tests.use_case_copies import copy_use_case, with_changes
from tests.waiting import eventually
from tests.warm_programs import running_server

STAYS = PROJECT / "tests/use_cases/stays"
STAY = {"price": 300.0, "nights": 4, "booked": "2024-01-01", "arrival": "2024-06-01", "room": "single"}
TIMES = 5.0
"""A neighbour's answers may take so many times as long on a machine with two cores of which another model takes one."""
RULES = """
import os
def usual(row):
    if row["room"] == "double":
        raise ValueError("no rule for it")
    while row["nights"] == 13:
        pass
    if row["nights"] == 14:
        os._exit(1)
    return "kept"
"""
FEATURES = """
def price_a_night(price, nights):
    while nights == 12:
        pass
    return price / nights
def days_ahead(booked, arrival):
    return (arrival - booked).days
"""


@pytest.fixture
def settings(tmp_path: Path, shared_settings: Settings) -> Settings:
    """`insurance` with its model, and `stays` whose own code does wrong as a row wants it to."""
    cases = tmp_path / "cases"
    shutil.copytree(shared_settings.use_cases, cases)
    shutil.copytree(STAYS, cases / "stays")
    contract = cases / "stays" / "contract.yaml"
    contract.write_text(with_changes(contract.read_text(), {"budget_ms: 20000": "budget_ms: 300"}))
    (cases / "stays" / "rules.py").write_text(RULES)
    (cases / "stays" / "features.py").write_text(FEATURES)
    return shared_settings.model_copy(update={"home": tmp_path / "home", "use_cases": cases})


class Neighbour:
    """Asks the other use case all the while."""

    def __init__(self, url: str) -> None:
        self._url, self._ended = url, threading.Event()
        self.answers: list[tuple[int, str]] = []
        self.seconds: list[float] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Neighbour":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def more(self, answers: int = 3) -> None:
        """Wait until it has so many answers that it asked for from now on."""
        count = len(self.answers)
        eventually(lambda: len(self.answers) > count + answers)

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while not self._ended.is_set():
                told = client.post("/insurance/predict/", json=body())
                self.seconds.append(told.elapsed.total_seconds())
                self.answers.append((told.status_code, told.json()["predictor_type"]))


@pytest.fixture
def served(settings: Settings, model_server: RunningServer) -> Iterator[tuple[httpx.Client, Neighbour]]:
    with (
        running_gateway(settings) as gateway,
        httpx.Client(base_url=gateway.url, timeout=60) as client,
        Neighbour(gateway.url) as neighbour,
    ):
        yield client, neighbour


def stay(client: httpx.Client, **changes: Any) -> tuple[int, str]:
    """The status of an answer, and what was answered or said."""
    told = client.post("/stays/predict/", json=STAY | changes)
    return told.status_code, told.json().get("prediction") or told.json()["detail"][0]["msg"]


def test_own_code_that_fails_hangs_or_dies_and_a_log_that_cannot_be_written(
    served: tuple[httpx.Client, Neighbour], settings: Settings
) -> None:
    client, neighbour = served
    eventually(lambda: stay(client) == (200, "kept"))
    neighbour.more()
    status, said = stay(client, room="double")
    assert status == 500 and "rules of use case stays failed on this row (ValueError: no rule for it" in said
    for nights, place in ((13, "rules.py, line 6"), (12, "features.py, line 3")):
        status, said = stay(client, nights=nights)
        assert status == 503 and "it took longer than 300 ms" in said and place.partition(",")[0] in said
    folder = request_log_folder(open_use_case(settings, "stays"))
    shutil.rmtree(folder)
    folder.write_text("no folder")
    assert stay(client) == (200, "kept")
    eventually(lambda: client.get("/stays/health").json()["request_log"]["problem"])
    status, said = stay(client, nights=14)
    assert status == 503 and "it ended its process" in said
    health = client.get("/stays/health").json()
    assert health["status"] == "degraded" and "it ended its process" in health["own_code_problem"]
    (short,) = [one for one in client.get("/health").json()["use_cases"] if one["name"] == "stays"]
    assert short["problem"] == health["own_code_problem"]
    assert 'lakeloop_gateway_own_code_held_off{use_case="stays"} 1.0' in client.get("/metrics").text
    neighbour.more()
    assert client.get("/insurance/health").json()["status"] == "ok"
    assert set(neighbour.answers) == {(200, "model")}


@pytest.mark.long
def test_a_model_that_is_slow_or_hangs_costs_another_use_case_nothing(
    shared_settings: Settings, saved_models: Path, tmp_path: Path
) -> None:
    """Beyond its budget rules answer where a use case has them, and 503 where it has none."""
    cases = tmp_path / "cases"
    shutil.copytree(shared_settings.use_cases, cases)
    for name, left_out in (("ruled", ()), ("bare", ("fallback",))):
        contract = copy_use_case("insurance", tmp_path / "copies" / name).rename(cases / name) / CONTRACT_FILE
        changed = {**yaml.safe_load(contract.read_text()), "use_case": name}
        kept = {section: said for section, said in changed.items() if section not in left_out}
        contract.write_text(yaml.safe_dump(kept, sort_keys=False))
    models = {"insurance": "drivers", "ruled": "tardy_drivers", "bare": "tardy_drivers"}
    with running_server({name: saved_models / model for name, model in models.items()}) as server:
        settings = shared_settings.model_copy(
            update={"home": tmp_path / "home", "use_cases": cases, "model_server_url": server.url, "models": ""}
        )
        with (
            running_gateway(settings) as gateway,
            httpx.Client(base_url=gateway.url, timeout=60) as client,
            Neighbour(gateway.url) as neighbour,
        ):

            def asked(name: str, miles: float = 70.0) -> tuple[int, str]:
                told = client.post(f"/{name}/predict/", json=body(miles=miles))
                said = told.json()
                return told.status_code, said["reason"] if told.is_success else said["detail"][0]["msg"]

            eventually(lambda: {asked(name) for name in ("ruled", "bare")} == {(200, "ok")})
            for name, seconds, status in (("ruled", 0.5, 200), ("bare", 2.5, 503)):
                neighbour.more(100)
                before = list(neighbour.seconds)
                for _ in range(6):
                    code, said = asked(name, 450 + seconds)
                    assert code == status and "no answer within 250 ms" in said, said
                neighbour.more(50)
                beside = neighbour.seconds[len(before) :]
                times = statistics.median(beside) / statistics.median(before[-100:])
                assert times < TIMES, f"the neighbour's answers took {times:.1f} times as long"
                assert client.get("/insurance/health").json()["status"] == "ok"
                assert client.get(f"/{name}/health").json()["status"] == "degraded"
            assert set(neighbour.answers) == {(200, "model")}
