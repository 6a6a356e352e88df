"""The request log in bronze and silver: one story in one lake, each test looks at a part of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from pyspark.errors import StreamingQueryException
from pyspark.sql import SparkSession

from lakehouse.read.window import newest_requests
from lakehouse.requests import stream as streaming
from lakehouse.requests.lines import check_names
from lakehouse.requests.log_files import new_files, put_away
from lakehouse.requests.stream import StreamReport, stream
from lakehouse.storage.layout import read_json, write_json
from lakehouse.storage.lock import only_one
from lakeloop.exceptions import BusyError, WrongUseError
from operations.lineage.trace import trace_request
from tests.lakehouse.request_log import by_rules, log_file, record
from tests.lakes import OwnLake, own_lake

BROKEN = record("r5")[:-22] + "\n"


class Story:
    """A lake and what its streams reported, by the name of what was in the log."""

    def __init__(self, lake: OwnLake) -> None:
        self.lake, self.reports = lake, dict[str, StreamReport]()
        self.versions: dict[str, dict[str, int]] = {}

    def take(self, name: str, *lines: str | bytes) -> None:
        if lines:
            log_file(self.lake, name, lines)
        self.reports[name] = stream(self.lake)
        self.versions[name] = self.lake.versions()


@pytest.fixture(scope="module")
def story(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    lake = own_lake(spark, tmp_path_factory.mktemp("stream"))
    story = Story(lake)
    story.take(
        "first",
        record("r1", "2023-03-0001"),
        "\n",
        by_rules("r2", features={"age": 5.0}, at="2023-02-28T23:59:59.999999+00:00", rules_sha256="ab" * 32),
        record("r3", "2023-03-0003", at="2023-03-01T00:30:00+01:00"),
        BROKEN,
        b'{"request_id": "r6", "key": "\xff"}\n',
        record("r7", features={"age": 151.0}, class_id=1, probabilities=[0.5, 0.5]),
        record("r8", at="soon", predictor_type="oracle", prediction="none"),
        record("r1", "2023-03-0001", answered_at="2026-01-01T00:00:09+00:00", prediction="high", class_id=0),
    )
    story.take("nothing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "refine_predictions", lambda *_: pytest.fail("crash"))
        with pytest.raises(pytest.fail.Exception):
            story.take(
                "repeated",
                record("r3", at="2023-05-01T00:00:00+00:00", prediction="high", class_id=0),
                record("late", "2022-12-0001", at="2022-12-24T18:00:00+00:00"),
            )
    # Neither the batch's end nor what was taken was noted: as if killed right after bronze was written.
    commits = lake.settings.home / "lake" / "_checkpoints" / "insurance" / "requests" / "commits"
    newest = max(int(path.name) for path in commits.iterdir() if path.name.isdigit())
    (commits / str(newest)).unlink()
    (commits / f".{newest}.crc").unlink()
    story.take("repeated")
    yield story


@pytest.fixture(scope="module")
def silver(story: Story) -> pd.DataFrame:
    return story.lake.rows("silver/predictions").set_index("request_id").sort_index()


def test_every_request_is_in_silver_once_however_often_it_was_logged(story: Story, silver: pd.DataFrame) -> None:
    assert silver.index.tolist() == ["late", "r1", "r2", "r3"]
    first, repeated = story.reports["first"], story.reports["repeated"]
    assert (first.files, first.inserted, first.repeated, first.rejected) == (1, 3, 1, 4)
    assert (repeated.inserted, repeated.repeated, repeated.rejected) == (1, 1, 0)


def test_of_a_repeated_request_the_first_answer_stays(silver: pd.DataFrame) -> None:
    assert silver.loc["r1", "prediction"] == silver.loc["r3", "prediction"] == "low"
    assert silver.loc["r3", "at"] == datetime(2023, 2, 28, 23, 30, tzinfo=UTC)


def test_columns_are_typed_and_the_month_is_the_utc_month_of_at(silver: pd.DataFrame) -> None:
    assert silver["month"].to_dict() == {"late": "2022-12", "r1": "2023-03", "r2": "2023-02", "r3": "2023-02"}
    row = silver.loc["r1"]
    assert (row["policy_id"], row["training"], row["age"]) == ("2023-03-0001", 0, 41.5)
    assert row[["probability_high", "probability_medium", "probability_low"]].tolist() == [0.1, 0.2, 0.7]
    assert (row["confidence"], row["class_id"], row["model_version"], row["latency_ms"]) == (0.7, 2, "7", 1.25)
    assert row["answered_at"] == datetime(2026, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert (row["_source_file"], row["_line"], row["_batch"]) == ("first.jsonl", 1, 1)


def test_an_answer_without_the_model_has_no_probabilities_and_a_kind_of_reason(silver: pd.DataFrame) -> None:
    row = silver.loc["r2"]
    assert row[["probability_high", "confidence", "model_version", "policy_id"]].isna().all()
    assert (row["predictor_type"], row["reason_kind"]) == ("rules", "out of range")
    assert row["reason"].startswith("out of range: age is 5,")


def test_lineage_tells_which_rules_answered_by_the_line_that_bronze_keeps(story: Story) -> None:
    facts = trace_request(story.lake, "r2").item("request r2").facts
    assert facts["rules"] == f"rules.py, sha256 {'ab' * 32} (it has changed since)"


def test_bronze_keeps_every_line_as_delivered_also_what_is_no_record(story: Story) -> None:
    bronze = story.lake.rows("bronze/requests").sort_values(["_batch", "_line"])
    assert bronze.groupby("_batch").size().to_dict() == {1: 8, 2: 2}
    flawed = bronze[bronze["_flaw"].notna()]
    assert flawed[["_line", "_flaw"]].values.tolist() == [
        [5, "the line is not a request record in JSON"], [6, "the line is not valid UTF-8"]
    ]  # fmt: skip
    assert flawed["_rescued"].iloc[0] == BROKEN.strip() and flawed["line"].isna().all()
    whole = bronze[bronze["_flaw"].isna()]
    assert whole["line"].iloc[0] == record("r1", "2023-03-0001").strip() and whole["_rescued"].isna().all()


def test_rejects_name_file_line_and_every_reason(story: Story) -> None:
    rejects = story.lake.rejects("first.jsonl")
    assert rejects[["source", "line"]].values.tolist() == [["requests", n] for n in (5, 6, 7, 8)]
    assert rejects[["reason", "value"]].values.tolist()[2:] == [
        [
            "`age` is outside 0 to 150 years; `class_id` is not the prediction's; "
            "`probabilities` are not 3 numbers from 0 to 1",
            "age = '151.0'; class_id = '1'",
        ],
        [
            "`at` is not an ISO 8601 time; `prediction` is not one of high, medium, low; "
            "`predictor_type` is not one of model, rules",
            "at = 'soon'; prediction = 'none'; predictor_type = 'oracle'",
        ],
    ]


def test_a_time_that_no_reader_can_tell_is_rejected_and_everything_else_is_read(lake: OwnLake) -> None:
    log_file(lake, "w-1", [
        record("good"),
        record("far", at="9999-12-31T23:59:59-12:00"),  # in UTC the year 10000
        record("old", at="0001-01-01T00:00:00+00:00"),
        record("late", answered_at="9999-01-01T00:00:00Z"),
    ])  # fmt: skip
    stream(lake)
    assert lake.rows("silver/predictions")["request_id"].tolist() == ["good"]
    told = "\n".join(lake.rejects("w-1.jsonl")["reason"])
    assert told.count("1970 to 2199") == 3 and told.count("`at` ") == 2 and told.count("`answered_at` ") == 1
    assert newest_requests(lake, 10)["month"].tolist() == ["2023-03"]


def test_a_stream_with_nothing_new_touches_no_table(story: Story) -> None:
    assert not story.reports["nothing"].changed
    assert story.versions["nothing"] == story.versions["first"]


def test_a_lost_checkpoint_doubles_neither_bronze_nor_silver(story: Story) -> None:
    lake = story.lake
    checkpoint = lake.settings.home / "lake" / "_checkpoints"
    checkpoint.rename(checkpoint.with_name("_lost"))
    story.take("after", record("r9"))
    assert lake.rows("bronze/requests").groupby("_source_file").size().to_dict() == {
        "first.jsonl": 8, "repeated.jsonl": 2, "after.jsonl": 1
    }  # fmt: skip
    assert sorted(lake.rows("silver/predictions")["request_id"]) == ["late", "r1", "r2", "r3", "r9"]
    assert len(lake.rows("silver/rejects")) == 4


@pytest.mark.long
def test_a_home_that_was_moved_goes_on_where_it_was(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = own_lake(spark, tmp_path / "before")
    log_file(lake, "a", [record("r1")])
    stream(lake)
    log_file(lake, "b", [record("r2")])

    def dies(*_: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(streaming, "_appender", lambda *_: dies)
        with pytest.raises(StreamingQueryException):
            stream(lake)
    moved = own_lake(lake.spark, lake.settings.home.rename(tmp_path / "moved"))
    log_file(moved, "c", [record("r3")])
    monkeypatch.setattr(streaming, "BYTES_A_BATCH", 1)  # a file a batch
    stream(moved)
    assert moved.rows("bronze/requests")["_source_file"].sort_values().tolist() == ["a.jsonl", "b.jsonl", "c.jsonl"]
    assert sorted(moved.rows("silver/predictions")["request_id"]) == ["r1", "r2", "r3"]
    identity = moved.work_folder / "requests" / "stream.json"
    known = read_json(identity)
    assert known["log"].startswith(str(tmp_path / "moved")) and not known["again"]
    write_json(identity, known["id"])  # as an older release kept it: nobody knows where the log was
    log_file(moved, "d", [record("r4")])
    stream(moved)
    assert moved.rows("bronze/requests")["_source_file"].sort_values().tolist() == [f"{n}.jsonl" for n in "abcd"]


def test_a_second_stream_on_the_same_home_is_refused(lake: OwnLake) -> None:
    with (
        only_one(lake.work_folder / "stream.lock"),
        pytest.raises(BusyError, match="another stream is running"),
    ):
        stream(lake)


def test_a_feature_named_like_a_column_of_the_table_is_refused_with_the_names_taken(lake: OwnLake) -> None:
    features = {**lake.contract.features, "reason": lake.contract.features["age"]}
    with pytest.raises(
        WrongUseError, match=r"`reason` is a column of silver/predictions itself.*Taken names: .*latency_ms"
    ):
        check_names(lake.contract.model_copy(update={"features": features}))


def test_only_the_newest_files_that_were_taken_stay_in_the_log_s_folder(lake: OwnLake) -> None:
    files = [log_file(lake, f"w-{n}", [record(f"r{n}")]) for n in range(4)]
    put_away(lake, files[:3], keep=1)
    folder = files[0].parent
    assert sorted(p.name for p in folder.glob("*.jsonl")) == ["w-2.jsonl", "w-3.jsonl"]
    assert sorted(p.name for p in folder.glob("_streamed/*/*")) == ["w-0.jsonl", "w-1.jsonl"]
    assert [p.name for p in new_files(lake)] == ["w-3.jsonl"]
