"""A use case's own model inputs: `preprocess(inputs, learn)` in its `preprocessing.py`, a part of the Transform graph.

It is traced, not run row by row: what it does stands in the graph that travels with the model, so that training and
serving do the same.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from lakeloop.contract import Feature
from lakeloop.contract.section import NAME
from lakeloop.exceptions import OwnCodeError
from lakeloop.own_code import line_of, own_errors
from lakeloop.own_files import OwnFile
from tfx_pipeline.training.analyser import Analyser, NoRows
from tfx_pipeline.training.columns import OwnInput
from tfx_pipeline.training.raw_features import DTYPES, is_missing

FILE_NAME = "own_inputs.json"
OWN_KEY = "own_preprocessing"
"""Of a `custom_config`: the file, as JSON."""
MEANT = 'return {"name": values} with a tensor (batch,) or (batch, columns) of numbers a name'


class Learn:
    """What `preprocess` can learn of the training rows; values are (batch,) float32, and NaN is a value not there."""

    def __init__(self, analyser: Analyser) -> None:
        self._analyser, self._asked = analyser, 0

    def mean(self, values: tf.Tensor) -> tf.Tensor:
        """The mean, a scalar."""
        return self._analyser.mean(self._name(), _column(values))

    def percentiles(self, values: tf.Tensor) -> tf.Tensor:
        """The 1st to 99th percentile, (99,): the median is `[49]`."""
        return self._analyser.percentiles(self._name(), _column(values))

    def z_score(self, values: tf.Tensor) -> tf.Tensor:
        """The values less their mean, over their standard deviation, (batch,)."""
        column = _column(values)
        return tf.reshape(self._analyser.z_score(self._name(), column, column), [-1])

    def _name(self) -> str:
        self._asked += 1
        return f"own value {self._asked}"


def own_outputs(
    file: OwnFile, features: Mapping[str, Feature], inputs: Mapping[str, tf.Tensor], analyser: Analyser
) -> dict[str, tf.Tensor]:
    """What `preprocess` makes of raw features, each (batch,): model inputs by name, each (batch, width) float32.

    Raises:
        OwnCodeError: it fails, or gives something else; the text names the file and the line.
    """
    given = {name: _given(feature, inputs[name]) for name, feature in features.items()}
    function = file.function()
    with own_errors(file.path):
        # TensorFlow would rewrite its code otherwise, and tell of errors at lines that nobody has
        found = tf.autograph.experimental.do_not_convert(function)(given, Learn(analyser))
    try:
        return dict(_read(found))
    except ValueError as error:
        raise OwnCodeError(file.path, line_of(function), f"`{function.__name__}` {error}; {MEANT}") from None


def own_inputs(file: OwnFile, features: Mapping[str, Feature], taken: Sequence[str] = ()) -> tuple[OwnInput, ...]:
    """What `preprocess` gives, found by tracing it alone; `taken`: names that no input may have.

    Raises:
        OwnCodeError: as `own_outputs` does, or where two inputs would have one name.
    """
    found: list[OwnInput] = []

    @tf.function(autograph=False)
    def traced(inputs: Mapping[str, tf.Tensor]) -> None:
        for name, tensor in own_outputs(file, features, inputs, NoRows()).items():
            found.append(OwnInput(name=name, width=tensor.shape[1], made_of=_made_of(tensor, inputs)))

    traced.get_concrete_function({name: tf.TensorSpec([None], DTYPES[f.carried_as]) for name, f in features.items()})
    if clashing := [one.name for one in found if one.name in taken]:
        raise OwnCodeError(
            file.path, line_of(file.function()), f"`preprocess` gives `{clashing[0]}`, the name of another column"
        )
    return tuple(found)


def write_own_inputs(inputs: Sequence[OwnInput], graph: Path) -> None:
    """Keep them beside the transform graph; no file where there are none."""
    if inputs:
        (graph / FILE_NAME).write_text(json.dumps([one.model_dump() for one in inputs]), encoding="utf-8")


def read_own_inputs(graph: Path) -> tuple[OwnInput, ...]:
    """Those of a transform graph."""
    file = graph / FILE_NAME
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return tuple(OwnInput.model_validate(one) for one in found)


def preprocessing_from(config: Mapping[str, Any]) -> OwnFile | None:
    """The file of a `custom_config`; none where the use case has none."""
    return OwnFile.model_validate_json(config[OWN_KEY]) if OWN_KEY in config else None


def _given(feature: Feature, values: tf.Tensor) -> tf.Tensor:
    """Numbers as float32 and seconds of times as float64, NaN for a missing one; texts, '' for a missing one."""
    if feature.carried_as == "string":
        return values
    numbers = tf.cast(values, tf.float64 if feature.role == "time" else tf.float32)
    if not feature.optional or feature.carried_as == "float":
        return numbers
    return tf.where(is_missing(values, feature), tf.constant(float("nan"), numbers.dtype), numbers)


def _read(found: object) -> Any:
    if not isinstance(found, Mapping):
        raise ValueError(f"gave {type(found).__name__}")
    if not found:
        raise ValueError("gave no input")
    for name, values in found.items():
        if not isinstance(name, str) or not re.fullmatch(NAME, name):
            raise ValueError(f"gave {name!r}, which is no name: lower-case letters, digits and `_`")
        if not tf.is_tensor(values):
            raise ValueError(f"gave `{name}`, which is {type(values).__name__}, not a tensor")
        if not (values.dtype.is_floating or values.dtype.is_integer or values.dtype.is_bool):
            raise ValueError(f"gave `{name}` of {values.dtype.name}, not of numbers")
        shape = values.shape.as_list() if values.shape.rank is not None else None
        if shape is None or len(shape) not in (1, 2) or (len(shape) == 2 and not shape[1]):
            raise ValueError(f"gave `{name}` of shape {values.shape}, not (batch,) or (batch, columns)")
        column = tf.cast(tf.reshape(values, [-1, 1]) if len(shape) == 1 else values, tf.float32)
        yield name, tf.where(tf.math.is_nan(column), 0.0, column)


def _column(values: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tf.cast(values, tf.float32), [-1, 1])


def _made_of(tensor: tf.Tensor, inputs: Mapping[str, tf.Tensor]) -> tuple[str, ...]:
    """The inputs that a tensor of a graph hangs on."""
    seen, ahead = {tensor.op.name}, [tensor.op]
    while ahead:
        op = ahead.pop()
        further = [one for one in (*(i.op for i in op.inputs), *op.control_inputs) if one.name not in seen]
        seen |= {one.name for one in further}
        ahead += further
    return tuple(name for name, one in inputs.items() if one.op.name in seen)
