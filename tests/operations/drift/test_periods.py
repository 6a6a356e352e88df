"""Answered requests in the lake, measured month by month against the model that answered them."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from sqlalchemy import delete

from lakehouse.requests.stream import stream
from lakeloop.drift_report import DriftReport
from lakeloop.drift_rows import reports_of
from lakeloop.drift_store import lake_reports
from lakeloop.exceptions import NotFoundError
from lakeloop.operational_db import drift_reports, engine
from lakeloop.settings import Settings
from lakeloop.use_case import open_use_case
from monitoring.drift.reference import load_reference
from operations.drift import periods as drift_job
from operations.drift.periods import DetectedDrift, detect_windows
from operations.simulation import questions_of
from tests.lakehouse.request_log import by_rules, log_file, record
from tests.lakes import OwnLake
from tests.monitoring.conftest import NOBODY, push_card

LOW, HIGH = [0.1, 0.2, 0.7], [0.7, 0.2, 0.1]


def lines(lake: OwnLake, month: int, version: str | None = "7", first: int = 0, last: int = 1500) -> Iterator[str]:
    """Rows of a generated month as answered requests; `version` None: the rules answered without a model."""
    for question in questions_of(lake, month, "t")[first:last]:
        known = {"at": question.at, "features": question.features}
        if version is None:
            yield by_rules(question.request_id, question.key, **known)
        else:
            yield record(question.request_id, question.key, **known, model_version=version, probabilities=LOW)


@dataclass
class Told:
    """What the job reported at each moment, and the table's version after it."""

    lake: OwnLake
    reports: dict[str, DetectedDrift]
    versions: dict[str, int]

    def month(self, name: str, version: str = "7", moment: str = "first") -> DriftReport:
        found = [v for v in self.reports[moment].reports if (v.window.period, v.model_version) == (name, version)]
        assert len(found) == 1
        return found[0]


@pytest.fixture(scope="module")
def told(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Told:
    settings = Settings(home=tmp_path_factory.mktemp("drift"), use_case="insurance", model_server_url=NOBODY)
    lake = OwnLake(settings, open_use_case(settings).contract, lambda: spark)
    with pytest.raises(
        NotFoundError, match=r"no request .* answered yet: ask some through the gateway \(`lakeloop simul"
    ):
        detect_windows(lake)
    push_card(lake.contract, lake.settings, "7")
    load_reference(lake, "7", lambda *given: np.array([LOW] * len(given[-1])))
    log_file(lake, "w-1", [*lines(lake, 1), *lines(lake, 2, None), *lines(lake, 3, "7", 0, 1400)])
    log_file(lake, "w-2", [*lines(lake, 3, None, 1400), *lines(lake, 4, "7", 0, 800), *lines(lake, 4, "8", 800)])
    log_file(lake, "w-3", [*lines(lake, 11), *lines(lake, 12), *lines(lake, 13, "7", 0, 700)])
    stream(lake)
    told = Told(lake, {}, {})

    def measure(moment: str, **options: Any) -> None:
        told.reports[moment] = detect_windows(lake, **options)
        told.versions[moment] = lake.versions()["gold/drift"]

    measure("first")
    measure("again")
    measure("by requests", kind="tumbling", periods=(3, 4))
    measure("what if", model="7")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drift_job, "MOST_ROWS", 1000)
        measure("sampled", model="7", periods=(10, 12))
    log_file(lake, "w-4", [*lines(lake, 13, "7", 700, 1500)])
    stream(lake)
    measure("more")
    return told


def test_month_12_in_the_lake_is_the_reference_month_to_four_digits(told: Told) -> None:
    report = told.month("2024-01")
    scores = {column.column: column.score for column in report.features}
    assert [round(scores[name] or 0, 4) for name in ("miles", "emergency_braking", "age")] == [0.2242, 0.1315, 0.0970]
    assert (report.state, report.window.rows) == ("stable", 1500)
    assert report.window.first.startswith("2024-01-01T00:") and report.window.last.startswith("2024-01-31T23:")
    assert report.prediction is not None
    assert (report.prediction.score, report.prediction.drifted) == (0.0, False)


def test_dataset_drift_opens_in_month_11(told: Told) -> None:
    assert told.month("2023-12").state == "drift"
    (episode,) = told.reports["first"].episodes
    assert (episode.opened_by.period, episode.is_open, episode.drifted_windows) == ("2023-12", True, 1)
    (longer,) = told.reports["more"].episodes
    assert (longer.opened_by.period, longer.last_drifted.period, longer.drifted_windows) == ("2023-12", "2024-02", 2)


