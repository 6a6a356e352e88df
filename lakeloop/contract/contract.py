"""One use case's contract, whole."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from lakeloop.contract.batch_scoring import BatchScoring
from lakeloop.contract.card import CardTexts
from lakeloop.contract.clusters import Clusters
from lakeloop.contract.columns import Column
from lakeloop.contract.crosses import Cross
from lakeloop.contract.event_time import EventTime
from lakeloop.contract.expression import Expression, number_of_set, read_expression
from lakeloop.contract.features import Feature
from lakeloop.contract.gate import Gate
from lakeloop.contract.join import Join
from lakeloop.contract.key import JOINT, Key
from lakeloop.contract.label import Label
from lakeloop.contract.label_classes import LabelClass, When
from lakeloop.contract.metrics import DECIDES, MEAN_COST, POISSON
from lakeloop.contract.model import ModelSettings, NetworkSettings
from lakeloop.contract.periods import PeriodKind, last_period
from lakeloop.contract.persistence import Persistence
from lakeloop.contract.place import Place
from lakeloop.contract.production import Fallback, Monitoring, Requests
from lakeloop.contract.release_plan import ReleasePlan
from lakeloop.contract.row_shape import row_shape_sha256
from lakeloop.contract.section import PYTHON_FILE, Name, Section, Text, sequences_as_tuples, unless
from lakeloop.contract.sources import Source
from lakeloop.contract.table_columns import delivered_columns, silver_columns
from lakeloop.contract.training import Split, Training

ClockKind = Literal["simulated", "wall"]
PERIOD_COLUMN = "period"
"""Where the event time is a time, the column of its period's name."""
AHEAD = "ahead"
"""Where the truth is of a later period, its table in silver."""


