"""InfraValidator: loads the model in the model server and asks it, as clients will, before it is pushed.

TFX's own InfraValidator needs Docker or Kubernetes; this one writes the same artifact with the same properties.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import tensorflow as tf
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import Artifact, BaseChannel, Channel, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import io_utils, path_utils

from lakeloop.contract import Contract, Section
from lakeloop.contract.columns import STAND_INS, CarriedType
from lakeloop.contract.section import unless
from lakeloop.label_sets import set_ids
from lakeloop.threshold import class_ids_at
from tfx_pipeline.evaluation.answers import EVAL
from tfx_pipeline.evaluation.model_server import ModelUnderTest, served_model
from tfx_pipeline.example_files import files_of, records
from tfx_pipeline.exceptions import ModelUnusableError
from tfx_pipeline.training.signature_names import (
    CLASS_ID,
    CLASSIFY,
    LOWER,
    PREDICTION,
    PROBABILITIES,
    REGRESS,
    SET_ID,
    THRESHOLD,
    UPPER,
)

EXAMPLES_KEY, MODEL_KEY, MODEL_BLESSING_KEY = "examples", "model", "model_blessing"
BLESSING_KEY, CLIENT_KEY = "blessing", "client"
BLESSED_FILE, NOT_BLESSED_FILE = "INFRA_BLESSED", "INFRA_NOT_BLESSED"
BLESSED_PROPERTY, REASON_PROPERTY, ROWS_PROPERTY = "blessed", "reason", "rows"
LOG_FILE = "model_server.log"
ROWS = 100
"""How many eval rows are asked; enough for every class and every odd value to be likely among them."""
TOLERANCE = 1e-5

SMALL = 1e-3
Row = Mapping[str, float | int | str | None]
"""One value a column; None where it is missing."""


class Client(Section):
    """What a client knows of the model: its name, its columns with the types they are sent in, its classes, if any.

    `threshold_of` is the class id whose probability decides; None where the most probable class is answered. `several`:
    the names are those of labels, of which a row may have any.
    """

    name: str
    columns: Mapping[str, str]
    class_names: tuple[str, ...]
    threshold_of: int | None = unless(None)
    several: bool = unless(False)


def client_of(contract: Contract) -> Client:
    """The client the contract describes."""
    columns: dict[str, str] = {name: feature.carried_as for name, feature in contract.features.items()}
    label = contract.label
    of = None if label.decision is None else label.positive
    return Client(
        name=contract.use_case,
        columns=columns,
        class_names=label.class_names,
        threshold_of=of,
        several=label.several,
    )


class InfraValidatorExecutor(base_executor.BaseExecutor):
    """Asks for the same rows as columns and as tf.Examples; both answers must be whole and the same."""

    def Do(  # noqa: N802 TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write INFRA_BLESSED, or INFRA_NOT_BLESSED with the reason.

        Raises:
            ServerStartError: the server itself did not come up; the node may be run again.
        """
        client = Client.model_validate_json(exec_properties[CLIENT_KEY])
        model = artifact_utils.get_single_instance(input_dict[MODEL_KEY])
        blessing = artifact_utils.get_single_instance(output_dict[BLESSING_KEY])
        rows = _read_rows(input_dict[EXAMPLES_KEY], client)
        folder, log = Path(path_utils.serving_model_path(model.uri)), Path(blessing.uri) / LOG_FILE
        log.parent.mkdir(parents=True, exist_ok=True)
        reason = ""
        try:
            with served_model(client.name, folder, log) as served:
                check_answers(served, client, rows)
        except ModelUnusableError as error:
            reason = str(error)
        io_utils.write_string_file(str(log.with_name(NOT_BLESSED_FILE if reason else BLESSED_FILE)), reason)
        blessing.set_int_custom_property(BLESSED_PROPERTY, int(not reason))
        blessing.set_int_custom_property(ROWS_PROPERTY, len(rows))
        blessing.set_string_custom_property(REASON_PROPERTY, reason)


def check_answers(served: ModelUnderTest, client: Client, rows: Sequence[Row]) -> None:
    """Raises ModelUnusableError, naming what is wrong with the answers to these rows."""
    instances = [{name: _sent(value, client.columns[name]) for name, value in row.items()} for row in rows]
    predictions = served.ask("predict", {"instances": instances})["predictions"]
    examples = [{name: value for name, value in row.items() if value is not None} for row in rows]
    if client.class_names:
        _check_classes(served, client, predictions, examples)
    else:
        _check_numbers(served, predictions, examples)


Examples = Sequence[Mapping[str, float | int | str]]


