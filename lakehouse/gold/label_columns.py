"""Gold's columns of the label: the id and name of a class or of a set of labels, or the number that is predicted."""

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as sf

from lakehouse.storage.schema import column_sql, literal, quoted
from lakeloop.contract import Contract, Label, LabelClass
from lakeloop.contract.several_labels import NO_LABEL

QUANTILES = {"median": 0.5, "p10": 0.1, "p90": 0.9}
"""What a period's summary tells of numbers beside their mean."""


class ClassColumns:
    """A class id and the class' name."""

    def __init__(self, contract: Contract) -> None:
        self._contract, self._label = contract, contract.label

    def definitions(self) -> tuple[str, ...]:
        """The columns with type and comment, as SQL."""
        label = self._label
        classes = ", ".join(f"{i} {name}" for i, name in enumerate(label.class_names))
        return (
            f"{quoted(label.name)} int NOT NULL COMMENT {literal(f'{label.description}: {classes}')}",
            f"{quoted(label.name_column)} string NOT NULL COMMENT {literal('class name of ' + label.name)}",
        )

    def values(self, known: Column | None = None) -> dict[str, Column]:
        """The columns by name, in order, of rows with the ground truth; null where it is not `known`."""
        label, class_of = self._label, class_id(self._contract)
        ids = class_of if known is None else sf.when(known, class_of)
        names = sf.get(sf.array(*(sf.lit(name) for name in label.class_names)), ids)
        return {label.name: ids, label.name_column: names}

    def summary(self) -> dict[str, Column]:
        """What a period's labelled rows show: their average truth where it is a number, and each class' share."""
        label = self._label
        mean = {f"{label.truth_column}_mean": sf.avg(quoted(label.truth_column))} if label.truth_is_number else {}
        of = sf.col(quoted(label.name))
        return mean | {f"{name}_share": sf.avg((of == i).cast("double")) for i, name in enumerate(label.class_names)}


class SetColumns(ClassColumns):
    """The number of a set of labels, bit i for label i, and the labels' names, joined by commas."""

    def definitions(self) -> tuple[str, ...]:
        """The columns with type and comment, as SQL."""
        label = self._label
        bits = ", ".join(f"{2**i} {name}" for i, name in enumerate(label.columns))
        return (
            f"{quoted(label.name)} int NOT NULL COMMENT {literal(f'{label.description}, their sum: {bits}')}",
            f"{quoted(label.name_column)} string NOT NULL COMMENT {literal('names of ' + label.name)}",
        )

    def values(self, known: Column | None = None) -> dict[str, Column]:
        """The columns by name, in order, of rows with the ground truth; null where it is not `known`."""
        ids = class_id(self._contract) if known is None else sf.when(known, class_id(self._contract))
        return {self._label.name: ids, self._label.name_column: set_names(self._label, ids)}

    def summary(self) -> dict[str, Column]:
        """What a period's labelled rows show: the share of the rows that have each label."""
        of = sf.col(quoted(self._label.name))
        return {f"{name}_share": sf.avg(has_label(of, i).cast("double")) for i, name in enumerate(self._label.columns)}


class NumberColumns:
    """The number itself, a double."""

    def __init__(self, contract: Contract) -> None:
        self._label = contract.label

    def definitions(self) -> tuple[str, ...]:
        """The column with type and comment, as SQL."""
        unit = f" in {self._label.truth.unit}" if self._label.truth.unit else ""
        return (f"{quoted(self._label.name)} double NOT NULL COMMENT {literal(self._label.description + unit)}",)

    def values(self, known: Column | None = None) -> dict[str, Column]:
        """The column by name, of rows with the ground truth; it is null where that is."""
        return {self._label.name: sf.col(quoted(self._label.truth_column)).cast("double")}

    def summary(self) -> dict[str, Column]:
        """What a period's labelled rows show: the mean of their truth, its median, and where its middle lies."""
        column, truth = self._label.truth_column, sf.col(quoted(self._label.name))
        quantiles = {f"{column}_{name}": sf.percentile(truth, share) for name, share in QUANTILES.items()}
        return {f"{column}_mean": sf.avg(truth), **quantiles}


def has_label(set_id: Column, label: int) -> Column:
    """Whether the label of this place is in a set."""
    return set_id.bitwiseAND(sf.lit(2**label)) != 0


def set_names(label: Label, set_id: Column) -> Column:
    """The name of a set, as `Label.name_of` gives it; null where the set is."""
    names = sf.concat_ws(", ", *(sf.when(has_label(set_id, i), sf.lit(name)) for i, name in enumerate(label.columns)))
    return sf.when(set_id == 0, sf.lit(NO_LABEL)).when(set_id.isNotNull(), names)


def label_columns(contract: Contract) -> ClassColumns | NumberColumns:
    """Those of a contract's label."""
    if contract.label.several:
        return SetColumns(contract)
    return ClassColumns(contract) if contract.label.classes else NumberColumns(contract)


def training_columns(contract: Contract) -> str:
    """Key, period, features, ground truth and label, as SQL."""
    feature_columns = contract.silver_columns(contract.feature_source)
    label, group = contract.label, contract.group_column
    return ", ".join(
        [
            column_sql(contract.key.column, feature_columns[contract.key.column]),
            column_sql(contract.period_column, feature_columns[contract.period_column]),
            *(column_sql(name, feature) for name, feature in contract.features.items()),
            *([f"{quoted(group)} string COMMENT 'what rows are split by'"] if group else []),
            column_sql(label.truth_column, label.truth),
            *label_columns(contract).definitions(),
        ]
    )


def class_id(contract: Contract) -> Column:
    """The label's class id as an expression; the same as `Contract.label.class_id`."""
    truth = sf.col(quoted(contract.label.truth_column))
    if contract.label.several:
        return truth.cast("int")
    return _class_of(truth, contract.label.classes)


def as_now(contract: Contract) -> Column | None:
    """What a row has now, for its answer: a class id, or the number; null where it is missing. None: no feature says
    it.
    """
    persistence = contract.persistence
    if persistence is None:
        return None
    now = sf.col(quoted(persistence.feature))
    if not persistence.classes:
        return now.cast("double")
    return sf.when(now.isNotNull(), _class_of(now, persistence.classes))


def _class_of(value: Column, named: Sequence[LabelClass]) -> Column:
    classes = list(enumerate(named))
    otherwise = next((i for i, c in classes if c.when is None), -1)
    chain = sf.when(sf.lit(False), otherwise)
    for i, label_class in classes:
        if label_class.when is not None:
            chain = chain.when(_holds(label_class, value), i)
    return chain.otherwise(otherwise).cast("int")


def _holds(label_class: LabelClass, truth: Column) -> Column:
    when = label_class.when
    if when is None:
        raise ValueError(f"class {label_class.name} has no condition")
    if when.equals is not None:
        return truth == sf.lit(when.equals)
    return truth > sf.lit(when.above) if when.above is not None else truth < sf.lit(when.below)
