"""Training-serving skew: do served values differ from what training saw of the same rows, by value or by type?"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from lakeloop.contract import Contract, Feature
from lakeloop.frozen_model import FrozenModel
from lakeloop.model_input import carried, request_rows
from lakeloop.use_case import UseCase
from operations.features.corrected import corrected_since_served
from operations.features.model_input import ModelCheck, check_models
from operations.features.served import logged_types, served_rows
from operations.features.training_serving_join import TRAINED, Joined, trained_types, training_serving_joins

FLOAT_PRECISION = float(np.finfo(np.float32).eps)
"""The model's input is float32: what it cannot tell apart is the same."""
EXAMPLES = 5
FEWEST_FOR_SHAPE = 30
WITH_POINT = ("float", "decimal")
Verdict = Literal["skew", "no skew", "not known"]


class Example(FrozenModel):
    """One row with another value on the two sides."""

    request_id: str
    key: str
    served: bool | float | int | str | None
    trained: bool | float | int | str | None


class FeatureSkew(FrozenModel):
    """One feature over the rows of one join. `largest` is the largest difference, 0 for texts."""

    feature: str
    rows: int
    differing: int
    largest: float
    examples: tuple[Example, ...] = ()


class FeatureTypes(FrozenModel):
    """One feature's type on both sides, '' where it is not known."""

    feature: str
    contract: str
    logged: str = Field(description="in the JSON of the request log's newest lines")
    trained: str = Field(description="in the table training's rows come from")

    @property
    def problem(self) -> str:
        """What is wrong, in a sentence; '' if nothing is."""
        if all(found in ("", self.contract) for found in (self.logged, self.trained)):
            return ""
        return (
            f"{self.feature} is {self.contract} in the contract, {self.logged or 'not known'} in the request log's "
            f"newest lines and {self.trained or 'not known'} in training"
        )


class JoinSkew(FrozenModel):
    """Served rows against one source of training's values. `corrected`: they differ because a delivery corrected it."""

    source: str
    independent: bool = Field(description="its values did not come through the gateway")
    rows: int
    corrected: int
    features: tuple[FeatureSkew, ...]


class SkewReport(FrozenModel):
    """All that was compared, and what could not be."""

    since: str
    served: int = Field(description="answered requests looked at")
    types: tuple[FeatureTypes, ...]
    joins: tuple[JoinSkew, ...]
    models: tuple[ModelCheck, ...]
    gaps: tuple[str, ...]

    @property
    def skewed(self) -> tuple[str, ...]:
        """What differs, each in a sentence with rows to look at."""
        values = [sentence(join, one) for join in self.joins for one in join.features if one.differing]
        others = [*(types.problem for types in self.types), *(check.problem for check in self.models)]
        return (*values, *filter(None, others))

    @property
    def verdict(self) -> Verdict:
        """`not known` where nothing at all could be compared."""
        if self.skewed:
            return "skew"
        return "no skew" if self.joins or self.models else "not known"


def measure_skew(use_case: UseCase, since: "str | datetime | None" = None) -> SkewReport:
    """Compare every request in the lake with training's row of the same key and period, and ask the models."""
    served = served_rows(use_case, since)
    found = training_serving_joins(use_case, served)
    joins = tuple(_compare_join(use_case, joined) for joined in found.joined)
    models, gaps = check_models(use_case, served)
    return SkewReport(
        since="" if since is None else since if isinstance(since, str) else since.isoformat(),
        served=len(served),
        types=_types(use_case),
        joins=joins,
        models=models,
        gaps=(*_nothing_served(served), *found.gaps, *_cut(use_case.contract, served, found.joined), *gaps),
    )


def _types(use_case: UseCase) -> tuple[FeatureTypes, ...]:
    logged, trained = logged_types(use_case), trained_types(use_case)
    return tuple(
        FeatureTypes(feature=name, contract=feature.type, logged=logged.get(name, ""), trained=trained.get(name, ""))
        for name, feature in use_case.contract.features.items()
    )


def _nothing_served(served: pd.DataFrame) -> tuple[str, ...]:
    return () if len(served) else ("the lake has no answered request; `lakeloop lake stream` brings them in",)


