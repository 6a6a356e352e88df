"""The contract as a TensorFlow Metadata schema: what TFDV checks data against and Transform reads."""

import hashlib
from math import ceil, floor
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from lakeloop.atomic_file import write_text
from lakeloop.contract import Contract, Feature, Label

TYPES = {"float": schema_pb2.FLOAT, "int": schema_pb2.INT, "string": schema_pb2.BYTES}


def schema_of(contract: Contract) -> schema_pb2.Schema:
    """Features and label, each with one value in every row, or at most one if optional; no key and event time."""
    schema = schema_pb2.Schema()
    for name, feature in contract.features.items():
        _add_feature(schema, name, feature)
    _add_label(schema, contract.label)
    if any(feature.optional for feature in contract.features.values()):
        _represent(schema, contract)
    return schema


def save_schema(contract: Contract, folder: Path) -> Path:
    """Write the schema into `folder` as `<hash of its content>.pbtxt`; the same schema is the same file.

    TFX's cache takes the path for what is in the file, so another schema must be at another path.
    """
    text = text_format.MessageToString(schema_of(contract))
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()}.pbtxt"
    return write_text(path, text)


def _one_value(schema: schema_pb2.Schema, name: str, kind: "schema_pb2.FeatureType") -> schema_pb2.Feature:
    feature = schema.feature.add(name=name, type=kind)
    feature.presence.min_fraction = 1.0
    feature.presence.min_count = 1
    feature.shape.SetInParent()  # a scalar: one value a row, dense in Transform
    return feature


def _at_most_one_value(schema: schema_pb2.Schema, name: str, kind: "schema_pb2.FeatureType") -> schema_pb2.Feature:
    feature = schema.feature.add(name=name, type=kind)
    feature.value_count.min = feature.value_count.max = 1
    return feature


def _represent(schema: schema_pb2.Schema, contract: Contract) -> None:
    """How a parser makes a dense column of each feature, with stand-ins where one is missing.

    TFX looks here for all of them or for none.
    """
    representations = schema.tensor_representation_group[""].tensor_representation
    for column in schema.feature:
        dense = representations[column.name].dense_tensor
        dense.column_name = column.name
        dense.shape.SetInParent()
        feature = contract.features.get(column.name)
        if feature is None or not feature.optional:
            continue
        if feature.carried_as == "float":
            dense.default_value.float_value = float(feature.stand_in)
        elif feature.carried_as == "int":
            dense.default_value.int_value = int(feature.stand_in)
        else:
            dense.default_value.bytes_value = str(feature.stand_in).encode()


def _add_feature(schema: schema_pb2.Schema, name: str, feature: Feature) -> None:
    """Without `valid` and values nothing is impossible: new values of a learnt vocabulary are no anomaly.

    A date or time has no domain: it is no category, and that time goes on is not told as values out of bounds.
    """
    column = (_at_most_one_value if feature.optional else _one_value)(schema, name, TYPES[feature.carried_as])
    bounds = feature.valid or _ends(feature)
    if feature.carried_as == "float":
        column.float_domain.name = name
        if bounds is not None:
            column.float_domain.min, column.float_domain.max = bounds
        column.float_domain.disallow_nan = True
        column.float_domain.disallow_inf = True
    elif feature.carried_as == "int" and feature.role != "time":
        column.int_domain.name = name
        if bounds is not None:
            column.int_domain.min, column.int_domain.max = ceil(bounds[0]), floor(bounds[1])
        column.int_domain.is_categorical = feature.role != "numeric"
    elif feature.choices is not None:
        column.string_domain.name = name
        column.string_domain.value.extend(str(value) for value in feature.choices)


def _add_label(schema: schema_pb2.Schema, label: Label) -> None:
    """The id of a class or of a set of labels; or a number, of which the contract says where it can lie."""
    column = _one_value(schema, label.name, TYPES[label.carried_as])
    if label.classes:
        column.int_domain.name = label.name
        ids = 2 ** len(label.classes) if label.several else len(label.classes)
        column.int_domain.min, column.int_domain.max = 0, ids - 1
        column.int_domain.is_categorical = True
        return
    column.float_domain.name = label.name
    column.float_domain.disallow_nan = column.float_domain.disallow_inf = True
    if label.truth.limits is not None:
        column.float_domain.min, column.float_domain.max = label.truth.limits


def _ends(feature: Feature) -> tuple[float, float] | None:
    """The smallest and the largest of the numbers that the contract lists."""
    if feature.carried_as == "string" or feature.choices is None:
        return None
    numbers = [float(value) for value in feature.choices]
    return min(numbers), max(numbers)