class Contract(Section):
    """One use case's contract. `features` keep their order: it is the order of columns everywhere."""

    use_case: Name
    title: Text
    description: Text
    key: Key
    event_time: EventTime
    clock: ClockKind = "simulated"
    sources: dict[Name, Source] = Field(min_length=1)
    features: dict[Name, Feature] = Field(min_length=1)
    crosses: tuple[Cross, ...] = unless(())
    label: Label
    split: Split
    model: ModelSettings = NetworkSettings()
    training: Training = Training()
    gate: Gate
    fallback: Fallback | None = None
    requests: Requests | None = None
    monitoring: Monitoring = Monitoring()
    scoring: BatchScoring | None = unless(None)
    release: ReleasePlan | None = unless(None)
    clusters: Clusters | None = unless(None)
    generator: Annotated[str, StringConstraints(pattern=PYTHON_FILE)] | None = None
    history: Text | None = None
    slices: tuple[Name, ...] = ()
    place: Place | None = unless(None)
    model_card: CardTexts = unless(CardTexts())
    translations: dict[Literal["de"], dict[Text, Text]] = Field(
        {}, description="words and sentences of this contract in other languages, for the client page"
    )

    @model_validator(mode="before")
    @classmethod
    def _is_decided_by_a_metric_of_its_task(cls, given: Any) -> Any:
        """Where the gate does not say which metric decides, the task does, its loss, or what errors cost."""
        given = sequences_as_tuples(given)
        label, gate = (given.get(name) if isinstance(given, dict) else None for name in ("label", "gate"))
        if isinstance(label, dict) and isinstance(gate, dict) and label.get("columns"):
            given = {**given, "gate": {"decides": DECIDES["multilabel"], **gate}}
        elif isinstance(label, dict) and isinstance(gate, dict) and not label.get("classes"):
            decides = POISSON if label.get("loss") == "poisson" else DECIDES["regression"]
            given = {**given, "gate": {"decides": decides, **gate}}
        elif isinstance(label, dict) and isinstance(gate, dict) and _errors_cost(label.get("decision")):
            given = {**given, "gate": {"decides": MEAN_COST, **gate}}
        return given

    @property
    def plays_periods(self) -> bool:
        """Whether periods can be had without waiting for them: drawn by a generator, or replayed from a history."""
        return self.generator is not None or self.has_history

    @property
    def has_history(self) -> bool:
        """Whether periods are replayed from a history: from a folder that is named, or from a fetched one."""
        return self.history is not None or self.history_is_fetched

    @property
    def history_is_fetched(self) -> bool:
        """Whether the history is what the sources' functions fetch: all of them have one, and nothing else is named."""
        named = self.generator is not None or self.history is not None
        return not named and all(source.fetch is not None for source in self.sources.values())

    @property
    def periods_from(self) -> str:
        """Where periods come from that nobody waited for, in words."""
        return "the history" if self.has_history else "the generator"

    @property
    def words(self) -> tuple[str, ...]:
        """What the client page shows of the contract and can be translated: texts, units, names."""
        features = self.given_features.items()
        said = [text for name, f in features for text in (f.description, f.unit, f.group, name) if text]
        answered = self.label.class_names or ((self.label.truth.unit,) if self.label.truth.unit else ())
        return (self.title, self.description, *said, *answered)

    @property
    def given_features(self) -> dict[str, Feature]:
        """The features that files and requests have, in the contract's order."""
        return {name: feature for name, feature in self.features.items() if not feature.derived}

    @property
    def derived_features(self) -> dict[str, Feature]:
        """The others: those that `features.py` makes of them."""
        return {name: feature for name, feature in self.features.items() if feature.derived}

    @property
    def feature_source(self) -> str:
        """The base: the source with the event time and the features, but those of joined sources."""
        joined = {name for source, join in self.joins.items() for name in self._values_of(source, join)}
        event_time = self.event_time
        wanted = {
            *event_time.delivered,
            *(name for name in self.given_features if name not in joined and name != event_time.column),
        }
        return next(n for n, s in self.sources.items() if s.join is None and wanted <= set(s.columns))

    @property
    def scored_table(self) -> str:
        """The table that is scored where nobody names one."""
        named = self.scoring.table if self.scoring is not None else None
        return named or f"silver/{self.feature_source}"

    @property
    def joins(self) -> dict[str, Join]:
        """The joined sources, and how their rows are met."""
        return {name: source.join for name, source in self.sources.items() if source.join is not None}

    def source_of(self, feature: str) -> str:
        """The source that a feature comes from; of a derived one the base, whose rows it is made in."""
        if self.features[feature].source is not None:
            return str(self.features[feature].source)
        base = self.feature_source
        if feature in self.sources[base].columns:
            return base
        return next((source for source, join in self.joins.items() if feature in self._values_of(source, join)), base)

    def joined_features(self, source: str) -> dict[str, Feature]:
        """The features that a joined source brings, in the contract's order; of any other source none."""
        if source not in self.joins:
            return {}
        return {name: feature for name, feature in self.features.items() if self.source_of(name) == source}

    @property
    def waited_for(self) -> tuple[str, ...]:
        """The joined sources with a feature that a row must have: one that meets no row of theirs waits."""
        return tuple(
            source for source in self.joins if not all(f.optional for f in self.joined_features(source).values())
        )

    def identity(self, source: str) -> tuple[str, ...]:
        """The columns by which one row of a source is told from another: the key, of a truth in parts what tells those
        apart, too, or what a joined row is met by.
        """
        join, part = self.sources[source].join, self.label.truth.part
        if join is not None:
            return join.identity
        return (self.key.column, part) if part is not None and source == self.label.source else (self.key.column,)

    def _values_of(self, source: str, join: Join) -> list[str]:
        return [name for name in self.sources[source].columns if name not in join.identity]

    @property
    def period_column(self) -> str:
        """The column with the name of the period an event belongs to, which tables are filtered by."""
        return PERIOD_COLUMN if self.event_time.dated else self.event_time.column

    @property
    def period(self) -> PeriodKind:
        """What time is counted in, and the word for it in texts: `month`."""
        return self.event_time.period

    @property
    def a_period(self) -> str:
        """The same with its article: `a month`, `an hour`."""
        return f"an {self.period}" if self.period == "hour" else f"a {self.period}"

    @property
    def group_column(self) -> str:
        """The column that rows are split by, where it is nothing else; kept from files to gold. '' for none."""
        column = self.split.column or ""
        others = {self.key.column, *self.key.columns, *self.event_time.delivered, *self.features}
        return "" if column in others else column

    @property
    def ahead(self) -> int:
        """How many periods later the truth of a row is true; 0: at once, however late it comes."""
        return self.label.ahead or 0

    @property
    def truth_table(self) -> str:
        """The table of silver that has the truth by the key of its row: its source's, unless that is a later row's."""
        return AHEAD if self.ahead else self.label.source

    @property
    def placed_columns(self) -> tuple[str, ...]:
        """The columns of the base that only say where a row is, or what the map splits it by: nothing else has them."""
        if self.place is None:
            return ()
        others = {self.key.column, *self.key.columns, *self.event_time.delivered, *self.features, self.group_column}
        met = {name for join in self.joins.values() for name in join.on.values()}
        return tuple(name for name in self.place.columns if name not in others | met)

    @property
    def truth_delay(self) -> int:
        """Periods between an event and its ground truth, for periods above 0."""
        return self.sources[self.label.source].delay + self.ahead

    def truth_arrives(self, number: int) -> int:
        """The simulated clock at which the truth of a period is there."""
        return self.arrives(self.label.source, number + self.ahead)

    def earlier_period(self, name: str) -> str:
        """The period whose rows' truth stands in this one's, where it is of a later period."""
        return self.period_name(self.period_number(name) - self.ahead)

    def earlier_key(self, key: str) -> str:
        """The key of the row whose truth the row of this key has: of a year ahead `north|2013` of `north|2014`."""
        parts, place = key.split(JOINT), self.key.columns.index(self.event_time.column)
        return JOINT.join([*parts[:place], self.earlier_period(parts[place]), *parts[place + 1 :]])

    def columns_of(self, source: str) -> dict[str, Column]:
        """The typed columns of a source as delivered, after a key that is made and an event time that is joined; the
        key is a string, and so is an event time of periods.
        """
        return delivered_columns(self, source)

    def may_lack(self, source: str) -> set[str]:
        """The columns that a file of a source need not have: those whose values may be missing."""
        return {name for name, column in self.columns_of(source).items() if column.optional}

    def silver_columns(self, source: str) -> dict[str, Column]:
        """The typed columns of a source in silver: as delivered, then the period where events have times, derived
        features, the features of joined sources, and a truth that is computed. Of `AHEAD` key and truth.
        """
        return silver_columns(self, source)

    @property
    def truth_expression(self) -> Expression | None:
        """What the truth is computed by; None where it is delivered. Columns that are no feature are its parts."""
        if self.label.several:
            return number_of_set(self.label.columns)
        made = self.label.made
        return None if made is None else read_expression(made, {name: f.type for name, f in self.features.items()})

    @property
    def persistence(self) -> Persistence | None:
        """The forecast that all stays as it is, where a feature says what is; None where none does."""
        label, name = self.label, self.label.naive
        if name is None and label.ahead and label.column in self.features:
            name = label.column
        if name is None:
            return None
        classes = label.classes
        if classes and self.features[name].type == "string" and label.truth.type != "string":
            classes = tuple(LabelClass(name=one, when=When(equals=one)) for one in label.class_names)
        return Persistence(feature=name, classes=classes)

    @property
    def schema_sha256(self) -> str:
        """Hash over what a row may look like: names, types, units, allowed values and classes; not their wording."""
        return row_shape_sha256(self)

    def period_name(self, number: int) -> str:
        """Period number -> its name, e.g. `YYYY-MM`; period 0 is the contract's start."""
        return self.event_time.name(number)

    def period_number(self, name: str) -> int:
        """Name of a period -> its number, negative before the contract's start.

        Raises:
            ValueError: no period is of this name.
        """
        return self.event_time.number(name)

    def period_start(self, number: int) -> datetime:
        """The moment (UTC) that a period begins at, which is where the one before it ends."""
        return self.event_time.begins(number)

    def period_of_file(self, source: str, file: str) -> str:
        """The period in which a file counts by its name: the last of those it holds; '' where its name says none."""
        name = self.sources[source].period_of_file(file)
        return last_period(name, self.period) if name >= "0001" else ""  # the calendar has no year 0

    def arrives(self, source: str, number: int) -> int:
        """The simulated clock at which a source's period is delivered; period 0 is history and complete at once."""
        return 0 if number == 0 else number + self.sources[source].delay


def _errors_cost(decision: Any) -> bool:
    return isinstance(decision, dict) and decision.get("cost") is not None
