"""Derived features: what the functions of a use case's `features.py` make of a row's other features.

One function computes each, row by row, whoever asks: silver in Spark's workers, the gateway, rows that are drawn or
replayed. So there is no second meaning that could differ. Values go in and out as requests have them
(`lakeloop.model_input`): `Decimal`, `date`, `datetime` in UTC, None where one is missing.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeloop.contract import Contract, Feature
from lakeloop.contract.columns import DECIMAL_DIGITS, DECIMAL_PLACES, not_allowed
from lakeloop.contract.features import FEATURES_FILE
from lakeloop.contract.time_features import seconds_of
from lakeloop.exceptions import OwnCodeError
from lakeloop.model_input import as_carried, request_rows
from lakeloop.ordinary_values import has_ordinary, ordinary_value
from lakeloop.own_code import Foreign, Known, code_sha256, derived_by, line_of, load_derived, load_function
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = ("float", "int", "decimal")
_USUAL = {"float": float, "int": int, "bool": bool, "date": date}
_SHOWN = 60
_PLACES = Decimal(1).scaleb(-DECIMAL_PLACES)
_ALL_DIGITS = Context(prec=DECIMAL_DIGITS, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True)
class Underived:
    """Why a row has no value of a derived feature that the contract allows.

    `kind` is a sentence that is the same in all such rows, and `value` what it is about in this one. `of_code`: the
    function is wrong, whatever the row.
    """

    feature: str
    kind: str
    value: str
    of_code: bool = False

    @property
    def text(self) -> str:
        """Both as one sentence."""
        return f"{self.kind} ({self.value})" if self.value else self.kind


@dataclass(frozen=True, slots=True)
class _Made:
    """One derived feature: where its function begins, and the inputs without which that is not called; then what its
    values may be, worked out once, since a request waits for it."""

    name: str
    feature: Feature
    line: int
    inputs: tuple[str, ...]
    needed: frozenset[str]
    values: tuple[Any, ...] | None
    limits: tuple[float, float] | None

    def allows(self, value: Any) -> bool:
        """Whether the contract allows a value of its type."""
        if self.values is not None:
            return value in self.values
        if self.limits is None:
            return self.feature.type != "string" or "\0" not in value
        low, high = self.limits
        return low <= (seconds_of(value) if isinstance(value, date) else value) <= high


class Call(NamedTuple):
    """What a function is called with for a row; it is not where an input that it needs is missing."""

    name: str
    given: dict[str, Any]
    is_made: bool


class DerivedFeatures:
    """What the functions of one use case's derived features are called with, and what becomes of what they give.

    It calls none: `known` says of each by its feature's name what there is to know without that.
    """

    def __init__(self, path: Path, contract: Contract, known: Mapping[str, Known]) -> None:
        self._path, self._contract = path, contract
        self._made = tuple(_made(name, feature, known[name]) for name, feature in contract.derived_features.items())
        inputs = dict.fromkeys(name for one in self._made for name in one.inputs)
        self.inputs: dict[str, Feature] = {name: contract.features[name] for name in inputs}
        self._decimals = [name for name, feature in self.inputs.items() if feature.type == "decimal"]

    def calls(self, row: Mapping[str, Any]) -> list[Call]:
        """The calls of a row, one a derived feature in the contract's order.

        A function whose input is missing is not called, unless its parameter has a default: then that is taken.
        """
        if self._decimals:  # a table has ten places behind the point, a request as many as were sent
            row = {**row, **{n: _with_places(row[n]) for n in self._decimals if row[n] is not None}}
        calls: list[Call] = []
        for one in self._made:
            given = {name: row[name] for name in one.inputs if row[name] is not None}
            calls.append(Call(one.name, given, given.keys() >= one.needed))
        return calls

    def values(self, calls: Sequence[Call], found: Sequence[Any]) -> tuple[dict[str, Any], list[Underived]]:
        """The derived features of a row by what its calls gave, and of which of them it has no good value.

        Where arithmetic has no result (a division by 0, an infinity, NaN) the value is missing, as in `label.made`;
        an OwnCodeError is that of a function that failed.
        """
        values: dict[str, Any] = {}
        problems: list[Underived] = []
        for one, call, gave in zip(self._made, calls, found, strict=True):
            values[one.name], problem = self._value(one, call.given, gave)
            if problem is not None:
                problems.append(problem)
        return values, problems

    def _value(self, one: _Made, given: Mapping[str, Any], found: Any) -> tuple[Any, Underived | None]:
        if isinstance(found, OwnCodeError):
            kind, _, said = found.problem.partition(":")
            told = "; ".join(filter(None, (said.strip(), _shown(given))))
            return None, Underived(one.name, f"`{one.name}` is not known: {_place(found)}, {kind}", told, True)
        try:
            value = _typed(one.feature, found)
        except TypeError as error:
            where = _place(OwnCodeError(self._path, one.line, ""))
            kind = f"`{one.name}` is no {one.feature.type}: {where}, gave {error}"
            return None, Underived(one.name, kind, f"{one.name} = {_cut(found)}", True)
        if value is not None and one.allows(value):
            return value, None
        made_of = f"it is derived from {', '.join(one.inputs)}"
        if value is None:
            missing = Underived(one.name, f"`{one.name}` is missing; {made_of}", _shown(given))
            return None, None if one.feature.optional else missing
        about = f"{one.name} = {_cut(value)}; {_shown(given)}"
        return None, Underived(one.name, f"`{one.name}` is {_not_allowed(one.feature)}; {made_of}", about)


class Derivation(DerivedFeatures):
    """The derived features of one use case, ready to be computed; pickled, it is loaded again from the same file.

    >>> derivation.of({"fare": 12.0, "miles": 4.0})
    ({'price_a_mile': 3.0}, [])

    Raises:
        OwnCodeError: the file cannot be imported, or has no function of a feature's name that takes what it is made of.
    """

    def __init__(self, path: Path, contract: Contract) -> None:
        loaded = {
            name: load_derived(path, name, feature.derived_from or ())
            for name, feature in contract.derived_features.items()
        }
        super().__init__(path, contract, {name: known for name, (_, known) in loaded.items()})
        self._functions = {name: function for name, (function, _) in loaded.items()}

    def __reduce__(self) -> tuple[type["Derivation"], tuple[Path, Contract]]:
        return Derivation, (self._path, self._contract)

    def of(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], list[Underived]]:
        """The derived features of a row with the given ones, and of which of them it has no good value."""
        calls = self.calls(row)
        return self.values(calls, [self._called(call) if call.is_made else None for call in calls])

    def _called(self, call: Call) -> Any:
        return derived_by(self._functions[call.name], self._path, call.given)


def derivation_of(use_case: UseCase) -> Derivation | None:
    """What computes the derived features of a use case; None where its contract has none. Raises OwnCodeError."""
    contract = use_case.contract
    return Derivation(use_case.own_folder / FEATURES_FILE, contract) if contract.derived_features else None


def rows_shape_sha256(use_case: UseCase) -> str:
    """What a row is made by: the contract's row shape and, where features are derived, the code that derives them."""
    shape = use_case.contract.schema_sha256
    if not use_case.contract.derived_features:
        return shape
    return hashlib.sha256(f"{shape} {features_sha256(use_case)}".encode()).hexdigest()


