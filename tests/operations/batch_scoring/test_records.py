"""What a scoring leaves: how far it is, its record, and a file of every kind for every task."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.storage.layout import SCORES
from lakehouse.storage.small_tables import commit_properties
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import WrongUseError
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase
from operations.batch_scoring.progress import Wanted, how_far
from operations.batch_scoring.records import finish, scoring_records
from tests.use_case_copies import USE_CASES

REASONS = ("ok", "out of range: x is 9, the model answers 1 to below 9", "out of range: x is 8, …")


def case_of(name: str, home: Path) -> UseCase:
    return UseCase(load_settings(home=home, use_case=name), load_contract(USE_CASES[name] / name / "contract.yaml"))


def answers_of(case: UseCase) -> dict[str, Any]:
    """The answers' columns of three rows; the model was not asked about the last two."""
    label = case.contract.label
    if not label.classes:
        return {"prediction": [1.5, 2.0, 3.0], "lower": [1.0, None, None], "upper": [2.0, None, None]}
    given = [(name, 0.25 + number) for number, name in enumerate(label.class_names)]
    return {
        "prediction": [label.name_of(0)] * 3,
        "class_id": pa.array([0] * 3, pa.int32()),
        "probabilities": pa.array([given, None, None], pa.map_(pa.string(), pa.float64())),
    }


def write(
    case: UseCase,
    scoring: str | None,
    switched_off: str | None,
    first: int = 0,
    version: int = 3,
    note: dict[str, Any] | None = None,
) -> None:
    """Three rows of a scoring of silver/some by model 7; None: as an older release wrote them."""
    columns = {
        case.contract.key.column: [str(first + number) for number in range(3)], "table": ["silver/some"] * 3,
        "version": [version] * 3, "model": ["7"] * 3, **answers_of(case), "predictor_type": ["model", "rules", "rules"],
        "reason": REASONS, "model_version": pa.array(["7", None, None], pa.string()),
    }  # fmt: skip
    if scoring is not None:
        columns |= {"scoring": [scoring] * 3, "switched_off": [switched_off] * 3}
    write_deltalake(
        case.table(SCORES), pa.table(columns), mode="append", schema_mode="merge",
        commit_properties=commit_properties(note),
    )  # fmt: skip


def wanted(*switched_off: str, rows: int = 3) -> Wanted:
    return Wanted("silver/some", 3, Path("/models/7"), switched_off, rows)


def test_how_far_a_scoring_is_counts_only_rows_with_the_same_switched_off(tmp_path: Path) -> None:
    case = case_of("insurance", tmp_path)
    assert (how_far(case, wanted()).done, how_far(case, wanted(rows=0)).done) == (False, True)
    write(case, "first", "age < 20; all rows")
    write(case, "another version", "", version=2)
    found = how_far(case, wanted("", "age < 20"))  # their order does not matter
    assert (found.scoring, found.scored, found.others, found.done) == ("first", 3, 0, True)
    half = how_far(case, wanted("", "age < 20", rows=6))
    assert (half.scoring, half.scored, half.done) == ("first", 3, False)
    for other in (how_far(case, wanted("age < 20")), how_far(case, wanted("", "age < 20"), again=True)):
        assert (other.scoring, other.scored, other.others, other.done) == ("", 0, 3, False)


def test_rows_of_an_older_release_count_as_scored_with_nothing_switched_off(tmp_path: Path) -> None:
    case = case_of("insurance", tmp_path)
    write(case, None, None)
    assert how_far(case, wanted()).done
    assert how_far(case, wanted(rows=4)).others == 3  # nobody can go on with them
    assert how_far(case, wanted("age < 20")).others == 3
    with pytest.raises(WrongUseError, match="an older release, which kept no record of it; --again"):
        finish(case, how_far(case, wanted()), "csv")


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("insurance", ["class_id", "probability_high", "probability_medium", "probability_low"]),
        ("rentals", ["lower", "upper"]),
        ("tickets", None),
    ],
)
def test_record_and_file_tell_each_task_and_are_written_once(
    tmp_path: Path, name: str, columns: list[str] | None
) -> None:
    case = case_of(name, tmp_path)
    columns = columns or ["class_id", *(f"probability_{label}" for label in case.contract.label.class_names)]
    write(case, "20261130-1", "")
    write(case, "another", "", first=10)
    whole = replace(wanted(), scoring="20261130-1", scored=3)
    record, new = finish(case, whole, "csv")
    assert new and record.rows == 3 and record.answered_by == {"model": 1, "rules": 2}
    assert record.reasons == {"out of range": 2, "ok": 1} and record.rules_share == pytest.approx(2 / 3)
    read = pd.read_csv(record.file, dtype={case.contract.key.column: str})
    key = case.contract.key.column
    assert list(read) == [key, "prediction", *columns, "predictor_type", "reason", "model_version"]
    assert list(read[key]) == ["0", "1", "2"] and list(read["reason"]) == list(REASONS)
    model_gave = read[columns[-1]]
    assert model_gave.notna().tolist() == [True, False, False]
    assert finish(case, whole, "csv") == (record, False) == finish(case, whole)
    assert scoring_records(case) == [record]

    Path(record.file).unlink()
    again, new = finish(case, whole, "csv")
    assert not new and again.sha256 == record.sha256 and Path(again.file).exists()
    parquet, _ = finish(case, whole, "parquet")
    assert pd.read_parquet(parquet.file)[columns[-1]].iloc[0] == model_gave.iloc[0]


def test_a_record_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    case = case_of("insurance", tmp_path)
    write(case, "good", "")
    record, _ = finish(case, how_far(case, wanted()))
    (Path(tmp_path) / "reports" / "insurance" / "scores" / "zz.json").write_text("{")
    assert scoring_records(case) == [record] and record.file == ""
