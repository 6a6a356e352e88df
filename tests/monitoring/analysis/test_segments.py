"""What stands out of a model's rows is found and named so that it can be switched off; chance is not."""

import time

import numpy as np
import pandas as pd
import pytest

from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.switches import parse_segment
from monitoring.analysis.segment_conditions import conditions
from monitoring.analysis.segments import OddSegments, odd_segments
from tests.use_case_copies import USE_CASES

PLANS = ("basic", "plus", "pro, annual")


def customers(count: int, seed: int = 1) -> pd.DataFrame:
    drawn = np.random.default_rng(seed)
    return pd.DataFrame({"plan": drawn.choice(PLANS, count), "usage": drawn.uniform(0, 744, count)})


def wrong_in(rows: pd.DataFrame, where: pd.Series | np.ndarray, share: float, elsewhere: float = 0.1) -> np.ndarray:
    """Whether a model is right on each row that is wrong in these shares."""
    return np.random.default_rng(2).uniform(size=len(rows)) >= np.where(where, share, elsewhere)


def search(churn: Contract, rows: pd.DataFrame, right: np.ndarray, rules: np.ndarray | None = None) -> OddSegments:
    return odd_segments(churn, customers(3_000, 7), rows, rows, 1.0 - right, None if rules is None else 1.0 - rules)


def test_every_segment_can_be_switched_off_and_means_the_same_rows(churn: Contract) -> None:
    rows = customers(500)
    rows.loc[:20, "usage"] = np.nan
    for one in conditions(churn, rows):
        segment = parse_segment(churn, one.text)
        asked = [
            {name: None if value != value else value for name, value in row.items()} for row in rows.to_dict("records")
        ]
        assert one.holds(rows).tolist() == [segment.holds(row) for row in asked], one.text
    texts = [one.text for one in conditions(churn, rows)]
    assert "plan == 'pro, annual'" in texts and len(texts) == 3 + 5
    assert sum(int(one.holds(rows).sum()) for one in conditions(churn, rows)) == 2 * 500 - 21, "each row in one bin"


def test_a_category_that_cannot_be_written_is_left_out(churn: Contract) -> None:
    rows = pd.DataFrame(
        {"plan": ["basic", "it's", "rock and roll", "'quoted'", "basic"], "usage": [1.0, 2.0, 3.0, 4.0, 5.0]}
    )
    written = [one.text for one in conditions(churn, rows) if one.feature == "plan"]
    assert written == ["plan == 'basic'", "plan == 'it's'"]


def test_where_the_model_is_weak_is_found_first(churn: Contract) -> None:
    rows = customers(1_500)
    weak = search(churn, rows, wrong_in(rows, rows["plan"] == "plus", 0.3)).of("weak")
    assert weak[0].segment == "plan == 'plus'"
    assert weak[0].accuracy == pytest.approx(0.7, abs=0.06) and weak[0].accuracy_elsewhere == pytest.approx(
        0.9, abs=0.03
    )
    assert weak[0].interval is not None and weak[0].interval[0] < 0.7 < weak[0].interval[1]
    assert weak[0].rules_accuracy is None and weak[0].p_value < 1e-6
    assert len(weak) == 1, "pairs with it are weak for no other reason"


def test_a_pair_is_named_where_it_is_worse_than_either_half(churn: Contract) -> None:
    rows = customers(3_000)
    both = (rows["plan"] == "basic") & (rows["usage"] < 149)
    found = search(churn, rows, wrong_in(rows, both, 0.6)).of("weak")[0]
    low, *_ = (one.text for one in conditions(churn, customers(3_000, 7)) if one.feature == "usage")
    assert set(found.segment.split(" and ")) == {"plan == 'basic'", low}
    assert parse_segment(churn, found.segment).holds({"plan": "basic", "usage": 1.0})


@pytest.mark.parametrize("seed", range(5))
def test_chance_is_not_named(churn: Contract, seed: int) -> None:
    rows = customers(1_500, seed)
    right, rules = (np.random.default_rng([seed, i]).uniform(size=1_500) < 0.8 for i in (0, 1))
    assert search(churn, rows, right, rules).found == ()