def test_requests_that_rules_answered_alone_go_to_the_model_of_their_month_or_the_serving_one(told: Told) -> None:
    rules_alone = told.month("2023-03")
    assert (rules_alone.state, rules_alone.window.rows) == ("stable", 1500)
    assert rules_alone.prediction is not None and rules_alone.prediction.score is None
    mixed = told.month("2023-04")
    assert (mixed.state, mixed.window.rows) == ("stable", 1500)
    assert mixed.prediction is not None and mixed.prediction.note == "the model did not answer 100 of 1500"


def test_each_model_s_requests_are_measured_against_its_own_rows(told: Told) -> None:
    assert told.month("2023-05").window.rows == 800
    other = told.month("2023-05", "8")
    assert (other.state, other.window.rows, other.features) == ("no reference", 700, ())
    assert other.reason.startswith("there is no pushed version 8 of insurance; pushed: 7")
    few = told.month("2024-02")
    assert (few.state, few.reason) == ("too few rows", "700 rows; at least 750 are needed")


def test_only_what_changed_is_measured_again(told: Told) -> None:
    reports, versions = told.reports, told.versions
    assert (reports["first"].measured, reports["again"].measured, reports["more"].measured) == (8, 0, 1)
    assert reports["again"].reports == reports["first"].reports
    assert versions["again"] == versions["first"]
    assert told.month("2024-02", moment="more").state == "drift"
    before = [v for v in reports["first"].reports if v.window.period != "2024-02"]
    assert [v for v in reports["more"].reports if v.window.period != "2024-02"] == before


def test_store_and_table_hold_the_reports_the_table_with_comments(told: Told) -> None:
    lake = told.lake
    assert lake_reports(lake) == told.reports["more"].reports
    table = DeltaTable(lake.table("gold/drift"))
    months = table.to_pyarrow_table(filters=[("kind", "=", "month")]).to_pylist()
    assert reports_of(months, lake.contract) == list(told.reports["more"].reports)
    rows = table.to_pandas()
    month = rows[(rows["month"] == "2023-12") & (rows["kind"] == "month")].set_index(["column_kind", "column"])
    assert len(month) == 9 and not rows.duplicated(["model_version", "kind", "month", "first", "column"]).any()
    whole = month.loc[("dataset", "dataset")]
    assert (whole["score"], whole["threshold"], bool(whole["drifted"])) == (0.5, 0.5, True)
    assert (whole["drifted_columns"], whole["columns"], whole["rows"]) == (3, 6, 1500)
    assert month.loc[("feature", "miles"), "score"] == pytest.approx(0.28385, abs=5e-6)
    unmeasured = rows[(rows["state"] == "no reference") & (rows["kind"] == "month")]
    assert unmeasured["column_kind"].tolist() == ["dataset"] and pd.isna(unmeasured["score"].iloc[0])
    described = {field.name: field.metadata.get("comment") for field in table.schema().fields}
    assert described["score"] and described["model_version"] and described["state"]


def test_windows_of_requests_stay_within_their_month_beside_the_months(told: Told) -> None:
    windows = [v.window for v in told.reports["by requests"].reports if v.model_version == "7"]
    assert [(w.kind, w.period, w.rows) for w in windows] == [
        ("tumbling", "2023-04", 1500),
        ("tumbling", "2023-05", 800),
    ]
    rows = told.lake.rows("gold/drift")
    assert set(rows["kind"]) == {"month", "tumbling"}


def test_what_if_measures_everybody_s_requests_and_writes_nothing(told: Told) -> None:
    may = told.month("2023-05", moment="what if")
    assert (may.window.rows, may.state) == (1500, "stable")
    assert may.prediction is not None and may.prediction.note == "the model did not answer 700 of 1500"
    assert told.versions["what if"] == told.versions["by requests"]


def test_a_month_too_large_to_take_whole_is_sampled_in_the_lake(told: Told) -> None:
    month = told.month("2023-12", moment="sampled")
    assert month.window.rows == 1500 and month.sampled_rows is not None and 900 < month.sampled_rows < 1100
    assert month.state == "drift" and month.standard_error is not None and 0 < month.standard_error < 0.05
    scores = {column.column: column.score for column in month.features}
    assert scores["miles"] == pytest.approx(0.28385, abs=4 * month.standard_error)


def test_a_table_that_is_gone_is_made_again_from_the_store_and_an_empty_store_from_the_table(told: Told) -> None:
    lake, known = told.lake, told.reports["more"].reports
    shutil.rmtree(lake.table("gold/drift"))
    assert detect_windows(lake).measured == 0
    months = DeltaTable(lake.table("gold/drift")).to_pyarrow_table().to_pylist()
    assert reports_of(months, lake.contract) == list(known)
    with engine(lake.settings.operational_db).begin() as connection:
        connection.execute(delete(drift_reports))
    assert lake_reports(lake) == known
    assert detect_windows(lake).measured == 0
