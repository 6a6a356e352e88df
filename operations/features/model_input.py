"""What reaches the model: asked with served values and with training's own tf.Examples, it must say the same.

Two doors of one SavedModel: `serving_default` takes values as the gateway sends them, `serve_examples` takes what CSV
and ExampleGen made of gold for training. And a model asked once more with a logged request must say what was logged.
Compared are the probabilities, or the number: the ends of its interval follow from it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from lakehouse.storage.layout import TRAINING_TABLE
from lakehouse.storage.table_rows import rows_at
from lakeloop.contract import Contract
from lakeloop.exceptions import LakeloopError
from lakeloop.frozen_model import FrozenModel
from lakeloop.model_input import as_carried
from lakeloop.use_case import UseCase
from monitoring.drift.watched_answers import watched_answers
from operations.features.corrected import corrected_since_served

if TYPE_CHECKING:
    from tfx_pipeline.metadata.training_examples import TrainingExamples

TOLERANCE = 1e-6
"""How far answers may be apart: probabilities, or numbers as a share of the largest of all rows."""
MOST_MODELS = 5
MOST_ROWS = 20_000
"""Rows asked of one model; of more the newest requests are taken."""
SHOWN = 5
Compared = Literal["served values and training's examples", "gold's values and training's examples", "logged answers"]


class ModelCheck(FrozenModel):
    """One model asked twice about the same rows; `largest` is the largest difference of a probability, or number."""

    version: str
    compared: Compared
    rows: int
    differing: int = Field(description="rows whose answers differ by more than a millionth")
    largest: float
    examples: tuple[str, ...] = Field((), description="keys or request ids of rows that differ")

    @property
    def problem(self) -> str:
        """What is wrong, in a sentence; '' if nothing is."""
        if not self.differing:
            return ""
        return (
            f"model {self.version}: {self.compared} differ in {self.differing:,} of {self.rows:,} "
            f"rows, by up to {self.largest:.3g}: {', '.join(self.examples)}"
        )


def check_models(use_case: UseCase, served: pd.DataFrame) -> tuple[tuple[ModelCheck, ...], tuple[str, ...]]:
    """Every model that answered, with its own answers; the newest pushed one with its training's examples. And gaps."""
    from lakeloop.pushed_models import pushed_versions

    folder, gaps = use_case.folder("models").absolute(), list[str]()
    versions = pushed_versions(use_case)
    checks = []
    answered = served[served["model_version"].notna()]
    by_version = {str(version): rows for version, rows in answered.groupby("model_version")}
    newest = sorted(by_version, key=lambda version: (len(version), version))[-MOST_MODELS:]
    if len(newest) < len(by_version):
        gaps.append(f"of {len(by_version)} models that answered, the newest {MOST_MODELS} are asked again")
    for version in newest:
        rows = by_version[version]
        if version not in versions:
            gaps.append(f"model {version} gave {len(rows):,} answers and is not in {folder} any more")
            continue
        checks.append(_answers_again(use_case.contract, folder, version, rows))
    if not versions:
        return tuple(checks), (*gaps, "no model was pushed yet, so none can be asked")
    try:
        checks.append(_examples(use_case, folder, versions[-1], served, gaps))
    except LakeloopError as problem:
        gaps.append(f"model {versions[-1]} cannot be asked with its training's examples: {problem}")
    return tuple(checks), tuple(gaps)


def _answers_again(contract: Contract, folder: Path, version: str, rows: pd.DataFrame) -> ModelCheck:
    newest = rows.sort_values("at").tail(MOST_ROWS)
    logged = _compared(contract, newest[list(watched_answers(contract).columns)].to_numpy(np.float64))
    now = _from_values(contract, folder / version, newest)
    return _check(contract, version, "logged answers", logged, now, newest["request_id"].tolist())


