"""The data contract: the one thing a use case writes, as typed, frozen models.

Everything that depends on the data's shape (Spark schema, CHECK constraints, TFX schema, request model, drift
tests, catalogue) is derived from these models and from nowhere else. `lakeloop.contract_file` reads the YAML.
"""

import hashlib
import json
import re
from datetime import date
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Text = Annotated[str, StringConstraints(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
FeatureType = Literal["float", "int", "string"]
Scalar = int | float | str


def mistake(text: str) -> PydanticCustomError:
    """A contract mistake whose text is shown to the user as it is."""
    return PydanticCustomError("contract", "{text}", {"text": text})


class Section(BaseModel):
    """Base of all parts of a contract: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Key(Section):
    """What identifies a row across sources; always a string."""

    column: Name
    description: Text


class EventTime(Section):
    """The column holding the month an event belongs to, as `YYYY-MM`; `start` is month 0."""

    column: Name
    description: Text
    start: Annotated[str, StringConstraints(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]


class Source(Section):
    """Files of one kind. `{month}` in `files` stands for `YYYY-MM`; months above 0 arrive `delay_months` late."""

    description: Text
    files: Text
    columns: tuple[Name, ...] = Field(min_length=2)
    separator: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","
    delay_months: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _pattern_has_month(self) -> Self:
        if self.files.count("{month}") != 1 or "/" in self.files:
            raise mistake(
                f"`files` is {self.files!r}; write a file name with {{month}} once, e.g. 'rows-{{month}}.csv'"
            )
        if len(set(self.columns)) != len(self.columns):
            raise mistake(f"`columns` names a column twice: {', '.join(self.columns)}; name each once")
        return self

    def file_name(self, month: str) -> str:
        """The name of the file that delivers `month` (`YYYY-MM`)."""
        return self.files.replace("{month}", month)

    @cached_property
    def file_pattern(self) -> re.Pattern[str]:
        """Matches this source's file names, corrections (`policies-2023-01.v2.csv`) included."""
        before, after = self.files.split("{month}")
        stem, dot, ending = after.rpartition(".")
        return re.compile(
            rf"^{re.escape(before)}(?P<month>\d{{4}}-\d{{2}}){re.escape(stem)}(\.[\w-]+)?{re.escape(dot + ending)}$"
        )


class DriftTest(Section):
    """How a feature's drift is measured; a score at or above `threshold` (p-value tests: below) is drift."""

    test: Literal["wasserstein", "jensenshannon", "psi", "kl_div", "hellinger", "ks"]
    threshold: Annotated[float, Field(gt=0)]


class Column(Section):
    """A typed column with the values that are possible at all; what is outside is rejected."""

    type: FeatureType
    description: Text
    unit: str = ""
    valid: tuple[float, float] | None = None
    values: tuple[Scalar, ...] | None = None

    @model_validator(mode="after")
    def _allowed_values_are_stated(self) -> Self:
        if (self.valid is None) == (self.values is None):
            raise mistake("state either `valid: [lowest, highest]` or `values: [...]`, and not both")
        if self.valid is not None and self.type == "string":
            raise mistake("a string column cannot have `valid`; list its `values` instead")
        if self.valid is not None and self.valid[0] >= self.valid[1]:
            raise mistake(f"`valid` is {list(self.valid)}; the first number must be below the second")
        if self.values is not None:
            wanted: tuple[type, ...] = {"string": (str,), "int": (int,), "float": (int, float)}[self.type]
            wrong = [v for v in self.values if not isinstance(v, wanted) or isinstance(v, bool)]
            if wrong or not self.values:
                raise mistake(f"`values` must be a list of {self.type} values; got {list(self.values)}")
            if len(set(self.values)) != len(self.values):
                raise mistake(f"`values` names a value twice: {list(self.values)}")
        return self

    @property
    def allowed(self) -> str:
        """The allowed values in words, e.g. `0 to 150` or `one of 0, 1`."""
        if self.valid is not None:
            low, high = self.valid
            return f"{low:g} to {high:g}"
        return "one of " + ", ".join(map(str, self.values or ()))


class Feature(Column):
    """A model input. `role`: numeric and binary are scaled, categorical is one-hot encoded."""

    role: Literal["numeric", "binary", "categorical"]
    group: Name | None = None
    drift: DriftTest

    @model_validator(mode="after")
    def _role_fits_type(self) -> Self:
        if self.role == "numeric" and (self.type == "string" or self.valid is None):
            raise mistake("a numeric feature needs type float or int and `valid: [lowest, highest]`")
        if self.role == "binary" and (self.type != "int" or self.values is None or sorted(self.values) != [0, 1]):
            raise mistake("a binary feature needs `type: int` and `values: [0, 1]`")
        if self.role == "categorical" and (self.type == "float" or self.values is None):
            raise mistake("a categorical feature needs type string or int and its `values: [...]`")
        return self


class When(Section):
    """A condition on the ground truth column; exactly one of the three."""

    above: float | None = None
    below: float | None = None
    equals: Scalar | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(v is not None for v in (self.above, self.below, self.equals)) != 1:
            raise mistake("write exactly one of `above: NUMBER`, `below: NUMBER`, `equals: VALUE`")
        return self

    def holds(self, value: Scalar) -> bool:
        """Whether `value` meets the condition; both bounds are exclusive."""
        if self.equals is not None:
            return value == self.equals
        return float(value) > self.above if self.above is not None else float(value) < self.below  # type: ignore[operator]


class LabelClass(Section):
    """One class; the one without `when` takes what no other does."""

    name: Name
    when: When | None = None


class Label(Section):
    """What is predicted: class ids count from 0 in the order of `classes`, derived from `column` of `source`."""

    name: Name
    description: Text
    source: Name
    column: Name
    truth: Column
    classes: tuple[LabelClass, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _classes_cover_everything(self) -> Self:
        names = [c.name for c in self.classes]
        if len(set(names)) != len(names):
            raise mistake(f"`classes` names a class twice: {', '.join(names)}")
        open_ends = [c.name for c in self.classes if c.when is None]
        if self.truth.values is None and len(open_ends) != 1:
            raise mistake("exactly one class must have no `when`: it takes what no other class does")
        if self.truth.values is not None:
            for value in self.truth.values:
                if self.truth.type == "string" and any(c.when and c.when.equals is None for c in self.classes):
                    raise mistake("a string ground truth needs `when: {equals: VALUE}`")
                if len(open_ends) == 0 and not any(c.when and c.when.holds(value) for c in self.classes):
                    raise mistake(f"no class takes the value {value!r}; give it a class or leave one `when` out")
        if len(open_ends) > 1:
            raise mistake(f"only one class may have no `when`; {', '.join(open_ends)} have none")
        return self

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names; the position is the class id."""
        return tuple(c.name for c in self.classes)

    @property
    def name_column(self) -> str:
        """The gold column holding the class name beside the class id."""
        return f"{self.name}_name"

    def class_id(self, truth: Scalar) -> int:
        """The class id of one ground truth value; the first class whose `when` holds wins."""
        otherwise = next((i for i, c in enumerate(self.classes) if c.when is None), -1)
        return next((i for i, c in enumerate(self.classes) if c.when and c.when.holds(truth)), otherwise)


class Split(Section):
    """A row is an eval row when the first 8 hex digits of sha256('salt:key') are divisible by `every`."""

    salt: Text
    every: Annotated[int, Field(ge=2)] = 5

    def is_eval(self, key: str) -> bool:
        """Whether the row with this key is held out."""
        return int(hashlib.sha256(f"{self.salt}:{key}".encode()).hexdigest()[:8], 16) % self.every == 0


class ModelSettings(Section):
    """The trainer's hyper-parameters: what `--set NAME=VALUE` may change."""

    layers: Annotated[int, Field(ge=1, le=20)] = 3
    units: Annotated[int, Field(ge=1, le=10_000)] = 100
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 50
    batch: Annotated[int, Field(ge=1, le=1_000_000)] = 32
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.001
    seed: Annotated[int, Field(ge=0)] = 1


class Between(Section):
    """Open bounds: the value must lie strictly between them."""

    above: Share
    below: Share

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.above >= self.below:
            raise mistake(f"`above` ({self.above:g}) must be smaller than `below` ({self.below:g})")
        return self


class MaxProbability(Section):
    """Bounds on the highest class probability over all judged rows."""

    min_above: Share
    mean_above: Share
    max_above: Share


class Gate(Section):
    """The quality gate's requirements. A check that is not named here is not made.

    `class_share_tolerance` 0.2 means: each predicted class' share within ±20 % of 1/classes.
    """

    accuracy: Between
    train_eval_gap_below: Share | None = None
    class_share_tolerance: Share | None = None
    max_probability: MaxProbability | None = None
    champion_margin: Share | None = None


class UsualRange(Section):
    """Inputs the model may answer: at_least <= value < below; outside, the rules answer."""

    at_least: float
    below: float


class Fallback(Section):
    """When and how rules answer instead of the model. `rules` is FILE.py:FUNCTION beside the contract."""

    rules: Annotated[str, StringConstraints(pattern=r"^[\w-]+\.py:\w+$")]
    confidence_below: Share = 0.0
    ranges: dict[Name, UsualRange] = {}


class Monitoring(Section):
    """How production is watched."""

    window: Annotated[int, Field(ge=10)] = 1500
    dataset_drift_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    episode_closes_after: Annotated[int, Field(ge=1)] = 3


class Contract(Section):
    """One use case's contract. `features` keep their order: it is the order of columns everywhere."""

    use_case: Name
    title: Text
    description: Text
    key: Key
    event_time: EventTime
    sources: dict[Name, Source] = Field(min_length=1)
    features: dict[Name, Feature] = Field(min_length=1)
    label: Label
    split: Split
    model: ModelSettings = ModelSettings()
    gate: Gate
    fallback: Fallback | None = None
    monitoring: Monitoring = Monitoring()
    generator: Annotated[str, StringConstraints(pattern=r"^[\w-]+\.py$")] | None = None
    slices: tuple[Name, ...] = ()

    @property
    def feature_source(self) -> str:
        """The source that delivers the features and the event time."""
        return next(n for n, s in self.sources.items() if self.event_time.column in s.columns)

    @property
    def truth_delay(self) -> int:
        """Months between an event and its ground truth, for months above 0."""
        return self.sources[self.label.source].delay_months

    def columns_of(self, source: str) -> dict[str, Column]:
        """The typed columns of a source in delivered order; key and event time are strings."""
        return {name: self._column(name) for name in self.sources[source].columns}

    def _column(self, name: str) -> Column:
        if name in self.features:
            return self.features[name]
        if name == self.label.column:
            return self.label.truth
        description = self.key.description if name == self.key.column else self.event_time.description
        return Column.model_construct(type="string", description=description)

    @property
    def schema_sha256(self) -> str:
        """Hash over what a row looks like: names, types, allowed values and classes."""
        shape = self.model_dump(mode="json", include={"key", "event_time", "features", "label"})
        return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()

    def month_name(self, month: int) -> str:
        """Month number -> `YYYY-MM`; month 0 is the contract's start."""
        year, first = map(int, self.event_time.start.split("-"))
        months = year * 12 + first - 1 + month
        return date(months // 12, months % 12 + 1, 1).strftime("%Y-%m")

    def month_number(self, name: str) -> int:
        """`YYYY-MM` -> month number; negative before the contract's start."""
        year, month = map(int, name.split("-"))
        start_year, start_month = map(int, self.event_time.start.split("-"))
        return (year - start_year) * 12 + month - start_month

    def arrives(self, source: str, month: int) -> int:
        """The clock at which a source's month is delivered; month 0 is history and complete at once."""
        return 0 if month == 0 else month + self.sources[source].delay_months