def _check_classes(served: ModelUnderTest, client: Client, predictions: list[Any], examples: Examples) -> None:
    probabilities = np.array([row[PROBABILITIES] for row in predictions], float)
    wanted = (len(examples), len(client.class_names))
    if probabilities.shape != wanted:
        raise ModelUnusableError(f"predict gave probabilities of shape {probabilities.shape}, wanted {wanted}")
    if probabilities.min() < 0 or probabilities.max() > 1 + SMALL:
        raise ModelUnusableError("predict gave probabilities that are not from 0 to 1")
    if not client.several and not np.allclose(probabilities.sum(axis=1), 1, atol=SMALL):
        raise ModelUnusableError("predict gave probabilities that do not add up to 1")
    answered = SET_ID if client.several else CLASS_ID
    if [row.get(answered) for row in predictions] != _decided(client, predictions, probabilities).tolist():
        which = "the most probable one" if client.threshold_of is None else "the one by its threshold"
        which = "the set of its likely labels" if client.several else which
        raise ModelUnusableError(f"predict gave a class that is not {which}")
    results = served.ask("classify", {"signature_name": CLASSIFY, "examples": examples})["results"]
    if [tuple(label for label, _ in row) for row in results] != [client.class_names] * len(examples):
        raise ModelUnusableError(f"classify did not name the classes {', '.join(client.class_names)}")
    scores = np.array([[score for _, score in row] for row in results], float)
    if np.abs(scores - probabilities).max() > TOLERANCE:
        raise ModelUnusableError("classify and predict gave the same rows different probabilities")


def _decided(client: Client, predictions: list[Any], probabilities: np.ndarray) -> np.ndarray:
    """The class ids that these probabilities give, (n,)."""
    of = client.threshold_of
    if client.several:
        return set_ids(probabilities)
    if of is None:
        return probabilities.argmax(axis=1)
    if any(THRESHOLD not in row for row in predictions):
        raise ModelUnusableError("predict told of no threshold")
    return class_ids_at(np.array([row[THRESHOLD] for row in predictions]), of, probabilities)


def _check_numbers(served: ModelUnderTest, predictions: list[Any], examples: Examples) -> None:
    numbers, lower, upper = (np.array([row[name] for row in predictions], float) for name in (PREDICTION, LOWER, UPPER))
    if numbers.shape != (len(examples),):
        raise ModelUnusableError(f"predict gave numbers of shape {numbers.shape}, wanted one for each row")
    if not np.isfinite([numbers, lower, upper]).all():
        raise ModelUnusableError("predict gave a number or an end of its interval that is none")
    if (lower > numbers).any() or (numbers > upper).any():
        raise ModelUnusableError("predict gave a number that does not lie in its interval")
    results = served.ask("regress", {"signature_name": REGRESS, "examples": examples})["results"]
    apart = np.abs(np.array(results, float) - numbers)
    if apart.shape != numbers.shape or (apart > TOLERANCE * np.maximum(1, np.abs(numbers))).any():
        raise ModelUnusableError("regress and predict gave the same rows different numbers")


def _sent(value: float | int | str | None, kind: str) -> float | int | str:
    """What a column holds: a missing value's stand-in where it is that."""
    return STAND_INS[cast(CarriedType, kind)] if value is None else value


def _read_rows(examples: list[Artifact], client: Client) -> list[Row]:
    """The first eval rows as a client would send them."""
    first = records(files_of(examples, EVAL)).take(ROWS)
    return [_row(tf.train.Example.FromString(record), client.columns) for record in first.as_numpy_iterator()]


def _row(example: tf.train.Example, columns: Mapping[str, str]) -> Row:
    features = example.features.feature
    row: dict[str, float | int | str | None] = dict.fromkeys(columns)
    for name, kind in columns.items():
        holder = features[name].WhichOneof("kind") if name in features else None
        values = getattr(features[name], holder).value if holder else ()
        if not values:
            continue
        row[name] = values[0].decode() if kind == "string" else (float if kind == "float" else int)(values[0])
    return row


class InfraValidatorSpec(ComponentSpec):
    """`model_blessing` is not read: a model the gate refused is not asked (the pipeline's condition)."""

    PARAMETERS = {CLIENT_KEY: ExecutionParameter(type=str)}
    INPUTS = {
        EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples),
        MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        MODEL_BLESSING_KEY: ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    OUTPUTS = {BLESSING_KEY: ChannelParameter(type=standard_artifacts.InfraBlessing)}


class InfraValidator(base_component.BaseComponent):
    """Between QualityGate and Pusher."""

    SPEC_CLASS = InfraValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(InfraValidatorExecutor)

    def __init__(self, contract: Contract, examples: BaseChannel, model: BaseChannel, model_blessing: BaseChannel):
        channels = {
            EXAMPLES_KEY: examples,
            MODEL_KEY: model,
            MODEL_BLESSING_KEY: model_blessing,
            BLESSING_KEY: Channel(type=standard_artifacts.InfraBlessing),
        }
        super().__init__(spec=InfraValidatorSpec(**channels, **{CLIENT_KEY: client_of(contract).model_dump_json()}))
