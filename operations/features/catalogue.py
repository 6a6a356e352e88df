"""The catalogue of a use case's columns, as plain values: contract, lake and ML Metadata put together.

Nothing here starts Spark or imports TensorFlow: pages ask it, and must be there at once.
"""

import difflib
from dataclasses import dataclass
from typing import Literal

from lakehouse.storage.layout import TRAINING_TABLE
from lakeloop.clock import Clock, read_clock
from lakeloop.contract import Column, Contract, Feature
from lakeloop.contract.features import FEATURES_FILE
from lakeloop.contract.file_names import PLACEHOLDERS
from lakeloop.exceptions import WrongUseError
from lakeloop.use_case import UseCase
from operations.features.feature_sources import Arrival, Origin, Origins
from operations.features.freshness import Freshness, freshness
from operations.features.usage import Models, ModelUse, models_of

ColumnKind = Literal["feature", "key", "event time", "truth", "label"]


@dataclass(frozen=True)
class FeatureDescription:
    """One column: what it means (contract), what came of it (lake), how fresh it is, and who uses it (ML Metadata).

    `source` is the table its values are delivered into; `derived_from` says what a label or a derived feature is made
    of. `group` is the field of a request it stands in. `gaps` say what is not known, and why.
    """

    name: str
    kind: ColumnKind
    type: str
    unit: str
    meaning: str
    allowed: str
    role: str
    group: str
    drift_test: str
    source: str
    column: str
    gold: str
    derived_from: str = ""
    origins: tuple[Origin, ...] = ()
    freshness: Freshness | None = None
    models: tuple[ModelUse, ...] = ()
    gaps: tuple[str, ...] = ()

    @property
    def rows(self) -> int | None:
        """Rows in silver over all origins; None where one of them is not counted."""
        counts = [origin.rows for origin in self.origins]
        return None if None in counts else sum(count for count in counts if count is not None)

    @property
    def share_missing(self) -> float | None:
        """Rows that came without a value, of all that came; None before any came, or where nobody counted."""
        came = None if self.rows is None else self.rows + sum(origin.rejected for origin in self.origins)
        return sum(origin.missing for origin in self.origins) / came if came else None

    @property
    def first(self) -> Arrival | None:
        """The arrival of the lowest period."""
        return min((o.first for o in self.origins if o.first), key=lambda a: (a.period, a.at), default=None)

    @property
    def last(self) -> Arrival | None:
        """The arrival of the highest period."""
        return max((o.last for o in self.origins if o.last), key=lambda a: (a.period, a.at), default=None)

    @property
    def used_by(self) -> tuple[ModelUse, ...]:
        """The models that look at it."""
        return tuple(model for model in self.models if not model.dropped)

    @property
    def serves(self) -> str:
        """The serving version, if it looks at this column; else ''."""
        return next((model.version for model in self.used_by if model.serves), "")


def describe_features(use_case: UseCase, serving: str | None = None) -> tuple[FeatureDescription, ...]:
    """Every feature of the contract, in its order.

    `serving` is the version that serves, '' for none; by default the model server is asked, which may take its time.
    """
    return _described(use_case, tuple(use_case.contract.features), serving)


def describe_column(use_case: UseCase, name: str) -> FeatureDescription:
    """One feature, or the key, the event time, the ground truth or the label.

    Raises:
        WrongUseError: there is no such column; the text names those that are spelt like it.
    """
    known = known_names(use_case.contract)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise WrongUseError(f"{use_case.name} has no feature `{name}`; {hint}known: {', '.join(known)}")
    return _described(use_case, (name,))[0]


def known_names(contract: Contract) -> tuple[str, ...]:
    """Features, then key, event time, ground truth and label."""
    label = contract.label
    names = (*contract.features, contract.key.column, contract.event_time.column, label.truth_column, label.name)
    return tuple(dict.fromkeys(names))


def _described(use_case: UseCase, names: tuple[str, ...], serving: str | None = None) -> tuple[FeatureDescription, ...]:
    origins, models = Origins(use_case), models_of(use_case, serving)
    clock = read_clock(use_case)
    return tuple(_describe(name, origins, models, clock) for name in names)


def _describe(name: str, origins: Origins, models: Models, clock: Clock) -> FeatureDescription:
    contract, label = clock.contract, clock.contract.label
    stored = label.truth_column if name == label.name else name
    source = contract.truth_table if stored == label.truth_column else contract.feature_source
    source = contract.source_of(stored) if stored in contract.features else source
    column = contract.silver_columns(source)[stored]
    feature = column if isinstance(column, Feature) else None
    came = origins.of(stored)
    gaps = list(models.gaps)
    if not any(origin.newest_at for origin in came):
        kind = contract.event_time.of_kind
        of_source = contract.sources[_delivered_by(contract, source)]
        files = of_source.files_in_words.replace(f"{{{PLACEHOLDERS[kind.kind]}}}", kind.form)
        gaps.append(f"nothing was delivered yet: no {files} was taken in; `lakeloop lake ingest` takes what has landed")
    return FeatureDescription(
        name=name,
        kind=_kind(contract, name),
        type=label.carried_as if name == label.name else column.type,
        unit="" if name == label.name and label.classes else column.unit,
        meaning=label.description if name == label.name else column.description,
        allowed=_allowed(contract, name, column),
        role=feature.role if feature else "",
        group=(feature.group or "") if feature else "",
        drift_test=f"{feature.drift.test}, {feature.drift.threshold:g}" if feature else "",
        source=f"silver/{source}",
        column=stored,
        gold=f"{TRAINING_TABLE}.{contract.period_column if _kind(contract, name) == 'event time' else name}",
        derived_from=f"silver/{source}.{stored}" if name == label.name else _made_of(feature),
        origins=came,
        freshness=freshness(_delivered_by(contract, source), came, clock),
        models=_users(contract, name, models),
        gaps=tuple(gaps),
    )


def _delivered_by(contract: Contract, table: str) -> str:
    """The source whose files a table of silver is of."""
    return table if table in contract.sources else contract.label.source


def _made_of(feature: Feature | None) -> str:
    """E.g. `price, nights, by features.py`; '' for what is delivered."""
    if feature is None or feature.derived_from is None:
        return ""
    return f"{', '.join(feature.derived_from)}, by {FEATURES_FILE}"


def _users(contract: Contract, name: str, models: Models) -> tuple[ModelUse, ...]:
    """Key and event time are in every export, and no model looks at them; the truth is looked at as the label."""
    if _kind(contract, name) in ("key", "event time"):
        return ()
    return models.using(contract.label.name if name == contract.label.truth_column else name)


def _kind(contract: Contract, name: str) -> ColumnKind:
    if name in contract.features:
        return "feature"
    others: dict[str, ColumnKind] = {
        contract.key.column: "key",
        contract.event_time.column: "event time",
        contract.label.truth_column: "truth",
    }
    return others.get(name, "label")


def _allowed(contract: Contract, name: str, column: Column) -> str:
    if name == contract.label.name and contract.label.classes:
        if contract.label.several:
            bits = ", ".join(f"{2**i} {label}" for i, label in enumerate(contract.label.columns))
            return f"the sum of those of {bits} that a row has"
        return "one of " + ", ".join(f"{i} {label}" for i, label in enumerate(contract.label.class_names))
    if name == contract.event_time.column:
        return contract.event_time.meaning
    if not isinstance(column, Feature) and column.valid is None and column.values is None:
        return "not empty" if column.type == "string" else column.allowed
    return f"{column.allowed}, or missing" if column.optional else column.allowed
