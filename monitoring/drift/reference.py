"""What a model's windows are measured against: all rows it was trained and checked on, and what it answers on them."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lakeloop.atomic_file import write_text
from lakeloop.contract.production import ReferenceKind
from lakeloop.exceptions import LakeloopError
from lakeloop.exported import read_shards
from lakeloop.fallback import given_by, wanted_of, why_not_ask
from lakeloop.manifest import Manifest, file_sha256, read_manifest
from lakeloop.model_card import ModelCard, read_model_card
from lakeloop.model_input import complete_rows, predict_body, request_rows
from lakeloop.threshold import Threshold
from lakeloop.use_case import UseCase
from monitoring.drift.sampling import seeded_sample
from monitoring.drift.watched_answers import Answers, watched_answers
from monitoring.exceptions import ModelNotAskedError

log = logging.getLogger(__name__)
ASKED_ROWS = 50_000
"""Of a larger export so many rows are asked: a class share then has a standard error of at most .0023."""
BATCH, ANSWER_SECONDS = 1000, 30.0
Shard = tuple[str, Path]
AskModel = Callable[[UseCase, str, pd.DataFrame], np.ndarray]
"""(use case, version, features) -> what the model gives of each row (rows, k). Raises LakeloopError."""


@dataclass(frozen=True)
class Reference:
    """All rows of a model's own export: its features, in order. `predictions` are what the model answers on the rows it
    may be asked about, `confidences` of classes how likely it held these; None where it could not be asked, and
    `why_no_predictions` says why. `threshold` is the model's, None where it answers the most probable class.

    Or requests that stand for them (`reference_windows`): `kind` and `periods` say which, `note` why there are none.
    """

    model_version: str
    manifest_sha256: str
    features: pd.DataFrame
    predictions: pd.Series | None = None
    why_no_predictions: str = ""
    confidences: pd.Series | None = None
    kind: ReferenceKind = "train"
    periods: tuple[str, ...] = ()
    note: str = ""
    threshold: Threshold | None = None


@dataclass(frozen=True)
class NoReference:
    """There is nothing to measure a model's windows against; `reason` says why and what to do."""

    model_version: str
    reason: str
    threshold: Threshold | None = None


def load_reference(use_case: UseCase, version: str, ask: AskModel | None = None) -> Reference | NoReference:
    """The reference of one pushed version, every file checked against the manifest it was trained by.

    Its answers are asked for once, by default through the model server, and kept in the reports area.
    """
    try:
        card = read_model_card(use_case, version)
        features = export_features(card, use_case)
    except LakeloopError as error:
        return NoReference(version, str(error))
    known = Reference(card.version, card.manifest_sha256, features, threshold=card.threshold)
    try:
        predictions, confidences = _kept_answers(use_case, known, ask or through_model_server)
    except LakeloopError as error:
        log.warning("event=no_reference_predictions version=%s why=%r", version, str(error))
        return replace(known, why_no_predictions=str(error))
    return replace(known, predictions=predictions, confidences=confidences)


def export_features(card: ModelCard, use_case: UseCase) -> pd.DataFrame:
    """The features of all rows, train and eval, of the export a version was trained on.

    Raises:
        LakeloopError: the export is gone or is not what the model was trained on any more.
    """
    contract = use_case.contract
    manifest, shards = checked_export(card, use_case)
    missing = [name for name in contract.features if name not in manifest.columns]
    if missing:
        raise LakeloopError(
            f"the export of version {card.version} has no {', '.join(missing)}: the contract has changed since; "
            "train anew"
        )
    return read_shards(contract, [shard for _, shard in shards], contract.features)


def checked_export(card: ModelCard, use_case: UseCase) -> tuple[Manifest, list[Shard]]:
    """The manifest a version was trained by and its shards as (split, path), each with the sha256 it was written with.

    Raises:
        LakeloopError: the export is gone or is not what the model was trained on any more.
    """
    path = card.manifest_path(use_case)
    gone = f"the rows that version {card.version} of {use_case.name} was trained on are not there any more"
    if not path.is_file():
        raise LakeloopError(f"{gone}: {path} was removed. `lakeloop train` makes a model whose rows are kept")
    if file_sha256(path) != card.manifest_sha256:
        raise LakeloopError(f"{gone}: {path} is another export now (its sha256 differs)")
    manifest = read_manifest(path)
    shards: list[Shard] = []
    for file in manifest.files:
        shard = path.parent / file.path
        if not shard.is_file():
            raise LakeloopError(f"{gone}: {shard} was removed. `lakeloop train` makes a model whose rows are kept")
        if file_sha256(shard) != file.sha256:
            raise LakeloopError(f"{gone}: {shard} was changed (its sha256 is not the manifest's)")
        shards.append((file.split, shard))
    return manifest, shards


def through_model_server(use_case: UseCase, version: str, features: pd.DataFrame) -> np.ndarray:
    """What a version gives of rows of features (rows, k), asked of TensorFlow Serving's REST API in batches.

    Raises:
        ModelNotAskedError: nobody answers for that version, or not as a model of this contract does.
    """
    import httpx  # here, since answers that were given before are kept

    contract, width = use_case.contract, len(watched_answers(use_case.contract).columns)
    address = f"{use_case.settings.model_server}/v1/models/{use_case.name}/versions/{version}:predict"
    answers = []
    try:
        with httpx.Client(timeout=ANSWER_SECONDS, trust_env=False) as client:
            for first in range(0, len(features), BATCH):
                rows = features.iloc[first : first + BATCH]
                body = predict_body(contract.features, {name: rows[name].tolist() for name in contract.features})
                answer = client.post(address, content=body, headers={"Content-Type": "application/json"})
                if answer.status_code != 200:
                    raise ModelNotAskedError(f"{address} answered {answer.status_code}: {answer.text[:200]}")
                outputs = answer.json()["outputs"]  # of a signature with one output it has no name
                named = outputs if isinstance(outputs, dict) else {"probabilities": outputs}
                given = given_by(contract, named, len(rows))
                if given is None:
                    raise ModelNotAskedError(f"{address} did not answer {wanted_of(contract)}")
                answers.append(np.asarray(given, float)[:, :width])
    except (httpx.HTTPError, KeyError, ValueError, TypeError) as error:
        raise ModelNotAskedError(
            f"the model server at {use_case.settings.model_server} does not answer for version {version} "
            f"({type(error).__name__}: {error})"
        ) from error
    return np.concatenate(answers) if answers else np.empty((0, width))


def _kept_answers(use_case: UseCase, known: Reference, ask: AskModel) -> Answers:
    """What was answered before, or is asked for now and kept; what was of another export does not count."""
    contract, watched = use_case.contract, watched_answers(use_case.contract, known.threshold)
    path = use_case.folder("reports") / "reference" / f"{known.model_version}.json"
    kept = _read(path)
    before = watched.from_kept(kept) if kept.get("manifest_sha256") == known.manifest_sha256 else None
    if before is not None and watched.whole(*before):
        return before
    rows = seeded_sample(complete_rows(contract.features, known.features), ASKED_ROWS)
    answerable = rows[[not why_not_ask(contract, row) for row in request_rows(contract.features, rows)]]
    try:
        given = ask(use_case, known.model_version, answerable)
    except LakeloopError:
        if before is None:
            raise
        return before
    answers = watched.answers(given[:, : len(watched.columns)])
    about = {"model_version": known.model_version, "manifest_sha256": known.manifest_sha256}
    _write(path, about | watched.kept(*answers))
    return answers


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _write(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content))
