"""A pushed version is looked after with a real model server and a real gateway, and taken back if it fails."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from lakeloop.contract import Contract
from lakeloop.exceptions import LakeloopError, NotFoundError
from lakeloop.gateway_client import GatewayClient, Question
from lakeloop.notifications import told_notifications
from lakeloop.pushed_models import pushed_version, pushed_versions, version_states
from lakeloop.releases import decide, read_release
from lakeloop.served_models import kept_config
from lakeloop.settings import Settings, load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.deployment import deploy, probe_rows, wait_until_available
from operations.exceptions import RolledBackError
from serving.gateway.process import running_gateway
from serving.model_server.process import running_server
from tests.use_case_copies import PATIENT, copy_insurance
from tests.waiting import eventually

pytestmark = pytest.mark.long
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    script = Path(__file__).with_name("make_failing_models.py")
    subprocess.run([sys.executable, script, folder], check=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def use_cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A patient budget: a busy machine must not turn a good model's answers into the rules'."""
    return copy_insurance(tmp_path_factory.mktemp("use_cases"), PATIENT)


@pytest.fixture
def platform(tmp_path: Path, saved: Path, use_cases: Path) -> Iterator[Settings]:
    """A model server and a gateway; version 1 serves, 2 and 3 wait to be pushed."""
    settings = load_settings(home=tmp_path / "home", use_case="insurance", use_cases=use_cases)
    models = open_use_case(settings).folder("models")
    shutil.copytree(saved, models)
    own = [NOWHERE]  # the server's address, once it listens
    follows = ("--model_config_file_poll_wait_seconds=0.1", "--allow_version_labels_for_unavailable_models=true")
    with (
        kept_config(settings, lambda name: version_states(own[0], name), seconds=0.1) as config,
        running_server(model_config=config, poll_seconds=0.1, flags=follows) as server,
    ):
        own[0] = server.url
        settings = settings.model_copy(update={"model_server_url": server.url})
        wait_until_available(open_use_case(settings), "1", 240)
        with running_gateway(settings) as gateway:
            yield settings.model_copy(update={"gateway_url": gateway.url})


@pytest.fixture
def patient(platform: Settings) -> Contract:

    return open_use_case(platform).contract


def push(use_case: UseCase, version: str) -> None:
    folder = use_case.folder("models")
    (folder / f"{version}.part").rename(folder / version)
    wait_until_available(use_case, version, 240)


@contextmanager
def asked(settings: Settings, contract: Contract, age: float) -> Iterator[None]:
    """Somebody of that age asks the gateway all the time."""
    stop = threading.Event()
    row = {**probe_rows(contract)[0], "age": age}

    def go_on() -> None:
        client, number = GatewayClient(settings.gateway, contract, connections=2), 0
        while not stop.is_set():
            number += 20
            client.ask([Question(f"{age}-{number + i}", f"k{i}", "2024-01-01T00:00:00+00:00", row) for i in range(20)])
            time.sleep(0.01)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def version_in_use(settings: Settings) -> Any:
    return httpx.get(f"{settings.gateway}/health", trust_env=False, timeout=60).json()["model_version"]


def test_a_version_that_answers_stays_and_one_that_fails_is_taken_back(platform: Settings, patient: Contract) -> None:
    with asked(platform, patient, age=45):
        seen = deploy(UseCase(platform, patient), "1", seconds=60)
    assert seen is not None and seen.answers >= 200 and seen.model_errors == 0 and seen.p99_ms is not None

    push(open_use_case(platform), "2")
    with pytest.raises(RolledBackError, match=r"version 2 was taken back: it answered 400: .*version 1 serves again"):
        deploy(UseCase(platform, patient), "2")
    state = read_release(platform, "insurance")
    assert state.champion == "1" and state.retired == {"2"} and state.by is not None
    assert state.by.who == "lakeloop deploy" and state.by.why.startswith("it answered 400: ")
    eventually(lambda: version_in_use(platform) == "1")
    (told,) = told_notifications(platform)
    assert told.notification.kind == "rollback"
    assert told.notification.text.startswith("Version 2 was retired (lakeloop deploy: it answered 400: ")
    assert told.notification.text.endswith("; version 1 serves.")

    push(open_use_case(platform), "3")
    eventually(lambda: version_in_use(platform) == "3")
    with (
        asked(platform, patient, age=20),
        pytest.raises(RolledBackError, match="came from the rules because it failed"),
    ):
        deploy(UseCase(platform, patient), "3", seconds=60)
    eventually(lambda: version_in_use(platform) == "1")
    with asked(platform, patient, age=20):
        again = deploy(UseCase(platform, patient), "1", seconds=60)
    assert again is not None and again.model_errors == 0


def test_a_version_that_is_slower_than_the_contract_allows_is_taken_back(platform: Settings, patient: Contract) -> None:
    assert patient.requests is not None
    strict = patient.model_copy(update={"requests": patient.requests.model_copy(update={"budget_ms": 0.1})})
    with (
        asked(platform, patient, age=45),
        pytest.raises(RolledBackError, match="no model is left: the rules answer") as why,
    ):
        deploy(UseCase(platform, strict), "1", seconds=60)
    assert "99th percentile" in str(why.value) and "allows 0.1 ms" in str(why.value)


def test_a_pinned_version_that_fails_is_not_taken_back(platform: Settings, patient: Contract) -> None:
    assert patient.requests is not None
    decide(platform, "insurance", "pin", "1", "ann", "the year's end")
    strict = patient.model_copy(update={"requests": patient.requests.model_copy(update={"budget_ms": 0.1})})
    with (
        asked(platform, patient, age=45),
        pytest.raises(LakeloopError, match=r"version 1 is pinned \(ann: the year's end\), so it was not taken back"),
    ):
        deploy(UseCase(platform, strict), "1", seconds=60)
    assert read_release(platform, "insurance").champion == "1"


def test_what_says_nothing_of_the_model_takes_nothing_back(platform: Settings, patient: Contract) -> None:
    away = platform.model_copy(update={"model_server_url": NOWHERE})
    with pytest.raises(LakeloopError, match="is not available after 0 s"):
        wait_until_available(open_use_case(away), "1", 0)
    with pytest.raises(LakeloopError, match="nothing was taken back") as failure:
        deploy(UseCase(away, patient), "1")
    assert not isinstance(failure.value, RolledBackError)
    assert deploy(UseCase(platform.model_copy(update={"gateway_url": NOWHERE}), patient), "1") is None
    assert pushed_versions(open_use_case(platform)) == ["1"]
    with pytest.raises(NotFoundError, match="pushed: 1"):
        pushed_version(open_use_case(platform), "9")