def features_sha256(use_case: UseCase) -> str:
    """Hash of `features.py` and of what it imports from its folder; '' where no feature is derived."""
    path = use_case.own_folder / FEATURES_FILE
    return code_sha256(path) if use_case.contract.derived_features and path.is_file() else ""


def with_derived(use_case: UseCase, frame: "pd.DataFrame") -> "pd.DataFrame":
    """Rows of a frame, typed as an export has them, with their derived features; without those that silver rejects.

    Raises:
        OwnCodeError: `features.py` cannot be used.
    """
    derivation = derivation_of(use_case)
    if derivation is None:
        return frame
    made = [derivation.of(row) for row in request_rows(derivation.inputs, frame)]
    good = [not problems for _, problems in made]
    kept = frame[good].reset_index(drop=True)
    for name, feature in use_case.contract.derived_features.items():
        values = [row[name] for row, problems in made if not problems]
        kept[name] = _series(feature, values)
    return as_carried(use_case.contract.derived_features, kept)


def try_derived(path: Path, contract: Contract) -> None:
    """Try each function once on ordinary values, where the contract says or implies such of all its inputs.

    Raises:
        OwnCodeError: the file cannot be used, a function fails on them, or gives something of another type.
    """
    if not contract.derived_features:
        raise OwnCodeError(path, 0, "no feature of the contract says `derived_from`, so nothing is made by it; say it")
    derivation = Derivation(path, contract)
    row = {name: ordinary_value(contract, name) for name in derivation.inputs}
    known = {name for name in derivation.inputs if has_ordinary(contract.features[name])}
    for problem in derivation.of(row)[1]:
        if problem.of_code and known >= set(contract.features[problem.feature].derived_from or ()):
            function = load_function(path, problem.feature)
            raise OwnCodeError(path, line_of(function), f"on ordinary values {problem.text}")


