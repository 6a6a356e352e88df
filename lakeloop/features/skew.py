"""Training-serving skew: do served values differ from what training saw of the same rows, by value or by type?"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from lakeloop.contract import Contract
from lakeloop.errors import LakeloopError
from lakeloop.features.counterparts import TRAINED, Joined, find_counterparts
from lakeloop.features.earlier import served_from_earlier_delivery
from lakeloop.features.model_input import ModelCheck, check_models
from lakeloop.features.served import logged_types, served_rows
from lakeloop.settings import Settings

FLOAT_PRECISION = float(np.finfo(np.float32).eps)
"""The model's input is float32: what it cannot tell apart is the same."""
EXAMPLES = 5
FEWEST_FOR_SHAPE = 30
Verdict = Literal["skew", "no skew", "not known"]


class SkewFound(LakeloopError):
    """Served values differ from what training saw of the same rows."""


class SkewPart(BaseModel):
    """Base of the report's parts: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Example(SkewPart):
    """One row with another value on the two sides."""

    request_id: str
    key: str
    served: float | int | str
    trained: float | int | str


class FeatureSkew(SkewPart):
    """One feature over the rows of one join. `largest` is the largest difference, 0 for texts."""

    feature: str
    type: str = Field(description="in the contract")
    served_type: str = Field(description="as the gateway logged it; '' if not known")
    trained_type: str = Field(description="in the table training's rows come from; '' if they come from no table")
    rows: int
    differing: int
    largest: float
    examples: tuple[Example, ...] = ()

    @property
    def has_skew(self) -> bool:
        """Whether a value or a type differs."""
        return bool(self.differing or self.other_types)

    @property
    def other_types(self) -> tuple[str, ...]:
        """Types on the two sides that are not the contract's."""
        return tuple(found for found in (self.served_type, self.trained_type) if found and found != self.type)


class JoinSkew(SkewPart):
    """Served rows against one source of training's values. `corrected`: they differ because a delivery corrected it."""

    source: str
    independent: bool = Field(description="its values did not come through the gateway")
    rows: int
    corrected: int
    features: tuple[FeatureSkew, ...]


class SkewReport(SkewPart):
    """All that was compared, and what could not be."""

    since: str
    served: int = Field(description="answered requests looked at")
    joins: tuple[JoinSkew, ...]
    models: tuple[ModelCheck, ...]
    gaps: tuple[str, ...]

    @property
    def skewed(self) -> tuple[str, ...]:
        """What differs, each in a sentence with rows to look at."""
        values = (sentence(join, one) for join in self.joins for one in join.features if one.has_skew)
        return (*values, *(check.problem for check in self.models if check.problem))

    @property
    def verdict(self) -> Verdict:
        """`not known` where nothing at all could be compared."""
        if self.skewed:
            return "skew"
        return "no skew" if self.joins or self.models else "not known"


def measure_skew(settings: Settings, contract: Contract, since: "str | datetime | None" = None) -> SkewReport:
    """Compare every request in the lake with training's row of the same key and month, and ask the models."""
    served = served_rows(settings, contract, since)
    types = logged_types(settings, contract)
    found = find_counterparts(settings, contract, served)
    joins = tuple(_compare_join(settings, contract, joined, types) for joined in found.joined)
    models, gaps = check_models(settings, contract, served)
    return SkewReport(
        since="" if since is None else since if isinstance(since, str) else since.isoformat(),
        served=len(served),
        joins=joins,
        models=models,
        gaps=(*_nothing_served(served), *found.gaps, *_cut(contract, served, found.joined), *gaps),
    )


def _nothing_served(served: pd.DataFrame) -> tuple[str, ...]:
    return () if len(served) else ("the lake has no answered request; `lakeloop lake stream` brings them in",)


def _compare_join(settings: Settings, contract: Contract, joined: Joined, logged: Mapping[str, str]) -> JoinSkew:
    rows = joined.rows
    apart = {
        name: differs(rows[name], rows[f"{name}{TRAINED}"], feature.type) for name, feature in contract.features.items()
    }
    any_apart = np.logical_or.reduce(list(apart.values()))
    corrected = np.zeros(len(rows), dtype=bool)
    if joined.independent and joined.types and any_apart.any():
        corrected[any_apart] = served_from_earlier_delivery(settings, contract, rows[any_apart])
    return JoinSkew(
        source=joined.source,
        independent=joined.independent,
        rows=len(rows),
        corrected=int(corrected.sum()),
        features=tuple(
            _compare_feature(
                contract, name, rows, apart[name] & ~corrected, logged.get(name, ""), joined.types.get(name, "")
            )
            for name in contract.features
        ),
    )


def _compare_feature(
    contract: Contract, name: str, rows: pd.DataFrame, apart: np.ndarray, served_type: str, trained_type: str
) -> FeatureSkew:
    served, trained = rows[name][apart], rows[f"{name}{TRAINED}"][apart]
    numeric = contract.features[name].type != "string"
    shown = rows[apart].head(EXAMPLES)
    return FeatureSkew(
        feature=name,
        type=contract.features[name].type,
        served_type=served_type,
        trained_type=trained_type,
        rows=len(rows),
        differing=int(apart.sum()),
        largest=float((served - trained).abs().max()) if numeric and len(served) else 0.0,
        examples=tuple(
            Example(
                request_id=row["request_id"],
                key=row[contract.key.column],
                served=row[name],
                trained=row[name + TRAINED],
            )
            for row in shown.to_dict("records")
        ),
    )


def differs(served: pd.Series, trained: pd.Series, type_: str) -> np.ndarray:
    """Which values differ by more than the type's own precision: numbers with a point by float32's, others at all."""
    if type_ != "float":
        return (served.to_numpy() != trained.to_numpy()).astype(bool)
    a, b = served.to_numpy(np.float64), trained.to_numpy(np.float64)
    return ~(np.abs(a - b) <= FLOAT_PRECISION * np.maximum(np.abs(a), np.abs(b)))


def sentence(join: JoinSkew, one: FeatureSkew) -> str:
    """What is wrong with one feature, with rows to look at."""
    said = []
    if one.differing:
        rows = ", ".join(f"{e.key} ({e.served!r}, training {e.trained!r})" for e in one.examples)
        said.append(
            f"differs from {join.source} in {one.differing:,} of {one.rows:,} rows, by up to {one.largest:.6g}: {rows}"
        )
    if one.other_types:
        said.append(f"is {one.type} in the contract, {one.served_type or 'not known'} in the request log and "
                    f"{one.trained_type or 'not known'} in training")  # fmt: skip
    return f"{one.feature} {'; it '.join(said)}"


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
    return float(np.mean(values == np.floor(values))) if len(values) else 0.0
