"""What a SavedModel's signatures say: named inputs and outputs with type, shape and graph tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

DEFAULT_SIGNATURE = "serving_default"
"""Asked when a request names none."""


@dataclass(frozen=True)
class NamedTensor:
    """One input or output: its name in requests, type (`float`, `int64`, `string`, …), tensor in the graph.

    `shape` holds None for a dimension of any size and is None itself where the rank is unknown.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None
    tensor: str


@dataclass(frozen=True)
class Signature:
    """A function of the model; inputs and outputs in order of their names."""

    name: str
    inputs: tuple[NamedTensor, ...]
    outputs: tuple[NamedTensor, ...]
    method_name: str


def dtype_name(number: int) -> str:
    """`float` for DT_FLOAT, as TensorFlow writes types in its error texts."""
    return types_pb2.DataType.Name(number).removeprefix("DT_").lower()


def read_signatures(defs: Mapping[str, meta_graph_pb2.SignatureDef]) -> dict[str, Signature]:
    """The signatures of a MetaGraphDef by name."""
    return {
        name: Signature(name, _tensors(sig.inputs), _tensors(sig.outputs), sig.method_name)
        for name, sig in defs.items()
    }


def _tensors(infos: Mapping[str, meta_graph_pb2.TensorInfo]) -> tuple[NamedTensor, ...]:
    return tuple(
        NamedTensor(name, dtype_name(info.dtype), _shape(info), info.name) for name, info in sorted(infos.items())
    )


def _shape(info: meta_graph_pb2.TensorInfo) -> tuple[int | None, ...] | None:
    if info.tensor_shape.unknown_rank:
        return None
    return tuple(dim.size if dim.size >= 0 else None for dim in info.tensor_shape.dim)
