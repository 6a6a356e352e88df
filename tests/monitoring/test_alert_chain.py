"""The real chain: a shift in the request log, Prometheus, Alertmanager, webhook, ledger, Airflow's asset event."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from lakeloop.contract import Contract
from lakeloop.events import all_events, record_event
from lakeloop.model_folders import SAVED_MODEL, models_folder
from lakeloop.releases import decide
from lakeloop.settings import PROJECT, Settings
from lakeloop.use_case import UseCase, open_use_case
from monitoring.airflow_client import AirflowClient
from monitoring.champion_asset import ChampionTeller
from monitoring.outbox import Outbox
from tests.command_line import COMMAND
from tests.monitoring.airflow_server import AIRFLOW, USER, Airflow
from tests.monitoring.conftest import push_card
from tests.monitoring.request_log import Log
from tests.ports import free_port
from tests.use_case_copies import copy_insurance
from tests.waiting import eventually

pytestmark = pytest.mark.long
PROGRAMS = ("prometheus", "prometheus-alertmanager")
WINDOW = 300


@contextmanager
def running(command: list[Any], log: Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("ab") as stream:
        process = subprocess.Popen(
            list(map(str, command)), stdout=stream, stderr=stream, env={**os.environ, **environment}
        )
    try:
        yield process
    except BaseException:
        print(f"--- the end of {log.name}:\n{log.read_text()[-3000:]}")
        raise
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def use_cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first use case with windows of 300, and a table that is scored when another version serves."""
    folder = copy_insurance(tmp_path_factory.mktemp("use_cases"), {"window: 1500": f"window: {WINDOW}"})
    with (folder / "insurance" / "contract.yaml").open("a") as contract:
        contract.write("scoring: {after: model}\n")
    return folder


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, use_cases: Path) -> Iterator[Airflow]:
    if not AIRFLOW.exists():
        pytest.skip("Airflow's environment is not there (`make airflow`)")
    server = Airflow(tmp_path_factory.mktemp("airflow") / "home", use_cases)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def settings(tmp_path: Path, contract: Contract, use_cases: Path, airflow: Airflow) -> Settings:
    made = Settings(
        home=tmp_path / "var", use_case="insurance", use_cases=use_cases, model_server_url="http://127.0.0.1:9",
        airflow_url=airflow.url, airflow_user=USER, airflow_password_file=airflow.password_file,
    )  # fmt: skip
    push_card(contract, made)
    return made


def rendered(shipped: Path, folder: Path, ports: dict[int, int]) -> Path:
    """The shipped file with other ports; everything else, the intervals too, stays."""
    text = shipped.read_text()
    for shipped_port, port in ports.items():
        text = text.replace(f"127.0.0.1:{shipped_port}", f"127.0.0.1:{port}")
    (folder / shipped.name).write_text(text)
    return folder / shipped.name


@contextmanager
def alerting(folder: Path, monitor_port: int) -> Iterator[str]:
    """Prometheus and Alertmanager with the shipped files; gives Prometheus' URL."""
    prometheus, alertmanager = free_port(), free_port()
    ports = {8085: monitor_port, 9093: alertmanager, 8000: 9, 8501: 9}
    config = rendered(PROJECT / "deploy" / "prometheus" / "prometheus.yml", folder, ports)
    shutil.copy(PROJECT / "deploy" / "prometheus" / "rules.yml", folder)
    routes = rendered(PROJECT / "deploy" / "alertmanager" / "alertmanager.yml", folder, ports)
    with ExitStack() as stack:
        for command, log in (
            (
                ["prometheus-alertmanager", f"--config.file={routes}", f"--storage.path={folder / 'am'}",
                 f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address="],
                folder / "alertmanager.log",
            ),
            (
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
                 f"--web.listen-address=127.0.0.1:{prometheus}"],
                folder / "prometheus.log",
            ),
        ):  # fmt: skip
            stack.enter_context(running(command, log))
        url = f"http://127.0.0.1:{prometheus}"
        eventually(lambda: _answers(f"{url}/-/ready"))
        eventually(lambda: _answers(f"http://127.0.0.1:{alertmanager}/-/ready"))
        yield url


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def metric(url: str, name: str) -> float | None:
    """A metric of the monitor; None where it has no value."""
    text = httpx.get(f"{url}/metrics", timeout=60, trust_env=False).text
    found = re.search(rf"^{name}{{[^}}]*}} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def drift_alert(prometheus: str) -> dict[str, Any] | None:
    alerts = httpx.get(f"{prometheus}/api/v1/alerts", timeout=60, trust_env=False).json()["data"]["alerts"]
    return next((a for a in alerts if a["labels"]["alertname"] == "LakeloopDrift" and a["state"] == "firing"), None)


def test_a_shift_becomes_one_asset_event_and_a_second_one_waits_while_airflow_is_down(
    tmp_path: Path, settings: Settings, airflow: Airflow, month: Callable[..., pd.DataFrame]
) -> None:
    if not all(map(shutil.which, PROGRAMS)):
        pytest.skip("Prometheus and Alertmanager are not installed (`make system`)")
    rows = iter(range(1, 100))
    log = Log(settings)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "LAKELOOP_HOME": str(settings.home), "LAKELOOP_USE_CASES": str(settings.use_cases),
        "LAKELOOP_MODEL_SERVER_URL": settings.model_server_url, "LAKELOOP_AIRFLOW_URL": airflow.url,
        "LAKELOOP_AIRFLOW_USER": USER, "LAKELOOP_AIRFLOW_PASSWORD_FILE": str(airflow.password_file),
        "LAKELOOP_MONITOR_POSTS": "false",
    }  # fmt: skip
    command = [*COMMAND, "-v", "monitor", "--port", port]
    with alerting(tmp_path, port) as prometheus, running(command, tmp_path / "monitor.log", **environment) as monitor:
        log.add(month(0, WINDOW, next(rows)))
        eventually(lambda: _answers(f"{url}/health") or monitor.poll() is not None)
        assert monitor.poll() is None, "the monitor ended"
        eventually(lambda: metric(url, "windows_measured") == 1)
        assert metric(url, "drift_episode_open") == 0 and all_events(open_use_case(settings)) == ()

        log.add(month(24, WINDOW, next(rows)))
        written = time.time()
        (posted,) = eventually(lambda: airflow.asset_events("insurance/drift"))
        alert = eventually(lambda: drift_alert(prometheus))
        (event,) = all_events(open_use_case(settings))
        assert posted["extra"]["event_id"] == event.id and posted["extra"]["payload"] == event.payload
        assert "miles" in event.payload["features"] and event.payload["model_version"] == "7"
        assert alert["labels"]["use_case"] == "insurance"
        arrived = datetime.fromisoformat(posted["timestamp"]).timestamp()
        fired = datetime.fromisoformat(alert["activeAt"]).timestamp()
        print(
            f"\nshift in the log -> asset event {arrived - written:.1f} s, alert -> asset event {arrived - fired:.1f} s"
        )

        airflow.stop()
        # It closes and another opens at once, sooner than Alertmanager tells of the end.
        for number in (0, 0, 0, 24):
            log.add(month(number, WINDOW, next(rows)))
        eventually(
            lambda: len(all_events(open_use_case(settings))) == 2 and all_events(open_use_case(settings))[1].problem
        )
        eventually(lambda: metric(url, "outbox_backlog") == 1)
        airflow.start()
        eventually(lambda: len(airflow.asset_events("insurance/drift")) == 2)
        eventually(lambda: metric(url, "outbox_backlog") == 0)
        time.sleep(3)  # time for something that would be sent twice
        extras = [posted["extra"] for posted in airflow.asset_events("insurance/drift")]
        assert [extra["key"] for extra in extras] == [event.key for event in all_events(open_use_case(settings))]


