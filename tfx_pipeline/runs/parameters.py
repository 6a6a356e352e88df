"""What may differ from run to run: the values bound to the compiled pipeline's runtime parameters."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from lakeloop.contract import Contract, ModelSettings
from lakeloop.exceptions import WrongUseError
from lakeloop.frozen_model import FrozenModel

# Names of the TFX runtime parameters in the compiled pipeline.
MANIFEST, MANIFEST_SHA256, MODEL, DROP = "manifest", "manifest_sha256", "model", "drop"
WEIGHTING, WEIGHTS, TRIALS = "weighting", "weights", "trials"
TRIGGER, EVENT_ID, AIRFLOW_RUN_ID, GIT_COMMIT = "trigger", "event_id", "airflow_run_id", "git_commit"
STAMPED = (MANIFEST, MANIFEST_SHA256, TRIGGER, EVENT_ID, AIRFLOW_RUN_ID, GIT_COMMIT)
NAMES = (*STAMPED, MODEL, DROP, WEIGHTING, WEIGHTS, TRIALS)
Weighting = Literal["none", "reweight", "resample"]
MOST_TRIALS = 100


class RunParameters(FrozenModel):
    """One run's parameters: which export, which model, which features to leave out, and why it runs.

    `weights` are the rows' importance (`row_weights`): the gate compares by them, and `weighting` says whether the
    Trainer uses them too. `trials` above 0: the Tuner first tries so many hyper-parameters.
    """

    manifest: Path
    model: ModelSettings
    drop: tuple[str, ...] = ()
    weighting: Weighting = "none"
    weights: Path | None = None
    trials: int = 0
    trigger: str = ""
    event_id: str = ""
    airflow_run_id: str = ""
    git_commit: str = ""


def run_parameters(
    contract: Contract,
    manifest: Path,
    changes: Mapping[str, object] | None = None,
    drop: tuple[str, ...] = (),
    trigger: str = "",
    event_id: str = "",
    airflow_run_id: str = "",
    git_commit: str = "",
    weighting: Weighting = "none",
    weights: Path | None = None,
    trials: int = 0,
) -> RunParameters:
    """Parameters from the contract's model settings with `changes` (NAME: value or text) applied.

    Raises:
        WrongUseError: an unknown hyper-parameter or feature, a value out of range, no feature left, no weights to weigh
            by.
    """
    unknown = [name for name in drop if name not in contract.features]
    if unknown:
        raise WrongUseError(f"cannot drop {', '.join(unknown)}: features are {', '.join(contract.features)}")
    if set(drop) == set(contract.features):
        raise WrongUseError("cannot drop every feature: the model needs at least one")
    if weighting != "none" and weights is None:
        raise WrongUseError(f"`{weighting}` needs row weights; `lakeloop retrain --strategy {weighting}` makes them")
    if not 0 <= trials <= MOST_TRIALS:
        raise WrongUseError(f"{trials} trials: 0 (no tuning) to {MOST_TRIALS} are allowed")
    ordered = tuple(name for name in contract.features if name in drop)
    return RunParameters(
        manifest=manifest.absolute(),
        model=changed_model(contract.model, changes or {}),
        drop=ordered,
        weighting=weighting,
        weights=weights.absolute() if weights is not None else None,
        trials=trials,
        trigger=trigger,
        event_id=event_id,
        airflow_run_id=airflow_run_id,
        git_commit=git_commit,
    )


def changed_model(model: ModelSettings, changes: Mapping[str, object]) -> ModelSettings:
    """The model settings with some replaced; texts such as "50" are read as numbers.

    Raises:
        WrongUseError: naming the hyper-parameter, what was given and what is allowed.
    """
    allowed = ", ".join(type(model).model_fields)
    for name in changes:
        if name not in type(model).model_fields:
            raise WrongUseError(f"`{name}` is not a hyper-parameter; allowed: {allowed}")
    try:
        return ModelSettings.model_validate({**model.model_dump(), **changes}, strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        raise WrongUseError(f"hyper-parameter `{first['loc'][0]}` is {first['input']!r}: {first['msg']}") from None


def bindings(parameters: RunParameters, manifest_sha256: str) -> dict[str, str]:
    """The runtime parameters' values, all texts, keyed by their names in the compiled pipeline."""
    return {
        MANIFEST: str(parameters.manifest),
        MANIFEST_SHA256: manifest_sha256,
        MODEL: parameters.model.model_dump_json(),
        DROP: json.dumps(parameters.drop),
        WEIGHTING: parameters.weighting,
        WEIGHTS: str(parameters.weights or ""),
        TRIALS: str(parameters.trials),
        TRIGGER: parameters.trigger,
        EVENT_ID: parameters.event_id,
        AIRFLOW_RUN_ID: parameters.airflow_run_id,
        GIT_COMMIT: parameters.git_commit,
    }
