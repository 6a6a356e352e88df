"""One use case's contract, whole."""

import hashlib
import json
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from lakeloop.contract.columns import Column, Feature
from lakeloop.contract.key import Key
from lakeloop.contract.label import Label
from lakeloop.contract.production import Fallback, Monitoring, Requests
from lakeloop.contract.section import Name, Section, Text, mistake
from lakeloop.contract.sources import EventTime, Source
from lakeloop.contract.training import Gate, ModelSettings, Split, Training

GENERATOR = r"^[\w-]+\.py$"
ROW_SHAPE = {"type", "unit", "valid", "values"}


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
    training: Training = Training()
    gate: Gate
    fallback: Fallback | None = None
    requests: Requests | None = None
    monitoring: Monitoring = Monitoring()
    generator: Annotated[str, StringConstraints(pattern=GENERATOR)] | None = None
    history: Text | None = None
    slices: tuple[Name, ...] = ()
    translations: dict[Literal["de"], dict[Text, Text]] = Field(
        {}, description="words and sentences of this contract in other languages, for the client page"
    )

    @model_validator(mode="after")
    def _one_kind_of_months(self) -> Self:
        if self.generator is not None and self.history is not None:
            raise mistake("`generator` draws months and `history` replays them; keep one of the two")
        return self

    @property
    def plays_months(self) -> bool:
        """Whether months can be had without waiting for them: drawn by a generator, or replayed from a history."""
        return self.generator is not None or self.history is not None

    @property
    def months_from(self) -> str:
        """Where months come from that nobody waited for, in words."""
        return "the history" if self.history is not None else "the generator"

    @property
    def words(self) -> tuple[str, ...]:
        """What the client page shows of the contract and can be translated: texts, units, names."""
        features = self.features.items()
        said = [text for name, f in features for text in (f.description, f.unit, f.group, name) if text]
        return (self.title, self.description, *said, *self.label.class_names)

    @property
    def feature_source(self) -> str:
        """The source that delivers the features and the event time."""
        wanted = {self.event_time.column, *self.features}
        return next(n for n, s in self.sources.items() if wanted <= set(s.columns))

    @property
    def truth_delay(self) -> int:
        """Months between an event and its ground truth, for months above 0."""
        return self.sources[self.label.source].delay_months

    def columns_of(self, source: str) -> dict[str, Column]:
        """The typed columns of a source as delivered, after a key that is made; key and event time are strings."""
        made = () if self.key.delivered else (self.key.column,)
        return {name: self._column(name) for name in (*made, *self.sources[source].columns)}

    def _column(self, name: str) -> Column:
        if name in self.features:
            return self.features[name]
        if name == self.label.column:
            return self.label.truth
        described = {self.key.column: self.key.description, self.event_time.column: self.event_time.description}
        return Column.model_construct(type="string", description=described.get(name, f"Part of {self.key.column}"))

    @property
    def schema_sha256(self) -> str:
        """Hash over what a row may look like: names, types, units, allowed values and classes; not their wording."""
        shape = {
            "key": self.key.shape,
            "event_time": [self.event_time.column, self.event_time.start],
            "features": {
                name: feature.model_dump(mode="json", include=ROW_SHAPE) for name, feature in self.features.items()
            },
            "label": self.label.model_dump(
                mode="json", include={"name": True, "column": True, "truth": ROW_SHAPE, "classes": True}
            ),
        }
        typing = {name: source.read.typing for name, source in self.sources.items() if source.read.typing}
        if typing:
            shape["read"] = typing
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
