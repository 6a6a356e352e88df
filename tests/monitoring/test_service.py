"""The monitoring service as a process asks it: metrics, webhook, health."""

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pandas as pd
import pytest
from pydantic import SecretStr

from lakeloop.access.generated import token_file
from lakeloop.access.guard import guarded
from lakeloop.contract import Contract
from lakeloop.events import all_events
from lakeloop.exceptions import AddressTakenError, BusyError, WrongUseError
from lakeloop.live_use_cases import GivenUseCase
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case
from monitoring.monitor_lock import only_monitor
from monitoring.service import make_app, serve
from tests.monitoring.notification_servers import Hook
from tests.monitoring.request_log import Log
from tests.monitoring.running_service import running
from tests.waiting import eventually

DRIFT = {"alertname": "LakeloopDrift", "event": "drift", "use_case": "insurance"}


def posted(status: str = "firing", **labels: str) -> dict[str, Any]:
    """What Alertmanager posts, with one alert."""
    alert = {
        "status": status, "labels": {**DRIFT, **labels}, "annotations": {}, "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus", "fingerprint": "f1",
    }  # fmt: skip
    return {
        "version": "4", "groupKey": "{}", "status": status, "receiver": "lakeloop-monitor", "groupLabels": {},
        "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "truncatedAlerts": 0, "alerts": [alert],
    }  # fmt: skip


@pytest.fixture
def silent(home: Settings) -> Settings:
    """A monitor that leaves the ledger to the alerts, of a home in which a model was trained on month 0."""
    return home.model_copy(update={"monitor_posts": False})


@pytest.fixture
def service(silent: Settings, contract: Contract) -> Iterator[httpx.Client]:
    small = contract.model_copy(update={"monitoring": contract.monitoring.model_copy(update={"window": 300})})
    with running(make_app(GivenUseCase(UseCase(silent, small)))) as client:
        yield client


def test_the_metrics_show_the_newest_window(
    service: httpx.Client, silent: Settings, month: Callable[..., pd.DataFrame]
) -> None:
    Log(silent).add(month(24, 300, 1), rules_every=10)
    labels = 'model_version="7",use_case="insurance"'
    page = eventually(lambda: "windows_measured{" + labels + "} 1.0" in (text := service.get("/metrics").text) and text)
    for line in (
        "number_of_columns{%s} 6.0", "dataset_drift{%s} 1.0",
        "requests_in_windows{%s} 300.0", "fallback_rate{%s} 0.1", "model_available{%s} 0.0",
        'drift_threshold_by_columns{feature="miles",%s} 0.1',
    ):  # fmt: skip
        assert line % labels in page or line.replace("{%s}", "{" + labels + "}") in page, line
    assert 'drift_score_by_columns{feature="miles"' in page and "realised_accuracy{" not in page
    health = eventually(lambda: (told := service.get("/health").json())["status"] == "ok" and told)
    assert health["state"] == "drift" and health["episode"]
    assert f'drift_episode_open{{episode="{health["episode"]}",{labels}}} 1.0' in page

    assert "Car insurance" in service.get("/dashboard").text

    # two tellings of the same alert, one of another, and its end: one event
    first, again = (service.post("/alerts", json=posted()).json() for _ in range(2))
    assert first["new"] == 1 and again["new"] == 0 and first["events"] == again["events"]
    other = service.post("/alerts", json=posted(event="", alertname="LakeloopFallbackRate")).json()
    assert other["events"] == [] and "not labelled event=drift" in other["ignored"][0]
    assert len(service.get("/alerts").json()["alerts"]) == 1
    assert service.post("/alerts", json=posted("resolved")).json()["events"] == []
    assert service.get("/alerts").json() == {"alerts": []}
    (event,) = all_events(open_use_case(silent))
    assert event.key == health["episode"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"no json", "the body is not JSON"),
        (b"[]", "the body"),
        (b"{}", "version is missing"),
        (b'{"version": "3", "alerts": []}', "version"),
        (b'{"version": "4", "alerts": [{"labels": {}}]}', "alerts[0].status is missing"),
        (b'{"version": "4", "alerts": [{"status": "on fire", "labels": {}}]}', "'firing' or 'resolved'"),
        (b'{"version": "4", "alerts": [{"status": "firing", "labels": {"use_case": 7}}]}', "alerts[0].labels.use_case"),
        (b"\xff\xfe", "the body is not JSON"),
    ],
)
def test_a_malformed_group_of_alerts_is_explained(service: httpx.Client, body: bytes, problem: str) -> None:
    answer = service.post("/alerts", content=body)
    assert answer.status_code == 422
    assert any(problem in one["msg"] for one in answer.json()["detail"]), answer.text
    assert answer.json()["example"]["version"] == "4"


