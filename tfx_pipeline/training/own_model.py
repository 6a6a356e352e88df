"""A use case's own model: `build_model(columns, settings)` in its `model.py`, or a whole `run_fn(fn_args)`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from lakeloop.contract import NetworkSettings
from lakeloop.exceptions import OwnCodeError
from lakeloop.own_code import line_of, own_errors
from lakeloop.own_files import OwnFile
from lakeloop.threshold import Threshold, class_ids_at
from tfx_pipeline.example_files import batches
from tfx_pipeline.training.calibration_rows import which_calibrate
from tfx_pipeline.training.columns import Columns, ModelInputs
from tfx_pipeline.training.decision_threshold import chosen_elsewhere
from tfx_pipeline.training.raw_features import DTYPES
from tfx_pipeline.training.signature_names import (
    CLASS_ID,
    CLASSIFY,
    EXAMPLES,
    LOWER,
    PREDICTION,
    PROBABILITIES,
    REGRESS,
    SERVING,
    SET_ID,
    THRESHOLD,
    UPPER,
)

OWN_MODEL_KEY, RAW_EVAL_KEY = "own_model", "raw_eval"
"""Of a `custom_config`: the file, as JSON; and where the raw examples of the eval rows are."""
TRIED_ROWS = 30


@dataclass(frozen=True)
class ModelColumns:
    """What `build_model` is told: the inputs by `names`, so many `widths` of columns each, and what is to come out.

    The model gets one tensor (batch, width) float32, the inputs side by side in this order, and gives `outputs` numbers
    a row: the probabilities of `class_names`; or, where there are none, one number, the label scaled to mean 0 and
    deviation 1, but by `label.loss: poisson` to mean 1 and never below 0. `several`: the names are those of labels of
    which a row may have any, and each probability stands by itself.
    """

    names: tuple[str, ...]
    widths: tuple[int, ...]
    outputs: int
    class_names: tuple[str, ...]
    several: bool = False

    @property
    def width(self) -> int:
        """Columns in all."""
        return sum(self.widths)

    def slice_of(self, name: str) -> slice:
        """Where an input's columns stand: `inputs[:, columns.slice_of("age")]`."""
        place = self.names.index(name)
        start = list(accumulate((0, *self.widths)))[place]
        return slice(start, start + self.widths[place])


@dataclass(frozen=True)
class OwnNetwork:
    """The network of a use case's own `build_model`, for these columns; one of `counts` answers nothing below 0."""

    file: OwnFile
    columns: ModelColumns
    counts: bool = False

    def build(self, settings: NetworkSettings) -> keras.Model:
        """The model, tried on a few rows; compiled or not.

        Raises:
            OwnCodeError: it fails, makes something else, or a model whose answers are no probabilities of the classes.
        """
        with own_errors(self.file.path):
            model = self.file.function()(self.columns, settings)
        _check_model(self, model)
        return model


def own_network(config: Mapping[str, Any], columns: Columns, inputs: ModelInputs) -> OwnNetwork | None:
    """That of a `custom_config`, for a model of these inputs; none where the use case has none."""
    file = model_from(config)
    told = ModelColumns(inputs.used, inputs.widths, columns.classes or 1, columns.class_names, columns.several)
    return None if file is None else OwnNetwork(file, told, columns.loss == "poisson")


def model_from(config: Mapping[str, Any]) -> OwnFile | None:
    """The file of a `custom_config`; none where the use case has none."""
    return OwnFile.model_validate_json(config[OWN_MODEL_KEY]) if OWN_MODEL_KEY in config else None


def run_whole(file: OwnFile, fn_args: FnArgs, columns: Columns) -> Threshold | None:
    """Have the use case's own `run_fn` train and save, and check what it saved; the threshold in it, where the contract
    wants one.

    Raises:
        OwnCodeError: it fails, or its SavedModel has not the signatures that the gate, servers and clients ask.
    """
    with own_errors(file.path):
        file.function()(fn_args)
    folder = Path(fn_args.serving_model_dir)
    if not (folder / "saved_model.pb").is_file():
        raise _wrong(file, f"saved no model in `fn_args.serving_model_dir` ({folder})")
    signatures = tf.saved_model.load(str(folder)).signatures
    own = CLASSIFY if columns.classes else REGRESS
    if missing := [name for name in (SERVING, EXAMPLES, own) if name not in signatures]:
        raise _wrong(file, f"saved a model without the signature {', '.join(missing)}; "
                           "`tfx_pipeline.training.signatures.save_model` writes all of them")  # fmt: skip
    serving = signatures[SERVING]
    given = {name: spec.dtype for name, spec in serving.structured_input_signature[1].items()}
    wanted = {name: DTYPES[feature.carried_as] for name, feature in columns.features.items()}
    if given != wanted:
        differ = [name for name in {**wanted, **given} if given.get(name) != wanted.get(name)]
        raise _wrong(file, f"saved a model whose `{SERVING}` has not the contract's features as inputs (batch,): "
                           f"{', '.join(differ)}")  # fmt: skip
    outputs = serving.structured_outputs
    of_classes = (PROBABILITIES, SET_ID if columns.several else CLASS_ID)
    answered = of_classes if columns.classes else (PREDICTION, LOWER, UPPER)
    if set(answered) - set(outputs):
        raise _wrong(file, f"saved a model whose `{SERVING}` gives {', '.join(outputs)}, not {', '.join(answered)}")
    if not columns.classes:
        return None
    classes = outputs[PROBABILITIES].shape.as_list()[-1:]
    if classes not in ([columns.classes], [None]):
        raise _wrong(file, f"saved a model that gives {classes[0]} probabilities a row, wanted {columns.classes}")
    if columns.decision is None:
        return None
    if THRESHOLD not in outputs:
        raise _wrong(file, f"saved a model without the output `{THRESHOLD}`, and the contract has `label.decision`; "
                           "the signatures' `learn` chooses one, before `save_model` writes it")  # fmt: skip
    return _threshold_in(file, signatures[EXAMPLES], Path(fn_args.custom_config[RAW_EVAL_KEY]), columns)


