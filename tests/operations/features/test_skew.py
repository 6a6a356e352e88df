"""Served values against training's: none on the honest path, and the predecessor's half-year shift is found."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from console.cli.features_skew import skew_command
from lakehouse.requests.stream import open_stream
from lakeloop.exceptions import NotFoundError
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.exceptions import SkewError
from operations.features.corrected import corrected_since_served
from operations.features.served import served_rows
from operations.features.skew import SkewReport, differs, measure_skew
from operations.features.training_serving_join import training_serving_joins
from operations.simulation import AnsweredPeriods, PeriodCounts, questions_of
from tests.lakehouse.request_log import log_file, record
from tests.lakes import HEADER, OwnLake, policy
from tests.use_case_copies import copy_insurance

AT = "2023-01-05T10:00:00+00:00"
FLOATS = ("age", "braking_distance", "power", "miles")


def asked(number: int, **features: float) -> str:
    """A request about one of the small lake's policies, with its own values unless others are given."""
    return record(f"r{number}", key=f"2023-01-{number:04d}", features=features, at=AT)


def stream(lake: OwnLake, lines: Iterable[str]) -> None:
    log_file(lake, "a", lines)
    with open_stream(lake, lambda line: None) as take:
        take()


def sources(report: SkewReport) -> dict[str, int]:
    return {join.source: join.rows for join in report.joins}


def test_honest_requests_have_no_skew_and_what_cannot_be_joined_is_said(
    small: OwnLake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    strangers = [
        record("s1", at=AT),
        record("s2", key="nobody", at=AT),
        record("s3", key="2023-01-0001", at="2023-05-05T10:00:00+00:00"),
    ]
    stream(small, [*(asked(number) for number in range(25, 35)), *strangers])
    report = measure_skew(small)
    assert report.verdict == "no skew" and report.served == 13
    assert sources(report) == {"gold/training": 5, "silver/policies": 5}, "silver where the truth has not come"
    for join in report.joins:
        assert join.independent and not any(one.differing for one in join.features)
    assert [(one.feature, one.logged, one.trained) for one in report.types][:2] == [
        ("training", "int", "int"), ("age", "float", "float"),
    ]  # fmt: skip
    gaps = "\n".join(report.gaps)
    assert "1 of 13 requests have no policy_id" in gaps and "no model was pushed yet" in gaps
    assert "1 requests are about a key that was delivered for another month" in gaps
    assert "1 requests are about a key that nobody delivered and no simulation drew" in gaps
    assert "model 7 gave 13 answers and is not in" in gaps
    later = measure_skew(small, "2023-02")
    assert (later.served, later.joins, later.verdict) == (1, (), "not known")
    assert "no served row has values that came another way than through the gateway" in "\n".join(later.gaps)
    monkeypatch.setenv("LAKELOOP_HOME", str(small.settings.home))
    skew_command()
    assert "silver/policies" in capsys.readouterr().out
    with pytest.raises(NotFoundError, match="nothing could be compared"):
        skew_command(since="2023-02", as_json=True)


def test_values_cut_to_integers_are_found_by_value_and_by_type_but_corrected_ones_are_no_skew(
    small: OwnLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The predecessor's API took an age of 41, training one of 41.5."""
    corrected = [asked(number) for number in range(3)]
    cut = [asked(number, age=41) for number in range(5, 12)]
    stream(small, [*corrected, *cut])
    changed = "".join(policy("2023-01", number, {"age": "50.5"}) for number in range(3))
    small.deliver("policies", "policies-2023-01.v2.csv", HEADER + changed)
    small.ingest()
    report = measure_skew(small)
    (join,) = report.joins
    features = {one.feature: one for one in join.features}
    age = features["age"]
    assert (join.rows, join.corrected, age.differing, age.largest) == (10, 3, 7, 0.5)
    assert {(example.served, example.trained) for example in age.examples} == {(41.0, 41.5)}
    assert not any(one.differing for name, one in features.items() if name != "age")
    said, of_types = report.skewed
    assert said.startswith(
        "age differs from gold/training in 7 of 10 rows, by up to 0.5: 2023-01-0005 (41.0, training 41.5)"
    )
    assert of_types == (
        "age is float in the contract, float, int in the request log's newest lines and float in training"
    )
    delivered_once = served_rows(small).assign(policy_id="2023-01-0020", age=41.5)
    assert not corrected_since_served(small, delivered_once).any(), "nothing was corrected"
    monkeypatch.setenv("LAKELOOP_HOME", str(small.settings.home))
    with pytest.raises(SkewError, match=r"served values are not what training saw:\n  age differs") as caught:
        skew_command()
    assert caught.value.exit_code == 1


def test_a_simulations_rows_are_compared_with_what_its_generator_drew(lake: OwnLake) -> None:
    questions = questions_of(lake, 1, "played")[:60]
    AnsweredPeriods(lake, "played").add(1, PeriodCounts(60, 0))
    lines = []
    for number, question in enumerate(questions):
        given = {name: float(int(question.features[name])) for name in FLOATS} if number % 2 else {}
        lines.append(record(question.request_id, question.key, question.features | given, at=question.at))
    stream(lake, lines)
    (join,) = measure_skew(lake).joins
    assert (join.source, join.independent, join.rows) == ("the simulation's own rows", True, 60)
    differing = {one.feature: one.differing for one in join.features}
    assert differing == {name: 30 if name in FLOATS else 0 for name in lake.contract.features}


def test_keys_that_a_generator_draws_as_numbers_are_joined(tmp_path: Path) -> None:
    use_cases = copy_insurance(tmp_path / "data")
    generator = use_cases / "insurance" / "generator.py"
    generator.write_text(
        generator.read_text().replace(
            '{"policy_id": name + "-" + keys,', '{"policy_id": np.arange(len(keys)) + month * 10_000,'
        )
    )
    settings = load_settings(home=tmp_path / "home", use_case="insurance", use_cases=use_cases)
    contract = open_use_case(settings).contract
    questions = questions_of(UseCase(settings, contract), 1, "played")[:30]
    AnsweredPeriods(open_use_case(settings), "played").add(1, PeriodCounts(30, 0))
    served = pd.DataFrame(
        [{"request_id": q.request_id, "policy_id": q.key, "month": q.at[:7], **q.features} for q in questions]
    )
    assert served["policy_id"].tolist()[:2] == ["10000", "10001"]
    (join,) = training_serving_joins(UseCase(settings, contract), served).joined
    assert (join.source, len(join.rows)) == ("the simulation's own rows", 30)
    assert (join.rows["age"] == join.rows["age_trained"]).all()


def test_an_empty_lake_has_nothing_to_compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKELOOP_HOME", str(tmp_path))
    with pytest.raises(NotFoundError, match="the lake has no answered request"):
        skew_command()


def test_numbers_differ_where_the_model_can_tell_them_apart() -> None:
    served = pd.Series([1.0, 0.1, 41.0, 0.0, np.nan])
    trained = pd.Series([1.0 + 1e-9, float(np.float32(0.1)), 41.5, 0.0, 1.0])
    assert differs(served, trained, "float").tolist() == [False, False, True, False, True]
    assert differs(pd.Series([1, 2]), pd.Series([1, 3]), "int").tolist() == [False, True]
    assert differs(pd.Series(["a", "b"]), pd.Series(["a", "c"]), "string").tolist() == [False, True]
