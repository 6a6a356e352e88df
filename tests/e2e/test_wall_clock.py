"""The loop by the wall clock, in real processes: what is known goes by when it was delivered, and by nothing else.

`LAKELOOP_NOW` is the time of each process: a morning's files, an evening's requests, their truth on the next day, and
on the day after it truth that came late. It is America/Chicago's day that counts, where UTC is a day ahead by evening.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from deltalake import DeltaTable

from lakehouse.storage.shared_spark import SERVER
from lakeloop.clock import read_clock
from lakeloop.decision import Decision
from lakeloop.decision_table import read_decisions
from lakeloop.drift_report import DriftReport
from lakeloop.drift_store import lake_reports
from lakeloop.events import all_events
from lakeloop.exported import read_shards
from lakeloop.local_server import ask_to_end
from lakeloop.manifest import read_manifest
from lakeloop.model_card import read_model_card
from lakeloop.pushed_models import pushed_versions
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from serving.gateway.process import running_gateway
from serving.model_server.process import RunningServer, running_server, wait_until_available
from tests.command_line import lakeloop_in

pytestmark = pytest.mark.long

CONTRACT = """
use_case: calls
title: Calls
description: Does a caller order?
key: {column: call, description: Number of the call}
event_time: {column: called, description: When it rang, format: timestamp, timezone: America/Chicago, period: day,
             start: 2025-11-03}
clock: wall
sources:
  calls: {description: Calls, files: "calls-{date}.csv", columns: [call, called, waited, night]}
  orders: {description: Orders, files: "orders-{date}.csv", columns: [call, ordered], delay_periods: 1}
features:
  waited: {description: Time on hold, type: float, role: numeric, unit: s, valid: [0, 600]}
  night: {description: After dark, type: bool, role: binary}
label:
  name: outcome
  description: Whether there was an order
  source: orders
  column: ordered
  truth: {description: Ordered, type: bool}
  classes: [{name: none}, {name: order}]
split: {salt: "1", every: 4}
model: {layers: 1, units: 16, epochs: 30, batch: 8, learning_rate: 0.01}
gate: {accuracy: {above: 0.8}}
requests: {description: Calls the gateway was asked about, budget_ms: 20000}
monitoring: {window: 100}
"""
FIRST, SECOND = "2025-11-03", "2025-11-04"
MORNING, EVENING, NIGHT = "2025-11-04T15:00:00Z", "2025-11-05T03:00:00Z", "2025-11-05T04:00:00Z"
NEXT_DAY, RETRAINED, LATER = "2025-11-05T16:00:00Z", "2025-11-05T17:00:00Z", "2025-11-06T16:00:00Z"
CALLS, LATE, ASKED = 400, 100, 120


@dataclass(frozen=True)
class Home:
    """A home in which real time passes, from command to command."""

    use_case: UseCase

    def at(self, moment: str) -> UseCase:
        settings = self.use_case.settings.model_copy(update={"now": datetime.fromisoformat(moment)})
        return UseCase(settings, self.use_case.contract)

    def run(self, moment: str, *arguments: object) -> str:
        settings = self.use_case.settings
        told = {
            "LAKELOOP_USE_CASES": str(settings.use_cases), "LAKELOOP_USE_CASE": "calls", "LAKELOOP_NOW": moment,
        }  # fmt: skip
        done = lakeloop_in(settings.home, **told)(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deliver(self, source: str, name: str, rows: pd.DataFrame) -> None:
        target = self.use_case.folder("landing") / source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        rows.to_csv(target, index=False)

    def training(self) -> pd.DataFrame:
        return DeltaTable(self.use_case.table("gold/training")).to_pandas()

    def known(self, now: str, calls: pd.Series, *as_of: str) -> list[pd.DataFrame]:
        """What `features read` says was known of calls at points in time, the earliest first."""
        keys, out = (self.use_case.settings.home / name for name in ("keys.csv", "known.csv"))
        pd.DataFrame({"call": calls, "as_of": [as_of] * len(calls)}).explode("as_of").to_csv(keys, index=False)
        self.run(now, "features", "read", "--keys", keys, "--out", out)
        return [rows for _, rows in pd.read_csv(out).groupby("as_of")]


def calls(day: str, first: int, count: int) -> pd.DataFrame:
    """Callers who wait for up to 100 s; those who wait less than half of it order."""
    waited = np.random.default_rng(first).uniform(0, 100, count).round(1)
    numbers = range(first, first + count)
    return pd.DataFrame(
        {"call": [f"c{n}" for n in numbers], "called": f"{day}T10:00:00", "waited": waited, "night": False}
    )


def orders(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["call"]].assign(ordered=(rows["waited"] < 50) | (rows["waited"] > 150))


def questions() -> pd.DataFrame:
    """Of the second day, asked in its evening: everybody waits longer, and whoever waits for very long orders."""
    return calls(SECOND, 1000, ASKED).assign(waited=lambda rows: rows["waited"] + 100)


@contextmanager
def client(home: Home, moment: str, server: RunningServer) -> Iterator[httpx.Client]:
    settings = home.at(moment).settings.model_copy(update={"model_server_url": server.url})
    with running_gateway(settings) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as asking:
        yield asking


def ask(asking: httpx.Client, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Requests that do not say when it is: now."""
    asked = [{"key": row["call"], "waited": row["waited"], "night": True} for row in rows.to_dict("records")]
    answer = asking.post("/predict/batch", content=json.dumps({"requests": asked}))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["answers"]
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("wall")
    contract = folder / "use_cases" / "calls" / "contract.yaml"
    contract.parent.mkdir(parents=True)
    contract.write_text(CONTRACT)
    settings = load_settings(home=folder / "home", use_case="calls", use_cases=folder / "use_cases")
    made = Home(open_use_case(settings))
    yield made
    ask_to_end(made.use_case.work_folder, SERVER)