def _threshold_in(file: OwnFile, ask: Callable[..., Any], held_out: Path, columns: Columns) -> Threshold:
    """What a model answers its classes by, and what comes of it on the held-out rows that it may be chosen on."""
    assert columns.decision is not None
    spec = {columns.label: tf.io.FixedLenFeature([], tf.int64), columns.key: tf.io.FixedLenFeature([], tf.string)}
    found: dict[str, list[np.ndarray]] = {}
    for batch in batches(sorted(str(path) for path in held_out.iterdir())):
        for name, values in (ask(examples=batch) | tf.io.parse_example(batch, spec)).items():
            found.setdefault(name, []).append(values.numpy())
    rows = {name: np.concatenate(parts) for name, parts in found.items()}
    of, at = columns.positive, rows[THRESHOLD]
    answered = class_ids_at(at, of, rows[PROBABILITIES])
    if (at != at[0]).any() or (answered != rows[CLASS_ID]).any():
        raise _wrong(file, f"saved a model whose `{CLASS_ID}` does not go by one `{THRESHOLD}` of "
                           f"`{columns.class_names[of]}`")  # fmt: skip
    chosen_on = which_calibrate(key.decode() for key in rows[columns.key])
    known, has = rows[PROBABILITIES][chosen_on, of], rows[columns.label][chosen_on] == of
    return chosen_elsewhere(columns.decision, columns.class_names[of], float(at[0]), known, has)


def _check_model(own: OwnNetwork, model: object) -> None:
    file, columns = own.file, own.columns
    if not isinstance(model, keras.Model):
        found = f"{type(model).__module__}.{type(model).__name__}"
        raise _wrong(file, f"gave {found}, not a keras.Model; `import keras` (version 3), and return the model")
    taken = [tuple(one.shape[1:]) for one in getattr(model, "inputs", None) or ()]  # none: it takes what it is given
    if taken and taken not in ([(columns.width,)], [(None,)]):
        raise _wrong(file, f"gave a model of {' and '.join(map(str, taken))} columns a row, wanted one tensor of "
                           f"({columns.width},): `keras.Input(shape=(columns.width,))`")  # fmt: skip
    rows = np.random.default_rng(0).normal(size=(TRIED_ROWS, columns.width)).astype(np.float32)
    with own_errors(file.path):
        answers = np.asarray(model(rows, training=False))
    wanted = (TRIED_ROWS, columns.outputs)
    if answers.shape != wanted:
        each = f"a probability for each of {', '.join(columns.class_names)}" if columns.class_names else "a number"
        raise _wrong(file, f"gave a model that answers {rows.shape} with {answers.shape}, wanted {wanted}: {each}")
    if not columns.class_names:
        if not np.isfinite(answers).all():
            raise _wrong(file, "gave a model whose answers are no numbers")
        if own.counts and (answers < 0).any():
            raise _wrong(file, "gave a model that answers below 0, and `label.loss` is poisson; end it with "
                               "`activation=\"exponential\"`")  # fmt: skip
        return
    whole = (answers <= 1).all() if columns.several else np.allclose(answers.sum(axis=1), 1, atol=1e-3)
    if not (np.isfinite(answers).all() and (answers >= 0).all() and whole):
        shown, ending = ", ".join(f"{value:.3g}" for value in answers[0]), "sigmoid" if columns.several else "softmax"
        raise _wrong(file, f"gave a model whose answers are no probabilities, such as {shown}; "
                           f"end it with `activation=\"{ending}\"`")  # fmt: skip


def _wrong(file: OwnFile, problem: str) -> OwnCodeError:
    function = file.function()
    return OwnCodeError(file.path, line_of(function), f"`{function.__name__}` {problem}")