def test_an_alert_without_an_episode_becomes_no_event(service: httpx.Client, silent: Settings) -> None:
    answer = service.post("/alerts", json=posted()).json()
    assert answer["events"] == [] and "no episode" in answer["ignored"][0]
    assert "no label use_case" in service.post("/alerts", json=posted(use_case="")).json()["ignored"][0]
    assert service.post("/alerts", content=b"x" * 1_100_000).status_code == 413
    assert all_events(open_use_case(silent)) == ()


def test_a_port_that_is_taken_is_said(silent: Settings, contract: Contract) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(AddressTakenError, match="taken by another process"):
            serve(GivenUseCase(UseCase(silent, contract)), "127.0.0.1", taken.getsockname()[1])


def test_a_second_monitor_of_the_same_use_case_is_refused(silent: Settings, contract: Contract) -> None:
    another = rf"another monitor \(process {os.getpid()}\) watches insurance"
    with only_monitor(open_use_case(silent)), pytest.raises(BusyError, match=another):
        serve(GivenUseCase(UseCase(silent, contract)), "127.0.0.1", 0)
    with only_monitor(open_use_case(silent)):  # and the lock is free again
        pass


def test_people_are_told_of_drift_and_of_every_other_alarm_once(
    home: Settings, contract: Contract, month: Callable[..., pd.DataFrame]
) -> None:
    hook = Hook()
    small = contract.model_copy(update={"monitoring": contract.monitoring.model_copy(update={"window": 300})})
    settings = home.model_copy(update={"notify": SecretStr(hook.url)})
    fallback = posted(event="", alertname="LakeloopFallbackRate")
    fallback["alerts"][0]["annotations"] = {"summary": "the rules answer", "description": "Look."}
    with running(make_app(GivenUseCase(UseCase(settings, small)))) as service:
        Log(settings).add(month(24, 300, 1))
        waiting = eventually(lambda: (told := service.get("/health").json())["notifications_waiting"] and told)
        assert waiting["notifications_waiting"] == 1
        problem = eventually(lambda: service.get("/health").json()["notifications_problem"])
        assert problem.startswith("1 json://127.0.0.1: ") and Hook.TOKEN not in service.get("/health").text
        assert service.get("/health").json()["status"] == "degraded"
        hook.start()
        for _ in range(2):
            service.post("/alerts", json=posted())
            service.post("/alerts", json=fallback)
        eventually(lambda: service.get("/health").json()["notifications_waiting"] == 0)
        assert service.get("/health").json()["notifications_problem"] == ""
    hook.stop()
    drift, other = (post["message"] for post in hook.posts)
    assert drift.startswith("insurance, alarm: Dataset drift: ") and f"{settings.monitor}/insurance/dashboard" in drift
    assert other.startswith("insurance, alarm: LakeloopFallbackRate: the rules answer Look.\n")


def test_a_target_that_cannot_be_used_is_said_at_the_start(home: Settings, contract: Contract) -> None:
    wrong = home.model_copy(update={"notify": SecretStr("slack://only-one-token")})
    with pytest.raises(WrongUseError, match=r"target 1 slack://… cannot be used; write it as https://hooks\.slack"):
        serve(GivenUseCase(UseCase(wrong, contract)), "127.0.0.1", 0)


def test_who_looks_needs_a_token_and_who_tells_alerts_one_that_may_decide(silent: Settings, contract: Contract) -> None:
    settings = silent.model_copy(update={"auth": "on", "home": silent.home / "asking"})
    app = make_app(GivenUseCase(UseCase(settings, contract)))
    with running(guarded(app, settings, "127.0.0.1", "monitor", writes="decide")) as client:
        names = ("read", "prometheus", "alertmanager")
        shown = {n: {"authorization": f"Bearer {token_file(settings, n).read_text().strip()}"} for n in names}
        for path in ("/metrics", "/health", "/insurance/health", "/alerts", "/dashboard"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers=shown["read"]).status_code == 200
        assert client.get("/metrics", headers=shown["prometheus"]).status_code == 200
        assert 'action="/logout"' in client.get("/dashboard", headers=shown["read"]).text
        assert client.post("/alerts", json=posted()).status_code == 401
        refused = client.post("/alerts", json=posted(), headers=shown["read"])
        assert refused.status_code == 403 and "needs the role decide" in refused.json()["detail"][0]["msg"]
        assert client.post("/alerts", json=posted(), headers=shown["alertmanager"]).status_code == 200
        sent = client.get("/dashboard", headers={"accept": "text/html"})
        assert sent.headers["location"] == "/login?next=%2Fdashboard"
