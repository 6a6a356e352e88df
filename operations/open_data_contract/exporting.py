"""A contract as an ODCS document: what the standard has words for in its words, all else as custom properties.

Made from the contract as it is written, not as it is read, so that what was left out is left out when it comes back.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from open_data_contract_standard.model import (
    Description,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
    ServiceLevelAgreementProperty,
)

from lakeloop.contract import Contract, Source
from lakeloop.contract.yaml_document import read_document
from lakeloop.contract_file import load_contract
from operations.open_data_contract.words import API_VERSION, COLUMN_WORDS, custom, standard_property

SAID = ("use_case", "title", "description", "sources", "features")
"""Sections that the standard's own words hold; the others are custom properties."""


def as_standard(path: Path) -> OpenDataContractStandard:
    """The contract at `path` in the standard's words; `to_yaml()` writes it.

    Raises:
        ContractError: the contract has mistakes.
    """
    contract, written = load_contract(path), _plain(read_document(path).values)
    rest = {name: value for name, value in written.items() if name not in SAID}
    rest["features"] = list(contract.features)
    if contract.derived_features:
        rest["derived"] = {name: written["features"][name] for name in contract.derived_features}
    return OpenDataContractStandard(
        apiVersion=API_VERSION,
        kind="DataContract",
        id=contract.use_case,
        name=contract.title,
        version="1.0.0",
        status="active",
        description=Description(purpose=contract.description),
        schema=[_table(contract, written, name) for name in contract.sources],
        slaProperties=[
            ServiceLevelAgreementProperty(property="latency", value=source.delay, unit=contract.period, element=name)
            for name, source in contract.sources.items()
            if source.delay
        ]
        or None,
        customProperties=custom(rest),
    )


def _plain(value: Any) -> Any:
    """The document in what JSON knows: YAML reads `2024-01-31` as a date."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value


def _table(contract: Contract, written: Mapping[str, Any], name: str) -> SchemaObject:
    source, words = contract.sources[name], written["sources"][name]
    return SchemaObject(
        name=name,
        logicalType="object",
        physicalType="table" if source.delta is not None else "topic" if source.topic is not None else "file",
        physicalName=_place(source),
        description=source.description,
        properties=list(_columns(contract, written, name)),
        customProperties=custom({word: value for word, value in words.items() if not _said(word, value)}),
    )


def _place(source: Source) -> str:
    if source.delta is not None:
        return source.delta.path
    return source.topic.name if source.topic is not None else source.files_in_words


def _said(word: str, value: Any) -> bool:
    """Whether the standard's own words say it: the description, and columns that files call as the lake does."""
    return word == "description" or (word == "columns" and isinstance(value, list))


def _columns(contract: Contract, written: Mapping[str, Any], source: str) -> Iterator[SchemaProperty]:
    spec, key = contract.sources[source], contract.key
    parts = key.columns or ((key.column,) if key.delivered else ())
    typed = contract.columns_of(source)
    holders = _holders(contract)
    for name in spec.columns:
        column = typed[name]
        position = parts.index(name) + 1 if name in parts else None
        delivered = spec.delivered(name)
        more: dict[str, Any] = {
            "required": not column.optional,
            "physicalName": delivered[0] if delivered != (name,) else None,
            "primaryKey": True if position else None,
            "primaryKeyPosition": position,
        }
        if holders.get(name) == source:
            words = written["features"][name]
            more["customProperties"] = custom({word: words[word] for word in words if word not in COLUMN_WORDS})
        else:
            words = {"type": column.type, "description": column.description}
            if name == contract.label.column:
                words = dict(written["label"]["truth"])
        yield standard_property(name, words, **more)


def _holders(contract: Contract) -> dict[str, str]:
    """Feature -> the source that its words stand with: the one that delivers it, the features' own first."""
    sources = sorted(contract.sources, key=lambda name: name != contract.feature_source)
    return {
        feature: next(name for name in sources if feature in contract.sources[name].columns)
        for feature in contract.given_features
    }
