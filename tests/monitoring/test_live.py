"""The live monitor on a real request log: windows, episodes, events and what a restart must not change."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from deltalake import write_deltalake

from lakeloop.contract import Contract
from lakeloop.drift_report import DriftReport, Window
from lakeloop.drift_store import replace_lake_reports
from lakeloop.events import all_events, record_event
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case
from monitoring.alarm import announce, drift_payload
from monitoring.drift.reference import load_reference
from monitoring.live import LiveMonitor, Snapshot
from tests.live_reports import live_reports
from tests.monitoring.request_log import Log

Month = Callable[..., pd.DataFrame]
SHIFTED, STABLE = 24, 0


@contextmanager
def watching(settings: Settings, contract: Contract, **options: Any) -> Iterator[LiveMonitor]:
    monitor = LiveMonitor(UseCase(settings, contract), **options)
    monitor.start()
    try:
        shows(monitor, lambda snapshot: not snapshot.problem)  # a first look passes over what is history by then
        yield monitor
    finally:
        monitor.stop()


def shows(monitor: LiveMonitor, condition: Callable[[Snapshot], Any], seconds: float = 240.0) -> Snapshot:
    """Wait until a snapshot meets the condition, and give it."""
    deadline = time.monotonic() + seconds
    while not condition(monitor.snapshot):
        assert time.monotonic() < deadline, monitor.snapshot
        time.sleep(0.05)
    return monitor.snapshot


@pytest.fixture
def small(contract: Contract) -> Contract:
    """Windows of 300, so that a test needs few requests."""
    return contract.model_copy(update={"monitoring": contract.monitoring.model_copy(update={"window": 300})})


@pytest.fixture
def rows(month: Month) -> Callable[[int], pd.DataFrame]:
    """`rows(24)`: 300 requests as they are in month 24; another draw each time."""
    drawn = iter(range(1, 1000))

    def draw(number: int) -> pd.DataFrame:
        return month(number, 300, next(drawn))

    return draw


def test_a_shift_opens_one_episode_and_one_event(home: Settings, small: Contract, rows: Any) -> None:
    log = Log(home)
    log.add(rows(STABLE))
    with watching(home, small) as monitor:
        shown = shows(monitor, lambda s: s.windows == 1 and s.report)
        assert shown.report.state == "stable" and not shown.episode_id
        assert shown.model_version == "7" and shown.serving == ""  # it was pushed, but no model server answers
        for _ in range(3):
            log.add(rows(SHIFTED))
        shown = shows(monitor, lambda s: s.windows == 4)
        assert shown.episode_id and shown.report.dataset_drift
    (event,) = all_events(open_use_case(home))
    assert event.key == shown.episode_id == event.payload["episode_id"]
    assert {"age", "miles", "emergency_braking"} <= set(event.payload["features"])
    assert event.payload["window"]["rows"] == 300 and event.payload["model_version"] == "7"
    assert set(event.payload["scores"]) == set(event.payload["thresholds"]) == set(small.features)
    assert announce(home, small.use_case) == (event, False)  # the alert comes later and finds it written
    reports = live_reports(open_use_case(home))
    assert [report.state for report in reports] == ["stable", "drift", "drift", "drift"]
    assert event.payload == drift_payload(event.key, reports[1])


def test_an_episode_closes_after_three_clean_windows_and_the_next_is_another(
    home: Settings, small: Contract, rows: Any
) -> None:
    log = Log(home)
    with watching(home, small) as monitor:
        for number in (SHIFTED, STABLE, STABLE, SHIFTED, STABLE, STABLE, STABLE):
            log.add(rows(number))
        shown = shows(monitor, lambda s: s.windows == 7)
        assert not shown.episode_id and len(all_events(open_use_case(home))) == 1
        log.add(rows(SHIFTED))
        shown = shows(monitor, lambda s: s.windows == 8)
    assert [event.key for event in all_events(open_use_case(home))][1:] == [shown.episode_id]


def test_a_restart_in_an_episode_counts_and_sends_nothing_twice(home: Settings, small: Contract, rows: Any) -> None:
    log = Log(home)
    with watching(home, small) as monitor:
        log.add(rows(SHIFTED))
        log.add(rows(SHIFTED)[:200])  # a window that is not full yet
        before = shows(monitor, lambda s: s.requests == 500 and s.windows == 1)
    log.add(rows(SHIFTED)[:100])
    with watching(home, small) as monitor:
        after = shows(monitor, lambda s: s.windows == 2)
        assert after.episode_id == before.episode_id and after.requests == 300
        assert shows(monitor, lambda s: s.rows == 300)
    assert len(all_events(open_use_case(home))) == 1


def test_an_episode_that_was_opened_but_not_written_down_is_at_the_next_start(
    home: Settings, small: Contract, rows: Any
) -> None:
    log = Log(home)
    silent = home.model_copy(update={"monitor_posts": False})
    log.add(rows(SHIFTED))
    with watching(silent, small) as monitor:
        shown = shows(monitor, lambda s: s.episode_id)
    assert all_events(open_use_case(home)) == ()
    told: list[str] = []
    with watching(home, small, on_event=lambda: told.append("event")) as monitor:
        shows(monitor, lambda s: s.windows == 1 and told)
    assert [event.key for event in all_events(open_use_case(home))] == [shown.episode_id]


def test_events_wait_only_where_an_airflow_is_set(home: Settings, small: Contract) -> None:
    record_event(open_use_case(home), "ground_truth", "truth-1", {})
    with watching(home, small) as monitor:
        assert shows(monitor, lambda s: s.model_available is not None or s.model_problem).undelivered == 0
    waiting = home.model_copy(update={"airflow_url": "http://127.0.0.1:9"})
    with watching(waiting, small) as monitor:
        shows(monitor, lambda s: s.undelivered == 1)


def test_few_requests_are_shown_and_measured_by_nobody(home: Settings, small: Contract, rows: Any) -> None:
    log = Log(home)
    with watching(home, small) as monitor:
        log.add(rows(SHIFTED)[:100], rules_every=4)
        shown = shows(monitor, lambda s: s.rows == 100)
    assert shown.report.state == "too few rows" and shown.rules == 25 and not shown.episode_id


def test_without_a_model_nothing_is_measured_and_it_says_why(tmp_path: Path, small: Contract, rows: Any) -> None:
    nothing = Settings(home=tmp_path, use_case=small.use_case, model_server_url="http://127.0.0.1:9")
    Log(nothing).add(rows(SHIFTED))
    with watching(nothing, small) as monitor:
        shown = shows(monitor, lambda s: s.windows == 1)
    assert shown.report.state == "no reference" and "no model" in shown.report.reason
    assert shown.serving == "" and shown.model_available is None, "nothing was pushed, so none is missing"
    assert all_events(UseCase(nothing, small)) == ()


def test_after_a_deployment_only_the_new_versions_answers_are_its_own(
    home: Settings, small: Contract, rows: Any
) -> None:
    low = [0.1, 0.1, 0.8]
    load_reference(
        UseCase(home, small), "7", lambda *asked: np.array([low] * len(asked[-1]))
    )  # its answers are known then
    log = Log(home)
    with watching(home, small) as monitor:
        log.add(rows(STABLE)[:100], model_version="6", probabilities=[0.8, 0.1, 0.1])
        log.add(rows(STABLE)[:200])
        shown = shows(monitor, lambda s: s.windows == 1 and s.rows == 300)
    prediction = shown.report.prediction
    assert (prediction.score, prediction.note) == (0.0, "the model did not answer 100 of 300")
    (kept,) = live_reports(open_use_case(home))
    assert kept.prediction == prediction and kept.window.rows == 300


def test_records_that_no_longer_fit_the_contract_stop_nothing(home: Settings, small: Contract, rows: Any) -> None:
    odd = rows(SHIFTED)[:100].drop(columns="power").assign(colour="red")
    log = Log(home)
    with watching(home, small) as monitor:
        log.add(odd, probabilities=[0.5, 0.5])
        log.add(odd, at="yesterday")
        log.add(odd, at="9999-12-31T00:00:00")
        log.add(rows(SHIFTED)[:200], at="2026-01-01T12:00:00+14:00")
        shown = shows(monitor, lambda s: s.windows and s.rows == 300 and s.unreadable)  # may look before all is written
    assert shown.unreadable == 200 and not shown.problem and shown.episode_id
    power = next(column for column in shown.report.features if column.column == "power")
    assert "100 of 300 values are missing" in power.note


def test_a_ledger_that_is_gone_for_a_while_loses_nothing(home: Settings, small: Contract, rows: Any) -> None:
    log = Log(home)
    log.add(rows(STABLE))
    database = home.home / "lakeloop.db"
    with watching(home, small) as monitor:
        shows(monitor, lambda s: s.windows == 1)
        kept = database.with_suffix(".away")
        database.rename(kept)
        database.mkdir()  # cannot be opened as a database, not even by root
        log.add(rows(SHIFTED))
        assert shows(monitor, lambda s: s.problem).windows == 1
        database.rmdir()
        kept.rename(database)
        shows(monitor, lambda s: s.windows == 2 and not s.problem)
    assert len(all_events(open_use_case(home))) == 1


def test_windows_are_measured_against_those_just_before_them(home: Settings, small: Contract, rows: Any) -> None:
    monitoring = small.monitoring.model_copy(update={"reference": "sliding", "sliding_windows": 2})
    sliding = small.model_copy(update={"monitoring": monitoring})
    log = Log(home)
    with watching(home, sliding) as monitor:
        for number in (STABLE, SHIFTED, SHIFTED, SHIFTED):
            log.add(rows(number))
        shown = shows(monitor, lambda s: s.windows == 4 and s.report and s.report.reference_rows == 600)
        assert shown.report is not None and shown.report.against == "sliding: 600 requests"
    first, second, _, fourth = live_reports(open_use_case(home))
    assert first.against == "train: there are 0 requests to measure against, and 150 are needed"
    assert (second.state, second.against) == ("drift", "sliding: 300 requests")
    assert (fourth.state, fourth.against) == ("stable", "sliding: 600 requests"), "it is as it was just before"
    (event,) = all_events(open_use_case(home))
    assert event.payload["reference"] == "sliding"
    with watching(home, sliding) as again:
        log.add(rows(SHIFTED))
        shows(again, lambda s: s.windows == 5)
    assert live_reports(open_use_case(home))[-1].against == "sliding: 600 requests", "a restart forgets none"


def test_windows_are_measured_against_the_last_good_month(
    home: Settings, small: Contract, month: Month, rows: Any
) -> None:
    monitoring = small.monitoring.model_copy(update={"reference": "last_good"})
    last_good = UseCase(home, small.model_copy(update={"monitoring": monitoring}))
    answers = {"probability_high": 0.1, "probability_medium": 0.2, "probability_low": 0.7, "model_version": "7"}
    asked = month(SHIFTED).assign(month="2025-01", at="2025-01-10T10:00:00+00:00", **answers)
    write_deltalake(last_good.table("silver/predictions"), asked)
    truth = {"month": "2025-01", "model_version": "7", "model_accuracy": 0.9, "model_with_truth": 900}
    write_deltalake(last_good.table("gold/performance"), pd.DataFrame([truth]))
    window = Window(kind="month", period="2025-01", first="2025-01-01", rows=1500)
    stable = DriftReport(use_case=small.use_case, model_version="7", window=window, state="stable")
    replace_lake_reports(last_good, [stable], "month", ["2025-01"])
    log = Log(home)
    log.add(rows(SHIFTED))
    with watching(home, last_good.contract) as monitor:
        shown = shows(monitor, lambda s: s.windows == 1 and s.report)
    assert (shown.report.state, shown.report.against) == ("stable", "last good: 2025-01")  # type: ignore[union-attr]
