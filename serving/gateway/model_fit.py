"""Whether a version of the model fits the contract, as its own signatures say: what it takes, what it answers.

A contract may have changed since the model was trained. A feature that is new is not sent to it; where it wants one
that the contract has no more, or answers other classes, it cannot be asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakeloop.contract import Contract, Feature
from lakeloop.contract.section import some
from lakeloop.fallback import DECIDED_OUTPUTS
from lakeloop.model_input import instance, predict_body
from lakeloop.ordinary_values import ordinary
from serving.exceptions import ModelMisfitError

SERVING, CLASSIFY, REGRESS, LEARNT_VALUES = "serving_default", "classify", "regress", "learnt_values"
THRESHOLD = DECIDED_OUTPUTS[-1]
SET_ID = "set_id"


@dataclass(frozen=True)
class Signatures:
    """Of a version: the names that `serving_default` takes, and whether it can name its classes, and learnt values.

    Or whether it answers numbers; `gives_sets`: several labels of a row. `tells_threshold`: its classes go by a
    threshold, which it answers, too.
    """

    inputs: frozenset[str]
    names_classes: bool
    gives_numbers: bool
    names_values: bool
    tells_threshold: bool = False
    gives_sets: bool = False


def read_signatures(metadata: Any) -> Signatures | None:
    """What TensorFlow Serving's metadata call says of a version; None where it cannot be read."""
    try:
        found = metadata["metadata"]["signature_def"]["signature_def"]
        inputs, outputs = frozenset(found[SERVING]["inputs"]), found[SERVING].get("outputs", {})
        kinds = CLASSIFY in found, REGRESS in found, LEARNT_VALUES in found
        return Signatures(inputs, *kinds, THRESHOLD in outputs, SET_ID in outputs)
    except (KeyError, TypeError):
        return None


def features_for(features: Mapping[str, Feature], version: str, inputs: frozenset[str]) -> dict[str, Feature]:
    """The contract's features that the version takes, in the contract's order.

    Raises:
        ModelMisfitError: it wants one that the contract does not have.
    """
    if lacking := sorted(inputs - set(features)):
        raise ModelMisfitError(
            f"version {version} was trained on {some(lacking)}, which the contract has no more; train a model"
        )
    return {name: feature for name, feature in features.items() if name in inputs}


def check_task(contract: Contract, version: str, signatures: Signatures) -> None:
    """Raises ModelMisfitError where the version answers classes and a number is asked for, or the other way round."""
    is_number = contract.label.task == "regression"
    if is_number and signatures.names_classes:
        raise ModelMisfitError(f"version {version} answers classes, the contract has a number; train a model")
    if not is_number and signatures.gives_numbers:
        raise ModelMisfitError(f"version {version} answers numbers, the contract has classes; train a model")
    if not is_number and signatures.names_classes and signatures.gives_sets != contract.label.several:
        answers, has = ("several labels", "classes") if signatures.gives_sets else ("classes", "several labels")
        raise ModelMisfitError(f"version {version} answers {answers}, the contract has {has}; train a model")


def classify_body(contract: Contract, features: Mapping[str, Feature]) -> dict[str, Any]:
    """A classify call about one ordinary row: its answer has the classes' names, in the order of the probabilities."""
    row = {name: ordinary(contract, name) for name, feature in features.items() if not feature.optional}
    required = {name: features[name] for name in row}
    return {"signature_name": CLASSIFY, "examples": [instance(required, row)]}


def ordinary_body(contract: Contract, features: Mapping[str, Feature]) -> bytes:
    """A predict call about one ordinary row, without what may be missing."""
    row = {name: None if feature.optional else ordinary(contract, name) for name, feature in features.items()}
    return predict_body(features, {name: [value] for name, value in row.items()})


def read_threshold(outputs: Any) -> float | None:
    """What its answer says of the threshold that a version's classes go by; None where it cannot be read."""
    try:
        return float(outputs[THRESHOLD][0])
    except (IndexError, KeyError, TypeError, ValueError):
        return None


def learnt_features(features: Mapping[str, Feature]) -> list[str]:
    """The features whose categories were learnt from training rows."""
    return [name for name, feature in features.items() if feature.learnt and feature.role == "categorical"]


def learnt_values_body(names: Sequence[str]) -> dict[str, Any]:
    """A predict call about the values that were learnt of these features."""
    return {"signature_name": LEARNT_VALUES, "inputs": {"features": list(names)}}


def read_learnt_values(names: Sequence[str], outputs: Any) -> dict[str, tuple[str, ...]]:
    """Its answer by feature, the commonest value first; nothing where it cannot be read."""
    rows = outputs if isinstance(outputs, list) else []
    return {
        name: tuple(value for value in values if isinstance(value, str) and value)
        for name, values in zip(names, rows, strict=False)
        if isinstance(values, list)
    }


def check_classes(classes: Sequence[str], version: str, results: Any) -> None:
    """Compare the contract's classes with those of a classify answer, which passes where it cannot be read.

    Raises:
        ModelMisfitError: the version answers others, or the same in another order.
    """
    try:
        answered = [str(label) for label, _ in results[0]]
    except (IndexError, KeyError, TypeError, ValueError):
        return
    if answered != list(classes):
        raise ModelMisfitError(
            f"version {version} answers the classes {some(answered)}, the contract has {some(classes)}; train a model"
        )