@pytest.fixture(scope="module")
def trained(home: Home) -> str:
    """In the morning yesterday's calls are there, and the orders of most: a model of what is known; its version."""
    rows = calls(FIRST, 0, CALLS)
    home.deliver("calls", f"calls-{FIRST}.csv", rows)
    home.deliver("orders", f"orders-{FIRST}.csv", orders(rows[LATE:]))
    home.run(MORNING, "lake", "ingest")
    home.run(MORNING, "train")
    return pushed_versions(home.use_case)[-1]


@pytest.fixture(scope="module")
def server(home: Home, trained: str) -> Iterator[RunningServer]:
    with running_server({"calls": home.use_case.folder("models")}, poll_seconds=0.2) as running:
        yield running


@pytest.fixture(scope="module")
def answers(home: Home, server: RunningServer) -> list[dict[str, Any]]:
    with client(home, EVENING, server) as asking:
        return ask(asking, questions())


@pytest.fixture(scope="module")
def drift(home: Home, answers: object) -> DriftReport:
    """That of the day that is not over yet."""
    home.run(NIGHT, "lake", "stream")
    assert "DRIFT" in home.run(NIGHT, "drift")
    (report,) = lake_reports(home.use_case)
    return report


@pytest.fixture(scope="module")
def decision(home: Home, drift: object) -> Decision:
    """The truth of the requests comes; of the first day's late orders a file lies there that nobody has taken in."""
    home.deliver("orders", f"orders-{SECOND}.csv", orders(questions()))
    home.run(NEXT_DAY, "lake", "ingest")
    home.deliver("orders", f"orders-{FIRST}.v2.csv", orders(calls(FIRST, 0, CALLS)[:LATE]))
    home.run(RETRAINED, "retrain", "--strategy", "all")
    return read_decisions(home.use_case)[-1]


@pytest.fixture(scope="module")
def late(home: Home, decision: object) -> Home:
    """A day later the late orders are taken in."""
    home.run(LATER, "lake", "ingest")
    return home


def test_a_model_is_trained_on_the_orders_that_are_known_in_the_morning(home: Home, trained: str) -> None:
    manifest = read_manifest(read_model_card(home.use_case, trained).manifest_path(home.use_case))
    assert (manifest.rows, manifest.periods) == (CALLS - LATE, None)
    clock = read_clock(home.at(MORNING))
    assert (clock.name, clock.newest_due("calls"), clock.newest_due("orders")) == (SECOND, 0, 0)


def test_requests_belong_to_the_day_it_is_where_calls_are_taken(
    home: Home, trained: str, answers: list[dict[str, Any]], drift: DriftReport
) -> None:
    assert {answer["model_version"] for answer in answers} == {trained}
    assert {answer["predictor_type"] for answer in answers} == {"model"}
    logged = DeltaTable(home.use_case.table("silver/predictions")).to_pandas()
    assert set(logged[home.use_case.contract.period_column]) == {SECOND}
    assert set(logged["at"]) == {pd.Timestamp(EVENING)}
    assert (drift.window.period, drift.window.rows, drift.model_version) == (SECOND, ASKED, trained)
    assert drift.dataset_drift and set(drift.drifted) == {"waited", "night"}


def test_the_truth_of_requests_wakes_a_retrain_that_sees_what_was_known_and_no_more(
    home: Home, trained: str, decision: Decision
) -> None:
    (first, truth) = all_events(home.use_case)
    assert (first.payload["new_rows"], first.payload["months"]) == (CALLS - LATE, [FIRST])
    assert (truth.payload["new_rows"], truth.payload["months"]) == (ASKED, [SECOND])
    assert set(decision.event_ids) == {str(first.id), str(truth.id)} and decision.champion == trained
    assert (decision.outcome, decision.with_truth, decision.clock) == ("promoted", True, 2)
    manifest = read_manifest(read_model_card(home.use_case, decision.version).manifest_path(home.use_case))
    assert manifest.rows == CALLS - LATE + ASKED


def test_what_a_retrain_saw_is_what_was_known_as_of_its_time(late: Home, decision: Decision) -> None:
    assert len(late.training()) == CALLS + ASKED, "the late orders are there now"
    assert all_events(late.use_case)[-1].payload["months"] == [FIRST]
    path = read_model_card(late.use_case, decision.version).manifest_path(late.use_case)
    seen = read_shards(late.use_case.contract, [path.parent / file.path for file in read_manifest(path).files])
    keys = pd.concat([calls(FIRST, 0, CALLS), questions()])["call"]
    on_the_second_day, then = late.known(LATER, keys, SECOND, RETRAINED)
    labelled = then[then["outcome"].notna()].set_index("call")
    assert len(then) == CALLS + ASKED and labelled.index.difference(seen["call"]).empty
    columns = ["waited", "outcome"]
    pd.testing.assert_frame_equal(
        labelled[columns].sort_index(), seen.set_index("call")[columns].sort_index(), check_dtype=False
    )
    assert (len(on_the_second_day), on_the_second_day["outcome"].notna().sum()) == (CALLS + ASKED, CALLS - LATE)


def test_the_new_version_answers_as_the_new_truth_says(home: Home, server: RunningServer, decision: Decision) -> None:
    wait_until_available(server.url, "calls", 60, server.process, int(decision.version))
    rows = questions()
    with client(home, LATER, server) as asking:
        found = ask(asking, rows)
    assert {answer["model_version"] for answer in found} == {decision.version}
    right = [answer["prediction"] == "order" for answer in found] == orders(rows)["ordered"].to_numpy()
    assert np.mean(right) > 0.9
