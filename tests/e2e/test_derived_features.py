"""One definition of a derived feature and three ways to it: Spark's workers, the gateway, rows in frames."""

import asyncio
import json
import math
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark import cloudpickle

from lakehouse.silver.derived_columns import RowFunction
from lakeloop.contract.time_features import EPOCH, seconds_of
from lakeloop.derived_features import derivation_of, with_derived
from lakeloop.model_input import as_carried
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from serving.exceptions import RefusedRequestError
from serving.gateway.own_code import OwnCode
from serving.gateway.request_model import PredictionRequest, RequestModel

CONTRACT = """
use_case: hostile
title: Values of every kind
description: Values that are far out
key: {column: row, description: Number of the row}
event_time: {column: month, description: Month, start: 2024-01}
sources:
  rows:
    description: Rows
    files: rows-{month}.csv
    columns: [row, month, amount, count, price, name, flag, day, moment, good]
features:
  amount: {description: a, type: float, role: numeric, missing: mean}
  count: {description: a, type: int, role: numeric, missing: mean}
  price: {description: a, type: decimal, role: numeric, missing: mean}
  name: {description: a, type: string, role: text, missing: category}
  flag: {description: a, type: bool, role: binary, missing: zero}
  day: {description: a, type: date, role: time, missing: category}
  moment: {description: a, type: timestamp, role: time, missing: category}
  ratio: {description: a, type: float, role: numeric, missing: mean, derived_from: [amount, count]}
  squared: {description: a, type: float, role: numeric, missing: mean, derived_from: [amount]}
  total: {description: a, type: decimal, role: numeric, missing: mean, derived_from: [price, count]}
  digits: {description: a, type: int, role: numeric, derived_from: [price]}
  folded: {description: a, type: string, role: text, missing: category, derived_from: [name]}
  letters: {description: a, type: int, role: numeric, valid: [0, 5], derived_from: [name]}
  either: {description: a, type: bool, role: binary, missing: zero, derived_from: [flag, count]}
  next_day: {description: a, type: date, role: time, missing: category, derived_from: [day]}
  hour: {description: a, type: timestamp, role: time, missing: category, derived_from: [moment]}
label:
  name: outcome
  description: a
  source: rows
  column: good
  truth: {description: a, type: int, values: [0, 1]}
  classes: [{name: bad, when: {equals: 0}}, {name: good}]
split: {salt: "1", every: 4}
gate: {accuracy: {above: 0.0, below: 1.0}}
"""
CODE = """
from datetime import timedelta


def ratio(amount, count):
    return amount / count


def squared(amount):
    return amount * amount * 1e300


def total(price, count=3):
    return price * count


def digits(price=None):
    return len(str(price))


def folded(name):
    return name.casefold()[::-1].strip()


def letters(name=""):
    return {0: 0, 1: 1, 2: 2.0, 3: "three", 4: 4}[len(name)]


def either(flag, count):
    return flag or count > 0


def next_day(day):
    return day + timedelta(days=1)


def hour(moment):
    return moment.replace(minute=0, second=0, microsecond=0)
"""
SECOND = st.integers(seconds_of(datetime(1583, 1, 1, tzinfo=UTC)), seconds_of(datetime(9999, 12, 31, tzinfo=UTC)))
LETTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
ROWS = st.fixed_dictionaries({
    "amount": st.none() | st.floats(-3.4e38, 3.4e38, allow_nan=False) | st.sampled_from([0.0, -0.0, 5e-324, 1e-200]),
    "count": st.none() | st.integers(-(2**53), 2**53) | st.sampled_from([0, 1, -1]),
    "price": st.none() | st.decimals(-99_999, 99_999, places=4),
    "name": st.none() | st.text(LETTERS, min_size=1, max_size=6),
    "flag": st.none() | st.booleans(),
    "day": st.none() | st.dates(date(1583, 1, 1), date(9999, 12, 31)),
    "moment": st.none() | SECOND.map(lambda second: EPOCH + timedelta(seconds=second)),
})  # fmt: skip
Row = dict[str, Any]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> UseCase:
    folder = tmp_path_factory.mktemp("cases")
    (folder / "hostile").mkdir()
    (folder / "hostile" / "contract.yaml").write_text(CONTRACT)
    (folder / "hostile" / "features.py").write_text(CODE)
    return open_use_case(load_settings(home=folder, use_case="hostile", use_cases=folder))


@pytest.fixture(scope="module")
def in_spark(case: UseCase) -> Callable[[Row], tuple[Row, list[str]]]:
    """What a worker of Spark makes of a row, with the values that PySpark hands it."""
    derivation, derived = derivation_of(case), case.contract.derived_features
    assert derivation is not None
    made = cloudpickle.loads(cloudpickle.dumps(RowFunction(derivation, derived)))

    def worker(row: Row) -> tuple[Row, list[str]]:
        sent = dict(row)
        if row["moment"] is not None:
            sent["moment"] = (row["moment"] - EPOCH) // timedelta(microseconds=1)
        if row["price"] is not None:
            sent["price"] = row["price"].quantize(Decimal("1e-10"))  # as decimal(38,10)
        values, problems = made(*(sent[name] for name in derivation.inputs))
        found = dict(zip(derived, values, strict=True))
        if found["hour"] is not None:
            found["hour"] = EPOCH + timedelta(microseconds=found["hour"])
        return found, [kind for kind, _ in problems]

    return worker


Requests = Callable[[bytes], PredictionRequest]


@pytest.fixture(scope="module")
def requests(case: UseCase) -> Iterator[Requests]:
    """Reads a request as the gateway does."""
    model, own_code = RequestModel(case.contract), OwnCode(case, seconds=20)
    with asyncio.Runner() as runner:
        yield lambda body: runner.run(own_code.completed([model.read_one(body)]))[0]
        runner.run(own_code.stop())


def at_gateway(requests: Requests, row: Row, derived: list[str]) -> tuple[Row | None, list[str]]:
    """What the gateway makes of the row as JSON; no values where it refuses it."""
    sent = {name: value if isinstance(value, bool | int | float | None) else str(value) for name, value in row.items()}
    if row["moment"] is not None:
        sent["moment"] = row["moment"].isoformat()
    try:
        features = requests(json.dumps(sent).encode()).features
    except RefusedRequestError as refused:
        return None, [problem["msg"].partition(" (")[0] for problem in refused.problems]
    return {name: features[name] for name in derived}, []


def carried(case: UseCase, rows: list[Row]) -> pd.DataFrame:
    """Rows as frames have them: a date as seconds, a decimal as a float."""
    given = case.contract.given_features
    frame = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in given})
    return as_carried(given, frame).astype({"amount": "float64"})


@settings(max_examples=300, deadline=None)
@given(row=ROWS)
def test_a_row_has_the_same_values_or_the_same_mistake_wherever_it_is_made(
    case: UseCase, requests: Requests, in_spark: Callable[[Row], tuple[Row, list[str]]], row: Row
) -> None:
    values, kinds = in_spark(row)
    asked, refused = at_gateway(requests, row, list(values))
    assert refused == kinds
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = with_derived(case, carried(case, [row]))
    if asked is None:
        assert frame.empty
        return
    assert asked == values and all(type(asked[name]) is type(values[name]) for name in values)
    assert all(math.isfinite(v) for v in values.values() if isinstance(v, float))
    wanted = as_carried(
        case.contract.derived_features, pd.DataFrame({n: pd.Series([v], dtype=object) for n, v in values.items()})
    )
    for name in values:
        one, other = frame[name][0], wanted[name][0]
        assert (pd.isna(one) and pd.isna(other)) or one == other, name