def test_where_rules_are_better_and_not_where_they_are_worse(churn: Contract) -> None:
    rows = customers(1_500)
    rules = np.random.default_rng(3).uniform(size=1_500) < 0.7
    right = wrong_in(rows, rows["plan"] == "basic", 0.6)
    found = search(churn, rows, right, rules)
    assert found.of("rules")[0].segment == "plan == 'basic'"
    best = found.of("rules")[0]
    assert best.rules_accuracy == pytest.approx(0.7, abs=0.06) and best.accuracy == pytest.approx(0.4, abs=0.06)
    assert len(found.of("rules")) == 1


def test_what_was_named_does_not_hide_the_next_one(churn: Contract) -> None:
    rows = customers(6_000)
    plus, much = rows["plan"] == "plus", rows["usage"] >= 600
    right = wrong_in(rows, plus, 0.6) & wrong_in(rows, ~plus & much, 0.3, 0.0)
    first, second = search(churn, rows, right).of("weak")[:2]
    assert (first.segment, second.segment.startswith("usage >= ")) == ("plan == 'plus'", True)
    assert second.accuracy is not None and second.accuracy_elsewhere is not None
    assert second.accuracy_elsewhere == pytest.approx(0.9, abs=0.02), "not of those of the plan that is weak by itself"


def test_what_came_and_what_went_is_drift(churn: Contract) -> None:
    before, now = customers(1_500), customers(1_500, 5)
    now = pd.concat([now[now["plan"] != "plus"], now[now["plan"] == "plus"].head(20)], ignore_index=True)
    found = odd_segments(churn, before, now, now.head(0), np.array([]))
    by_segment = {one.segment: one for one in found.of("drifted")}
    gone = by_segment["plan == 'plus'"]
    assert gone.share == pytest.approx(20 / len(now)) and gone.share_before == pytest.approx(1 / 3, abs=0.04)
    assert found.found[0].segment == "plan == 'plus'" and gone.accuracy is None
    assert len(found.found) == 1, "that the others make up more of what is left is the same thing"


def test_many_rows_and_features_are_searched_in_bounded_time(contract: Contract) -> None:
    drawn = np.random.default_rng(1)
    values = {
        name: drawn.integers(0, 2, 100_000) if feature.role == "binary" else drawn.normal(size=100_000)
        for name, feature in contract.features.items()
    }
    rows = pd.DataFrame(values)
    began = time.process_time()
    found = odd_segments(contract, rows, rows, rows, drawn.uniform(size=100_000) >= 0.9)
    assert found.looked_at > 200 and time.process_time() - began < 20


def test_where_numbers_are_further_off_and_where_rules_are_nearer() -> None:
    rentals = load_contract(USE_CASES["rentals"] / "rentals" / "contract.yaml")
    draw, rows = np.random.default_rng(1), 2_000
    hours = pd.DataFrame({
        "hour": draw.integers(0, 24, rows), "temperature": draw.normal(12, 8, rows),
        "sky": draw.choice(["clear", "cloudy", "rain"], rows, p=[0.5, 0.3, 0.2]), "workday": draw.integers(0, 2, rows),
    })  # fmt: skip
    rain = (hours["sky"] == "rain").to_numpy()
    loss, rules = draw.exponential(np.where(rain, 40.0, 10.0)), draw.exponential(np.where(rain, 15.0, 60.0))
    found = odd_segments(rentals, hours, hours, hours, loss, rules)
    (weak,), (nearer,) = found.of("weak"), found.of("rules")
    assert weak.segment == nearer.segment == "sky == 'rain'" and found.of("drifted") == ()
    assert weak.error == pytest.approx(loss[rain].mean()) and weak.error_elsewhere == pytest.approx(loss[~rain].mean())
    assert nearer.rules_error == pytest.approx(rules[rain].mean()) and nearer.rules_are_better
    assert weak.accuracy is None and weak.interval is None and weak.weight > 0
    alike = odd_segments(rentals, hours, hours, hours, draw.exponential(10.0, rows), draw.exponential(10.0, rows))
    assert alike.found == (), "chance is not named"
