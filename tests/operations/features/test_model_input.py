"""A model of numbers, asked again with logged requests: it says what was logged, or the row is told."""

import pandas as pd
import pytest
import tensorflow as tf

from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.features.model_input import check_models
from tests.use_case_copies import USE_CASES

ROWS = 40


class TenBikesAnHour(tf.Module):
    """Says ten bikes for each hour of the day, with an interval around it."""

    def answer(self, hour: tf.Tensor) -> dict[str, tf.Tensor]:
        number = 10 * tf.cast(hour, tf.float32)
        return {"prediction": number, "lower": number - 5, "upper": number + 5}


@pytest.fixture(scope="module")
def rentals(tmp_path_factory: pytest.TempPathFactory) -> UseCase:
    home = tmp_path_factory.mktemp("home")
    use_case = open_use_case(load_settings(home=home, use_case="rentals", use_cases=USE_CASES["rentals"]))
    model, kinds = TenBikesAnHour(), {"float": tf.float32, "int": tf.int64, "string": tf.string}
    inputs = {
        name: tf.TensorSpec([None], kinds[f.carried_as], name=name) for name, f in use_case.contract.features.items()
    }
    columns = tf.function(lambda **asked: model.answer(asked["hour"]))
    examples = tf.function(lambda examples: model.answer(tf.zeros_like(examples, tf.int64)))
    signatures = {
        "serving_default": columns.get_concrete_function(**inputs),
        "serve_examples": examples.get_concrete_function(examples=tf.TensorSpec([None], tf.string)),
    }
    folder = use_case.folder("models") / "7"
    tf.saved_model.save(model, str(folder), signatures=signatures)
    return use_case


def served(**changes: float) -> pd.DataFrame:
    hours = [number % 24 for number in range(ROWS)]
    logged = [10.0 * hour for hour in hours]
    return pd.DataFrame({
        "request_id": [f"r{number}" for number in range(ROWS)], "slot": None, "month": "2024-01", "at": "2024-01-05",
        "hour": hours, "temperature": 10.5, "sky": "clear", "workday": 1, "model_version": "7",
        "prediction": logged, "lower": [one - 5 for one in logged], "upper": [one + 5 for one in logged],
    }).assign(**changes)  # fmt: skip


def test_a_logged_number_is_what_the_model_says_again(rentals: UseCase) -> None:
    (check,), gaps = check_models(rentals, served())
    assert (check.compared, check.rows, check.differing) == ("logged answers", ROWS, 0) and check.problem == ""
    assert any("cannot be asked with its training's examples" in gap for gap in gaps)


def test_a_number_that_was_logged_otherwise_is_told_in_its_unit(rentals: UseCase) -> None:
    rows = served()
    rows.loc[3, "prediction"] += 2.0
    (check,), _ = check_models(rentals, rows)
    assert (check.differing, check.largest, check.examples) == (1, pytest.approx(2.0), ("r3",))
    assert check.problem == "model 7: logged answers differ in 1 of 40 rows, by up to 2: r3"
