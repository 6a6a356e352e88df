"""The typed columns of a source's tables, as delivered and in silver, by what the rest of the contract says of each."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lakeloop.contract.columns import Column
from lakeloop.contract.expression import columns_in
from lakeloop.contract.join import Join, JoinColumn, LooseColumn
from lakeloop.contract.label import Label
from lakeloop.contract.time_formats import PERIOD
from lakeloop.contract.truth import TruthPart

if TYPE_CHECKING:
    from lakeloop.contract.contract import Contract


def delivered_columns(contract: "Contract", source: str) -> dict[str, Column]:
    """What `Contract.columns_of` gives."""
    delivered, join = contract.sources[source].columns, contract.sources[source].join
    if join is not None:
        return {name: _joined_column(contract, name, join) for name in delivered}
    made = [] if contract.key.delivered else [contract.key.column]
    if contract.event_time.columns and source == contract.feature_source:
        made.append(contract.event_time.column)
    parts = _truth_parts(contract)
    columns = {name: _column(contract, name, parts) for name in (*made, *delivered)}
    if contract.joins and source == contract.feature_source:
        elsewhere = {name for other in contract.joins for name in contract.joined_features(other)}
        columns |= {name: _loose("Not used: another source has it") for name in columns if name in elsewhere}
    return columns


def silver_columns(contract: "Contract", source: str) -> dict[str, Column]:
    """What `Contract.silver_columns` gives."""
    label, key = contract.label, contract.key.column
    if contract.ahead and source == contract.truth_table:
        return {key: contract.columns_of(label.source)[key], label.truth_column: label.truth}
    columns = contract.columns_of(source)
    if source == contract.feature_source:
        if contract.event_time.dated:
            about = contract.event_time.about_period
            columns[contract.period_column] = Column.model_construct(type="string", description=about)
        columns |= contract.derived_features
        for joined in contract.joins:
            columns |= contract.joined_features(joined)
    if label.truth.in_parts and source == label.source:
        columns = {key: columns[key], label.column: label.truth}
    if label.computed and source == label.source:
        columns[label.column] = _own_truth(label)
    return columns


def _own_truth(label: Label) -> Column:
    """The truth as a row of its source has it, which may be missing there."""
    return TruthPart.model_construct(**{name: getattr(label.truth, name) for name in Column.model_fields})


def _truth_parts(contract: "Contract") -> dict[str, Column]:
    """The columns that the truth is computed from, but features."""
    expression, label = contract.truth_expression, contract.label
    if expression is None:
        return {}
    if label.several:
        return {
            name: TruthPart.model_construct(type="bool", description=f"Whether it is {name.replace('_', ' ')}")
            for name in label.columns
        }
    kinds = {named.column: named.kind for named in columns_in(expression)}
    return {
        name: TruthPart.model_construct(
            type="string" if kind == "text" else "float", description=f"What {label.column} is computed from"
        )
        for name, kind in kinds.items()
        if name not in contract.features
    }


def _joined_column(contract: "Contract", name: str, join: Join) -> Column:
    base, event_time = join.on.get(name), contract.event_time
    if base is None and name != join.as_of:
        return contract.features[name]
    said: dict[str, Any] = {"description": f"What meets {base or event_time.column}", "type": "string"}
    if name == join.as_of:
        form = event_time.format if join.format is None else join.format
        said["time"] = event_time.model_copy(update={"column": name, "format": form, "columns": {}})
        said["type"] = "timestamp" if said["time"].dated else "string"
    elif base == contract.period_column:
        form = PERIOD if join.format is None or join.as_of else join.format
        said["time"] = event_time.model_copy(update={"column": name, "format": form, "columns": {}})
    elif base in contract.features:
        said["type"] = contract.features[base].type
    return JoinColumn.model_construct(**said)


def _column(contract: "Contract", name: str, parts: Mapping[str, Column]) -> Column:
    label, key, event_time = contract.label, contract.key, contract.event_time
    if name in contract.features:
        return contract.features[name]
    if name in parts:
        return parts[name]
    if name == label.column and label.ahead:
        return _own_truth(label)
    if name == label.column:
        truth = label.truth  # of a sum the whole has limits, its parts have none
        one = Column.model_construct(type=truth.type, description=truth.description, unit=truth.unit)
        return one if truth.combine == "sum" else truth
    if name == label.truth.part:
        return Column.model_construct(type="string", description=f"What tells the parts of {label.column} apart")
    described = {key.column: key.description, event_time.column: event_time.description}
    if contract.group_column:
        described[contract.group_column] = "What the rows are split by"
    if event_time.columns:
        described |= dict.fromkeys(event_time.delivered, f"Part of {event_time.column}")
    if name in contract.placed_columns:
        return _loose("Where the row is, or what the map splits it by")
    if name not in described and name not in key.columns:
        return _loose("What rows of other sources are met by")
    time = name == event_time.column and event_time.dated
    kind: Any = "timestamp" if time else "string"
    return Column.model_construct(type=kind, description=described.get(name, f"Part of {key.column}"))


def _loose(description: str) -> Column:
    return LooseColumn.model_construct(type="string", description=description)
