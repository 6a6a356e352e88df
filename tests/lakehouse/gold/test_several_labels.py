"""Several labels a row: gold has their set by number and names, exports the number, and answers are held against it."""

from functools import partial
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakehouse.gold.export import export
from lakehouse.requests.stream import stream
from lakeloop.added_columns import with_label
from lakeloop.drawn_rows import sample_period
from lakeloop.exported import read_shards
from lakeloop.manifest import read_manifest
from operations.delivery import generate
from tests.lakehouse.request_log import line, log_file
from tests.lakes import OwnLake, own_lake

pytestmark = pytest.mark.long

request = partial(
    line, at="2024-01-05T10:00:00+00:00",
    features={"channel": "web", "plan": "basic", "amounts": 1, "failures": 0, "words": 40},
)  # fmt: skip


@pytest.fixture(scope="module")
def tickets(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> OwnLake:
    lake = own_lake(spark, tmp_path_factory.mktemp("tickets"), "tickets")
    generate(lake, [0])
    (topics,) = (lake.folder("landing") / "topics").glob("*.csv")
    lines = topics.read_text().splitlines()
    words = {"0": "no", "1": "yes"}
    key, *said = lines[1].split(",")
    lines[1] = ",".join([key, *(words[one] for one in said)])
    lines[2] = ",".join([*lines[2].split(",")[:3], "maybe"])
    lines[3] = ",".join([*lines[3].split(",")[:3], ""])
    topics.write_text("\n".join(lines) + "\n")
    lake.ingest()
    return lake


def test_gold_and_exports_have_the_set(tickets: OwnLake) -> None:
    drawn = with_label(tickets.contract, sample_period(tickets, 0)).set_index("ticket").sort_index()
    gold = tickets.rows("gold/training").set_index("ticket").sort_index()
    assert list(gold.columns)[-3:] == ["topics_set", "topics", "topics_name"]
    gone = ["t0000001", "t0000002"]
    assert drawn.index.difference(gold.index).tolist() == gone, "one is no yes or no, of the other nobody knows"
    drawn = drawn.drop(gone)
    for name in ("topics", "topics_name"):
        assert gold[name].tolist() == drawn[name].tolist()
    (reject,) = tickets.rejects("topics-2024-01.csv").to_dict("records")
    assert "outage" in reject["reason"] and "maybe" in reject["value"]
    manifest = export(tickets)
    exported = read_shards(tickets.contract, [manifest.parent / one.path for one in read_manifest(manifest).files])
    pd.testing.assert_series_equal(exported.set_index("ticket")["topics"].sort_index(), drawn["topics"])


def test_a_periods_summary_tells_the_share_of_each_label(tickets: OwnLake) -> None:
    (row,) = tickets.rows("gold/monthly").to_dict("records")
    ids = tickets.rows("gold/training")["topics"].to_numpy(int)
    shares = [row[f"{name}_share"] for name in tickets.contract.label.columns]
    assert shares == pytest.approx([(ids >> place & 1).mean() for place in range(3)])
    assert "topics_set_mean" not in row


def test_answered_sets_come_into_the_lake_and_are_held_against_their_truth(tickets: OwnLake) -> None:
    label, known = tickets.contract.label, tickets.rows("gold/training").set_index("ticket")["topics"].head(3)
    rules = {"predictor_type": "rules", "reason": "out of range: words", "model_version": None, "probabilities": None}
    right, wrong, by_rules = int(known.iloc[0]), int(known.iloc[1]) ^ 1, int(known.iloc[2])

    def said(set_id: int) -> dict[str, Any]:
        return {"prediction": label.name_of(set_id), "class_id": set_id}

    sure = [0.9 if right >> place & 1 else 0.2 for place in range(3)]
    lines = [
        request("a", known.index[0], **said(right), probabilities=sure),
        request("b", known.index[1], **said(wrong), probabilities=[0.5, 0.5, 0.5]),
        request("c", known.index[2], **said(by_rules), **rules),
        request("d", None, prediction="login", class_id=3, probabilities=[0.5, 0.5, 0.5]),
        request("e", None, prediction="login", class_id=9, probabilities=[0.5, 0.5, 0.5]),
        request("f", None, prediction="login", class_id=2, probabilities=[0.5, 0.5]),
    ]
    log_file(tickets, "w-1", lines)
    stream(tickets)
    tickets.ingest()
    answered = tickets.rows("silver/predictions").set_index("request_id")
    assert set(answered.index) == {"a", "b", "c"}
    assert answered.loc["a", [f"probability_{name}" for name in label.columns]].tolist() == sure
    likely = 1.0
    for place, one in enumerate(sure):
        likely *= one if right >> place & 1 else 1 - one
    assert answered.loc[["a", "b"], "confidence"].tolist() == pytest.approx([likely, 0.125])
    assert answered["confidence"].isna().tolist() == answered.index.isin(["c"]).tolist()
    reasons = tickets.rejects("w-1.jsonl").sort_values("line")["reason"].tolist()
    assert "is not what `class_id` says" in reasons[0] and "is no set of the 3 labels" in reasons[1]
    assert reasons[2] == "`probabilities` are not 3 numbers from 0 to 1"
    rows = tickets.rows("gold/performance").set_index("model_version")
    assert (rows.loc["7", "with_truth"], rows.loc["7", "accuracy"]) == (2, 0.5), "exactly the right labels"
    assert rows.loc["", ["answered", "rules", "with_truth", "correct"]].tolist() == [1, 1, 1, 1]