def _made(name: str, feature: Feature, known: Known) -> _Made:
    inputs = feature.derived_from or ()
    return _Made(name, feature, known.line, inputs, frozenset(inputs) - known.optional, feature.values, feature.limits)


def _typed(feature: Feature, value: Any) -> Any:
    """What a function gave, in the contract's type; None where it is no value.

    Raises:
        TypeError: it is of another type; the text says which.
    """
    if value is None:
        return None
    if type(value) is _USUAL.get(feature.type):
        return _number(feature, value) if feature.type == "float" else value
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        value = value.item()
    if feature.type == "string" and isinstance(value, str):
        return value or None
    if feature.type == "bool" and isinstance(value, bool):
        return value
    if feature.type == "date" and isinstance(value, date) and not isinstance(value, datetime):
        return value
    if feature.type == "timestamp" and isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("a datetime without a time zone")
        return value.astimezone(UTC)
    if feature.type in NUMBERS and isinstance(value, Real | Decimal) and not isinstance(value, bool):
        return _number(feature, value)
    raise TypeError(f"a {value.kind if isinstance(value, Foreign) else type(value).__name__}")


def _number(feature: Feature, value: Any) -> float | int | Decimal | None:
    """In the contract's type; None where it is NaN or an infinity, or beyond all that a float holds."""
    try:
        if not (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)):
            return None
        if feature.type == "float":
            return number if math.isfinite(number := float(value)) else None
        if feature.type == "decimal":
            return _with_places(
                value if isinstance(value, Decimal) else Decimal(str(value if isinstance(value, int) else float(value)))
            )
        whole = int(value)
    except OverflowError:
        return None
    if whole != value:
        raise TypeError("a number that is not whole")
    return whole


def _with_places(value: Decimal) -> Decimal:
    """A decimal with the places that a table keeps."""
    return value.quantize(_PLACES, context=_ALL_DIGITS) if abs(value) < Decimal("1e28") else value


def _not_allowed(feature: Feature) -> str:
    return "a text with a NUL character" if feature.type == "string" and not feature.values else not_allowed(feature)


def _series(feature: Feature, values: list[Any]) -> "pd.Series":
    import pandas as pd

    dtype = {"float": "float64", "int": "object" if feature.optional else "int64"}.get(feature.type, "object")
    return pd.Series(values, dtype=dtype)


def _place(error: OwnCodeError) -> str:
    return f"{error.file.name}, line {error.line}" if error.line else error.file.name


def _shown(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_cut(value)}" for name, value in given.items())


def _cut(value: Any) -> str:
    text = str(value) if isinstance(value, Decimal | date) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