def test_an_event_whose_first_sending_was_cut_off_is_in_airflow_once(settings: Settings, airflow: Airflow) -> None:
    """The post arrived, and the monitor died before it could note that."""
    event, _ = record_event(open_use_case(settings), "ground_truth", "2024-01", {"months": ["2024-01"]})
    client = AirflowClient(settings)
    assert not client.was_posted(event)

    class Dying(AirflowClient):
        def post(self, event: Any) -> None:
            super().post(event)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Outbox(settings, Dying(settings)).deliver()
    assert client.was_posted(event) and not all_events(open_use_case(settings))[0].delivered_at
    _let_the_claim_run_out(settings)
    assert Outbox(settings, client).deliver() == 1
    assert (
        len(airflow.asset_events("insurance/ground_truth")) == 1 and all_events(open_use_case(settings))[0].delivered_at
    )


def test_another_champion_is_an_event_of_its_asset_once(settings: Settings, airflow: Airflow) -> None:
    def teller() -> ChampionTeller:
        return ChampionTeller(settings, AirflowClient(settings), lambda: ["insurance"])

    for version in ("9000000001", "9000000002"):
        folder = models_folder(settings, "insurance") / version
        folder.mkdir(parents=True)
        (folder / SAVED_MODEL).touch()
    before, champions = len(airflow.asset_events("insurance/champion")), teller()
    assert (champions.deliver(), champions.deliver(), teller().deliver(), champions.problem) == (1, 0, 0, "")
    decide(settings, "insurance", "rollback", "", "ann", "it is slow")
    assert (champions.deliver(), teller().deliver()) == (1, 0)
    told = [event["extra"]["version"] for event in airflow.asset_events("insurance/champion")[before:]]
    assert told == ["9000000002", "9000000001"]


def test_airflow_knows_the_assets_of_every_contract(airflow: Airflow) -> None:
    names = {asset["name"] for asset in airflow.get("/api/v2/assets", limit=100)["assets"]}
    assert names >= {f"insurance/{what}" for what in ("landing", "gold", "model", "champion", "drift", "ground_truth")}
    assert airflow.get("/api/v2/importErrors")["total_entries"] == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"airflow_user": "nobody", "airflow_password_file": None}, "refuses user 'nobody'"),
        ({"airflow_url": "http://127.0.0.1:9"}, "does not answer"),
        ({"use_case": "unknown"}, "knows no asset unknown/drift"),
    ],
)
def test_what_airflow_refuses_is_said_and_tried_again(
    settings: Settings, contract: Contract, airflow: Airflow, change: dict[str, Any], sentence: str
) -> None:
    other = settings.model_copy(update=change)
    use_case = UseCase(other, contract.model_copy(update={"use_case": other.use_case}))
    record_event(use_case, "drift", "episode", {})
    outbox = Outbox(other, AirflowClient(other))
    assert outbox.deliver() == 0
    (event,) = all_events(use_case)
    assert sentence in event.problem and sentence in outbox.problem and event.attempts == 1


def _let_the_claim_run_out(settings: Settings) -> None:
    from sqlalchemy import update

    from lakeloop.operational_db import engine, events

    with engine(settings.operational_db).begin() as connection:
        connection.execute(update(events).values(attempt_after=""))
