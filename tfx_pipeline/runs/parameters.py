"""What may differ from run to run: the values bound to the compiled pipeline's runtime parameters."""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, get_args

from pydantic import ValidationError

from lakeloop.contract import MODEL_KINDS, Balance, Contract, ModelSettings, model_settings
from lakeloop.exceptions import WrongUseError
from lakeloop.frozen_model import FrozenModel

# Names of the TFX runtime parameters in the compiled pipeline.
MANIFEST, MANIFEST_SHA256, MODEL, DROP = "manifest", "manifest_sha256", "model", "drop"
BALANCE, WEIGHTING, WEIGHTS, TRIALS = "balance", "weighting", "weights", "trials"
TRIGGER, EVENT_ID, AIRFLOW_RUN_ID, GIT_COMMIT = "trigger", "event_id", "airflow_run_id", "git_commit"
STAMPED = (MANIFEST, MANIFEST_SHA256, TRIGGER, EVENT_ID, AIRFLOW_RUN_ID, GIT_COMMIT)
NAMES = (*STAMPED, MODEL, DROP, BALANCE, WEIGHTING, WEIGHTS, TRIALS)
Weighting = Literal["none", "reweight", "resample"]
MOST_TRIALS = 100


class RunParameters(FrozenModel):
    """One run's parameters: which export, which model, which features to leave out, and why it runs.

    `balance` takes the place of the contract's; None: as that says.
    `weights` are the rows' importance (`row_weights`): the gate compares by them, and `weighting` says whether the
    Trainer uses them too. `trials` above 0: the Tuner first tries so many hyper-parameters.
    """

    manifest: Path
    model: ModelSettings
    drop: tuple[str, ...] = ()
    balance: Balance | None = None
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
    """Parameters from the contract's model settings, and its balance, with `changes` (NAME: value or text) applied.

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
    of_model = dict(changes or {})
    balance = changed_balance(contract, of_model.pop(BALANCE)) if BALANCE in of_model else None
    return RunParameters(
        manifest=manifest.absolute(),
        model=changed_model(contract.model, of_model),
        drop=ordered,
        balance=balance,
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

    Another `kind` begins with what is usual for it, and with the seed there is.

    Raises:
        WrongUseError: naming the hyper-parameter, what was given and what is allowed.
    """
    kind = str(changes.get("kind", model.kind))
    if kind not in MODEL_KINDS:
        raise WrongUseError(
            f"there is no kind of model {kind!r}; {_meant(kind, MODEL_KINDS)}there are: {', '.join(MODEL_KINDS)}"
        )
    settings = MODEL_KINDS[kind]
    for name in changes:
        if name not in settings.model_fields:
            raise WrongUseError(_no_hyper_parameter(name, kind))
    start = model if model.kind == kind else settings(seed=model.seed)
    try:
        return model_settings({**start.model_dump(), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        whole = first["type"].startswith("int_")
        allowed = "a whole number is needed" if whole else first["msg"].replace("Input", "it")
        raise WrongUseError(f"hyper-parameter `{first['loc'][-1]}` is {first['input']!r}: {allowed}") from None


def changed_balance(contract: Contract, given: object) -> Balance:
    """How a run evens out classes where it does not do so as the contract says.

    Raises:
        WrongUseError: there is no such way, or the label is a number or several labels.
    """
    found = next((way for way in get_args(Balance) if way == given), None)
    if found is None:
        ways = get_args(Balance)
        raise WrongUseError(f"there is no balance {given!r}; {_meant(str(given), ways)}there are: {', '.join(ways)}")
    if found != "none" and contract.label.task != "classification":
        what = (
            "of which a row has one, and this label is several"
            if contract.label.several
            else "and the label is a number"
        )
        raise WrongUseError(f"`{BALANCE}={found}` evens out classes, {what}; leave it out")
    return found


def _no_hyper_parameter(name: str, kind: str) -> str:
    """What is wrong with a name that a kind of model does not have."""
    allowed = list(MODEL_KINDS[kind].model_fields)
    hint = _meant(name, allowed)
    for other, settings in MODEL_KINDS.items():
        if name in settings.model_fields:
            hint = f"it is one of `kind={other}`; "
    return f"`{name}` is not a hyper-parameter of `kind={kind}`; {hint}allowed: {', '.join([*allowed, BALANCE])}"


def _meant(name: str, known: Iterable[str]) -> str:
    """An offer of what may have been meant; '' where nothing is near."""
    return "".join(f"did you mean `{close}`? " for close in get_close_matches(name, list(known), n=1))


def bindings(parameters: RunParameters, manifest_sha256: str) -> dict[str, str]:
    """The runtime parameters' values, all texts, keyed by their names in the compiled pipeline."""
    return {
        MANIFEST: str(parameters.manifest),
        MANIFEST_SHA256: manifest_sha256,
        MODEL: parameters.model.model_dump_json(),
        DROP: json.dumps(parameters.drop),
        BALANCE: parameters.balance or "",
        WEIGHTING: parameters.weighting,
        WEIGHTS: str(parameters.weights or ""),
        TRIALS: str(parameters.trials),
        TRIGGER: parameters.trigger,
        EVENT_ID: parameters.event_id,
        AIRFLOW_RUN_ID: parameters.airflow_run_id,
        GIT_COMMIT: parameters.git_commit,
    }