def _compare_join(use_case: UseCase, joined: Joined) -> JoinSkew:
    contract = use_case.contract
    rows = joined.rows
    apart = {name: differs(*_as_told(feature, rows, name), feature.type) for name, feature in contract.features.items()}
    any_apart = np.logical_or.reduce(list(apart.values()))
    corrected = np.zeros(len(rows), dtype=bool)
    if joined.independent and any_apart.any():
        corrected[any_apart] = corrected_since_served(use_case, rows[any_apart])
    return JoinSkew(
        source=joined.source,
        independent=joined.independent,
        rows=len(rows),
        corrected=int(corrected.sum()),
        features=tuple(_compare_feature(contract, name, rows, apart[name] & ~corrected) for name in contract.features),
    )


def _compare_feature(contract: Contract, name: str, rows: pd.DataFrame, apart: np.ndarray) -> FeatureSkew:
    feature = contract.features[name]
    served, trained = _as_told(feature, rows[apart], name)
    numeric = feature.type != "string"
    shown = rows[apart].head(EXAMPLES)
    return FeatureSkew(
        feature=name,
        rows=len(rows),
        differing=int(apart.sum()),
        largest=_largest(served, trained) if numeric and len(served) else 0.0,
        examples=tuple(
            Example(
                request_id=row["request_id"],
                key=row[contract.key.column],
                served=_plain(one[name]),
                trained=_plain(other[name]),
            )
            for row, one, other in zip(
                shown.to_dict("records"), request_rows({name: feature}, shown),
                request_rows({name: feature}, shown[[f"{name}{TRAINED}"]].set_axis([name], axis=1)), strict=True,
            )
        ),
    )  # fmt: skip


def _as_told(feature: Feature, rows: pd.DataFrame, name: str) -> tuple[pd.Series, pd.Series]:
    """Served and trained values; times as the model is told them, in whole seconds."""
    served, trained = rows[name], rows[f"{name}{TRAINED}"]
    return (carried(feature, served), carried(feature, trained)) if feature.role == "time" else (served, trained)


def _plain(value: Any) -> bool | float | int | str | None:
    """A value of a row as JSON has it."""
    plain: bool | float | int | str | None = str(value) if isinstance(value, date | Decimal) else value
    return plain


def _largest(served: pd.Series, trained: pd.Series) -> float:
    """The largest difference of two numbers; 0 where no row has both."""
    apart = (served.astype("float64") - trained.astype("float64")).abs().max()
    return float(apart) if apart == apart else 0.0


def differs(served: pd.Series, trained: pd.Series, type_: str) -> np.ndarray:
    """Which values differ by more than a model can tell: numbers with a point by float32's precision, others at all.

    Two that are missing are the same.
    """
    gone, gone_too = served.isna().to_numpy(), trained.isna().to_numpy()
    if type_ not in WITH_POINT:
        apart = (served.to_numpy() != trained.to_numpy()).astype(bool)
    else:
        a, b = served.to_numpy(np.float64), trained.to_numpy(np.float64)
        apart = ~(np.abs(a - b) <= FLOAT_PRECISION * np.maximum(np.abs(a), np.abs(b)))
    return np.where(gone | gone_too, gone != gone_too, apart)


def sentence(join: JoinSkew, one: FeatureSkew) -> str:
    """What is wrong with one feature's values, with rows to look at."""
    rows = ", ".join(f"{e.key} ({e.served!r}, training {e.trained!r})" for e in one.examples)
    return (
        f"{one.feature} differs from {join.source} in {one.differing:,} of {one.rows:,} rows, "
        f"by up to {one.largest:.6g}: {rows}"
    )


def _cut(contract: Contract, served: pd.DataFrame, joined: tuple[Joined, ...]) -> tuple[str, ...]:
    """A sign of a skew that needs no key: every served value is a whole number, and training's are not."""
    found = []
    for name, feature in contract.features.items():
        if feature.type != "float" or len(served) < FEWEST_FOR_SHAPE or not joined:
            continue
        trained = pd.concat([one.rows[f"{name}{TRAINED}"] for one in joined]).to_numpy(np.float64)
        whole, of_training = _whole(served[name].to_numpy(np.float64)), _whole(trained)
        if whole == 1.0 and of_training < 0.5:
            found.append(
                f"every served value of {name} is a whole number, of training's {of_training:.1%}: it looks cut"
            )
    return tuple(found)


def _whole(values: np.ndarray) -> float:
    there = values[~np.isnan(values)]
    return float(np.mean(there == np.floor(there))) if len(there) else 0.0
