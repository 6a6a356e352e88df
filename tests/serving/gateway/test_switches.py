"""Switches set while the gateway runs: effective without a restart, whatever the database does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lakeloop.contract import Contract
from lakeloop.settings import Settings
from lakeloop.switches import add_switch, remove_switch
from lakeloop.use_case import UseCase, open_use_case
from tests.serving.gateway.conftest import body
from tests.waiting import eventually
from tests.warm_programs import running_gateway


@pytest.fixture(scope="module")
def own_settings(shared_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return shared_settings.model_copy(update={"home": tmp_path_factory.mktemp("home")})


@pytest.fixture(scope="module")
def asked(own_settings: Settings) -> Iterator[httpx.Client]:
    with running_gateway(own_settings) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
        yield client


def reason(client: httpx.Client, **changes: Any) -> str:
    return client.post("/predict/", json=body(**changes)).json()["reason"]


def test_a_segment_is_switched_off_and_on_again(
    asked: httpx.Client, own_settings: Settings, contract: Contract
) -> None:
    assert reason(asked, age=20) == "ok"
    switch = add_switch(UseCase(own_settings, contract), "age < 25 and training == 0", "me", "too many complaints")
    eventually(lambda: reason(asked, age=20) == "segment switched off: age < 25 and training == 0")
    assert reason(asked, age=25) == "ok" and reason(asked, age=20, training=1) == "ok"
    assert asked.get("/health").json()["switched_off"] == ["age < 25 and training == 0"]
    remove_switch(open_use_case(own_settings), switch.id, "me")
    eventually(lambda: reason(asked, age=20) == "ok")


def test_the_whole_model_is_switched_off(asked: httpx.Client, own_settings: Settings, contract: Contract) -> None:
    switch = add_switch(UseCase(own_settings, contract), "", "me", "audit")
    eventually(lambda: reason(asked) == "model switched off")
    remove_switch(open_use_case(own_settings), switch.id, "me")
    eventually(lambda: reason(asked) == "ok")


def test_an_unreadable_database_keeps_the_last_switches(
    asked: httpx.Client, own_settings: Settings, contract: Contract
) -> None:
    switch = add_switch(UseCase(own_settings, contract), "age < 25", "me", "why not")
    eventually(lambda: reason(asked, age=20).startswith("segment switched off"))
    database = Path(own_settings.operational_db.removeprefix("sqlite:///"))
    good = database.read_bytes()
    database.write_bytes(b"no database at all" * 500)
    eventually(lambda: asked.get("/health").json()["switches_problem"])
    assert reason(asked, age=20) == "segment switched off: age < 25"
    assert 'switches_stale{use_case="insurance"} 1.0' in asked.get("/metrics").text
    database.write_bytes(good)
    eventually(lambda: not asked.get("/health").json()["switches_problem"])
    remove_switch(open_use_case(own_settings), switch.id, "me")
    eventually(lambda: reason(asked, age=20) == "ok")
