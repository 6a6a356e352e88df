"""Derived features: what the functions of a use case's `features.py` make of a row's other features.

One function computes each, row by row, whoever asks: silver in Spark's workers, the gateway, rows that are drawn or
replayed. So there is no second meaning that could differ. Values go in and out as requests have them
(`lakeloop.model_input`): `Decimal`, `date`, `datetime` in UTC, None where one is missing.
"""

import hashlib
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeloop.contract import Contract, Feature
from lakeloop.contract.columns import DECIMAL_DIGITS, DECIMAL_PLACES, not_allowed
from lakeloop.contract.features import FEATURES_FILE
from lakeloop.contract.time_features import seconds_of
from lakeloop.exceptions import OwnCodeError
from lakeloop.model_input import as_carried, request_rows
from lakeloop.ordinary_values import has_ordinary, ordinary_value
from lakeloop.own_code import code_sha256, failure_of, line_of, load_function
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
    """One derived feature: its function, and the inputs without which it is not called; then what its values may be,
    worked out once, since a request waits for it."""

    name: str
    feature: Feature
    function: Callable[..., Any]
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


class Derivation:
    """The derived features of one use case, ready to be computed; pickled, it is loaded again from the same file.

    >>> derivation.of({"fare": 12.0, "miles": 4.0})
    ({'price_a_mile': 3.0}, [])

    Raises:
        OwnCodeError: the file cannot be imported, or has no function of a feature's name that takes what it is made of.
    """

    def __init__(self, path: Path, contract: Contract) -> None:
        self._path, self._contract = path, contract
        self._made = tuple(_made(path, name, feature) for name, feature in contract.derived_features.items())
        inputs = dict.fromkeys(name for one in self._made for name in one.inputs)
        self.inputs: dict[str, Feature] = {name: contract.features[name] for name in inputs}
        self._decimals = [name for name, feature in self.inputs.items() if feature.type == "decimal"]

    def __reduce__(self) -> tuple[type["Derivation"], tuple[Path, Contract]]:
        return Derivation, (self._path, self._contract)

    def of(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], list[Underived]]:
        """The derived features of a row with the given ones, and of which of them it has no good value.

        A function whose input is missing is not called, unless its parameter has a default: then that is taken. Where
        arithmetic has no result (a division by 0, an infinity, NaN) the value is missing, as in `label.made`.
        """
        if self._decimals:  # a table has ten places behind the point, a request as many as were sent
            row = {**row, **{n: _with_places(row[n]) for n in self._decimals if row[n] is not None}}
        values: dict[str, Any] = {}
        problems: list[Underived] = []
        for one in self._made:
            values[one.name], problem = self._value(one, row)
            if problem is not None:
                problems.append(problem)
        return values, problems

    def _value(self, one: _Made, row: Mapping[str, Any]) -> tuple[Any, Underived | None]:
        given = {name: row[name] for name in one.inputs if row[name] is not None}
        try:
            found = one.function(**given) if given.keys() >= one.needed else None
        except ArithmeticError:
            found = None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever others' code raises is told as theirs
            failed = failure_of(error, self._path)
            kind, _, said = failed.problem.partition(":")
            told = "; ".join(filter(None, (said.strip(), _shown(given))))
            return None, Underived(one.name, f"`{one.name}` is not known: {_place(failed)}, {kind}", told, True)
        try:
            value = _typed(one.feature, found)
        except TypeError as error:
            where = _place(OwnCodeError(self._path, line_of(one.function), ""))
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


def _made(path: Path, name: str, feature: Feature) -> _Made:
    inputs = feature.derived_from or ()
    head = f"write `def {name}({', '.join(inputs)}):`"
    function = load_function(path, name)
    signature = inspect.signature(function)
    try:
        signature.bind(**dict.fromkeys(inputs))
    except TypeError as error:
        problem = f"`{name}` is derived from {', '.join(inputs)} by the contract: {error}; {head}"
        raise OwnCodeError(path, line_of(function), problem) from None
    optional = {one.name for one in signature.parameters.values() if one.default is not one.empty}
    return _Made(name, feature, function, inputs, frozenset(inputs) - optional, feature.values, feature.limits)


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
    raise TypeError(f"a {type(value).__name__}")


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
