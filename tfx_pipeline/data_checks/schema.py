"""The contract as a TensorFlow Metadata schema: what TFDV checks data against and Transform reads."""

import hashlib
from math import ceil, floor
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from lakeloop.atomic_file import write_text
from lakeloop.contract import Contract, Feature

TYPES = {"float": schema_pb2.FLOAT, "int": schema_pb2.INT, "string": schema_pb2.BYTES}


def schema_of(contract: Contract) -> schema_pb2.Schema:
    """Features and label, each present in every row with exactly one value; key and event time are left out."""
    schema = schema_pb2.Schema()
    for name, feature in contract.features.items():
        _add_feature(schema, name, feature)
    label = _one_value(schema, contract.label.name, schema_pb2.INT)
    label.int_domain.name = contract.label.name
    label.int_domain.min, label.int_domain.max = 0, len(contract.label.classes) - 1
    label.int_domain.is_categorical = True
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


def _add_feature(schema: schema_pb2.Schema, name: str, feature: Feature) -> None:
    column = _one_value(schema, name, TYPES[feature.type])
    if feature.type == "float":
        column.float_domain.name = name
        low, high = feature.valid or (min(_numbers(feature)), max(_numbers(feature)))
        column.float_domain.min, column.float_domain.max = low, high
        column.float_domain.disallow_nan = True
        column.float_domain.disallow_inf = True
    elif feature.type == "int":
        column.int_domain.name = name
        bounds = feature.valid or (min(_numbers(feature)), max(_numbers(feature)))
        column.int_domain.min, column.int_domain.max = ceil(bounds[0]), floor(bounds[1])
        column.int_domain.is_categorical = feature.role != "numeric"
    else:
        column.string_domain.name = name
        column.string_domain.value.extend(str(value) for value in feature.values or ())


def _numbers(feature: Feature) -> list[float]:
    return [float(value) for value in feature.values or ()]