def _examples(use_case: UseCase, folder: Path, version: str, served: pd.DataFrame, gaps: list[str]) -> ModelCheck:
    from tfx_pipeline.runs.quiet import quiet_libraries

    contract = use_case.contract
    quiet_libraries()
    from tfx_pipeline.metadata.training_examples import training_examples

    key, period = contract.key.column, contract.period_column
    found = training_examples(use_case, version)
    place = {pair: number for number, pair in enumerate(zip(found.keys, found.periods, strict=True))}
    named = _asked_alike(contract, served[served[key].notna()])
    seen = [place.get(pair, -1) for pair in zip(named[key], named[period], strict=True)]
    both = named.assign(_place=seen)
    both = both[both["_place"] >= 0].tail(MOST_ROWS)
    what: Compared = "served values and training's examples"
    if not len(both):
        gaps.append(
            f"model {version} was trained on no row that was served: gold's values took the place of served ones, "
            "which shows that CSV and ExampleGen change nothing, and nothing of the gateway"
        )
        what = "gold's values and training's examples"
        both = _gold(use_case, found, place)
    values = _from_values(contract, folder / version, both)
    examples = _from_examples(contract, folder / version, [found.serialised[number] for number in both["_place"]])
    kept = ~_corrected(use_case, both, _apart(contract, values, examples))
    return _check(contract, version, what, values[kept], examples[kept], both[key][kept].tolist())


def _asked_alike(contract: Contract, named: pd.DataFrame) -> pd.DataFrame:
    """One request of each key and period; none of those asked with several values, for which of them is training's?"""
    by = [contract.key.column, contract.period_column]
    different = named.drop_duplicates([*by, *contract.features])
    return different[~different.duplicated(by, keep=False)].sort_values("at")


def _corrected(use_case: UseCase, rows: pd.DataFrame, apart: np.ndarray) -> np.ndarray:
    """Rows (n,) that differ because a delivery was corrected before or after the model was trained."""
    wrong = ~(apart <= TOLERANCE)
    found = np.zeros(len(rows), dtype=bool)
    if wrong.any():
        found[wrong] = corrected_since_served(use_case, rows[wrong])
    return found


def _gold(use_case: UseCase, found: "TrainingExamples", place: dict[tuple[str, str], int]) -> pd.DataFrame:
    """The rows of the version of gold/training the model was trained on, each with its example's place."""
    contract = use_case.contract
    key, period = contract.key.column, contract.period_column
    stored = rows_at(use_case, TRAINING_TABLE, found.delta_version, [key, period, *contract.features]).to_pandas()
    rows = as_carried(contract.features, stored)
    placed = rows.assign(_place=[place.get(pair, -1) for pair in zip(rows[key], rows[period], strict=True)])
    return placed[placed["_place"] >= 0].head(MOST_ROWS)


def _check(
    contract: Contract, version: str, compared: Compared, one: np.ndarray, other: np.ndarray, names: Sequence[str]
) -> ModelCheck:
    apart = _apart(contract, one, other)
    # An answer that is missing or not a number is a difference, too.
    wrong = ~(apart <= TOLERANCE)
    return ModelCheck(
        version=version,
        compared=compared,
        rows=len(one),
        differing=int(wrong.sum()),
        largest=float(np.abs(one - other).max()) if len(apart) else 0.0,
        examples=tuple(_some(names, wrong)),
    )


def _apart(contract: Contract, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far each row's answers (n, k) are apart at most, (n,): numbers as shares of the largest, for they were
    computed in float32 from others of that size.
    """
    if not len(one):
        return np.zeros(0)
    largest = 1.0 if contract.label.classes else max(float(np.nanmax(np.abs(one), initial=0.0)), 1e-30)
    return np.abs(one - other).max(axis=1) / largest


def _some(names: Sequence[str], wrong: np.ndarray) -> Iterator[str]:
    return (names[place] for place in np.flatnonzero(wrong)[:SHOWN])


def _compared(contract: Contract, given: np.ndarray) -> np.ndarray:
    """Of what a model gives what is compared: all probabilities, or the number alone, (n, k)."""
    return given[:, : len(contract.label.classes) or 1]


def _from_values(contract: Contract, folder: Path, frame: pd.DataFrame) -> np.ndarray:
    """The one way batch scoring asks, too."""
    from operations.scoring import given_of

    return _compared(contract, given_of(contract, folder, frame))


def _from_examples(contract: Contract, folder: Path, serialised: Sequence[bytes]) -> np.ndarray:
    from operations.scoring import loaded_model
    from tfx_pipeline.evaluation.prediction import ask_examples
    from tfx_pipeline.training.signature_names import ANSWER

    model: Any = loaded_model(str(folder))
    given = ask_examples(model, serialised)[ANSWER[contract.label.task]].astype(np.float64)
    return given if contract.label.classes else given[:, np.newaxis]
