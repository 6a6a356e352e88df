"""What features contribute to a model's answers on the whole, and the rows that any answer is explained against.

Both are made of a model that was pushed: the mean size of contributions over eval rows goes on its run's record, with
those to some single answers, and some training rows into the version's own folder, where a gateway finds them.
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lakeloop.background_rows import BACKGROUND_FILE, BackgroundRows
from lakeloop.contract import Contract, Feature
from lakeloop.contributions import coalitions_of, contributions
from lakeloop.exceptions import LakeloopError
from lakeloop.exported import read_shards
from lakeloop.manifest import read_manifest
from lakeloop.model_input import model_columns
from lakeloop.pushed_models import model_folder, pushed_versions
from lakeloop.use_case import UseCase
from tfx_pipeline.evaluation.validate import open_model, serving_folder
from tfx_pipeline.runs.run_record import FeatureContribution, FeatureContributions, RunRecord, save_run

log = logging.getLogger(__name__)

BACKGROUND_ROWS = 50
"""The base value, their mean answer, is then right to a seventh of the answers' own deviation."""
MOST_ROWS, FEWEST_ROWS = 200, 20
MIXTURES, ANSWERS = 10_000, 300_000
"""Answers of the model that one eval row, and all of them, may cost."""
DRAWN_ROWS, DRAWN_FEATURES, DRAWN_OUTPUTS = 100, 10, 4
"""Of so many single answers, features and outputs contributions are kept for a picture: a thousand points an output."""
SECONDS = 20.0
"""After which no further row is begun once there are `FEWEST_ROWS`."""


def explain_pushed(use_case: UseCase, run: RunRecord) -> RunRecord:
    """The run with what contributes to its model's answers, which goes on its record, as its background rows go to its
    version; as it is where it pushed none.

    Where a model is gone, or cannot be explained, no push fails.
    """
    if run.pushed_version not in pushed_versions(use_case):
        return run
    try:
        background = _put_background(use_case, run)
        if run.contributions is not None:
            return run
        rows = draw_exported(use_case.contract, Path(run.parameters.manifest), "eval", MOST_ROWS)
        found = feature_contributions(use_case.contract, serving_folder(run), rows, background)
        return save_run(use_case, run.model_copy(update={"contributions": found}))
    except (LakeloopError, OSError) as error:
        log.warning("event=not_explained run=%s why=%r", run.run_id, str(error))
        return run


def feature_contributions(
    contract: Contract, model: Path, rows: pd.DataFrame, background: BackgroundRows
) -> FeatureContributions:
    """The mean size of each feature's contributions to a model's answers on rows, the largest first.

    Of two classes the second one's probability is explained: the first one's is the rest of it.

    Raises:
        LakeloopError: the model cannot be loaded, or an answer is no number.
    """
    from tfx_pipeline.evaluation.prediction import ask_columns
    from tfx_pipeline.training.signature_names import PREDICTION, PROBABILITIES

    began = time.perf_counter()
    opened, classes = open_model(model), contract.label.class_names
    first = 1 if len(classes) == 2 and not contract.label.several else 0

    def ask(columns: dict[str, np.ndarray]) -> np.ndarray:
        outputs = ask_columns(opened, columns)
        return outputs[PROBABILITIES][:, first:] if classes else outputs[PREDICTION][:, None]

    asked = model_columns(contract.features, rows)
    against = model_columns(contract.features, pd.DataFrame(background.arrays))
    names, coalitions = background.explained, max(1, coalitions_of(len(background.explained)))
    background_rows = min(len(next(iter(against.values()))), max(1, MIXTURES // coalitions))
    most = min(MOST_ROWS, max(FEWEST_ROWS, ANSWERS // (coalitions * background_rows)))
    found: list[np.ndarray] = []
    for place in range(min(len(rows), most)):
        if len(found) >= FEWEST_ROWS and time.perf_counter() - began > SECONDS:
            break
        row = {name: values[place] for name, values in asked.items()}
        of_row = contributions(ask, row, against, names, MIXTURES, contract.model.seed)
        found.append(np.array([of_row.by_feature[name] for name in names]))
    signed = np.array(found)  # (rows, features, outputs)
    means = np.abs(signed).mean(axis=0).tolist()
    listed = [FeatureContribution(feature=name, by_output=tuple(mean)) for name, mean in zip(names, means, strict=True)]
    listed.sort(key=lambda one: one.mean, reverse=True)
    if len(means[0]) <= DRAWN_OUTPUTS:
        drawn = {one.feature: signed[:DRAWN_ROWS, names.index(one.feature)] for one in listed[:DRAWN_FEATURES]}
        listed = [_with_points(contract, one, rows, drawn.get(one.feature)) for one in listed]
    return FeatureContributions(
        what=_explained(contract, classes[first:]),
        outputs=classes[first:] or (contract.label.name,),
        rows=len(found),
        background_rows=background_rows,
        seconds=round(time.perf_counter() - began, 2),
        features=tuple(listed),
    )


def _with_points(
    contract: Contract, one: FeatureContribution, rows: pd.DataFrame, points: np.ndarray | None
) -> FeatureContribution:
    """The same with what it contributed to the first rows (rows, outputs), where these are to be drawn."""
    if points is None:
        return one
    where = levels(contract.features[one.feature], rows[one.feature].head(len(points)))
    rounded = tuple(tuple(float(f"{value:.4g}") for value in of_output) for of_output in points.T)
    return one.model_copy(update={"points": rounded, "levels": where})


def levels(feature: Feature, values: pd.Series) -> tuple[float | None, ...]:
    """Where each value lies among them by rank, the lowest at 0, the highest at 1; None of what has no order."""
    if feature.role not in ("numeric", "binary", "time"):
        return (None,) * len(values)
    ranks = pd.to_numeric(values, errors="coerce").rank()
    lowest, spread = ranks.min(), ranks.max() - ranks.min()
    return tuple(None if rank != rank else round((rank - lowest) / spread, 2) if spread else 0.5 for rank in ranks)


def _explained(contract: Contract, classes: Sequence[str]) -> str:
    if classes:
        each = "each label" if contract.label.several else "each class"
        return f"the probability of {classes[0] if len(classes) == 1 else each}"
    unit = contract.label.truth.unit
    return f"{contract.label.name} in {unit}" if unit else contract.label.name


def draw_background(contract: Contract, manifest: Path, dropped: tuple[str, ...] = ()) -> BackgroundRows:
    """Some of an export's training rows, always the same of the same export.

    Raises:
        WrongUseError: there is no such manifest.
    """
    found = draw_exported(contract, manifest, "train", BACKGROUND_ROWS)
    values = found.astype(object).where(found.notna(), None).to_dict("list")
    return BackgroundRows(
        of_rows=read_manifest(manifest).rows_of("train"),
        dropped=dropped,
        columns={str(name): tuple(column) for name, column in values.items()},
    )


def draw_exported(contract: Contract, manifest: Path, split: str, most: int) -> pd.DataFrame:
    """The features of up to so many rows of a split, in any order; one shard is in memory at a time.

    Raises:
        WrongUseError: there is no such manifest.
    """
    shards = [file for file in read_manifest(manifest).files if file.split == split]
    rows, names = sum(shard.rows for shard in shards), list(contract.features)
    drawn = np.random.default_rng(contract.model.seed).choice(rows, min(most, rows), replace=False)
    frames, first = [], 0
    for shard in shards:
        of_shard = drawn[(drawn >= first) & (drawn < first + shard.rows)] - first
        first += shard.rows
        if len(of_shard):
            frames.append(read_shards(contract, [manifest.parent / shard.path], names).iloc[of_shard])
    found = pd.concat(frames) if frames else pd.DataFrame(columns=names)
    return found.sample(frac=1, random_state=contract.model.seed).reset_index(drop=True)


def _put_background(use_case: UseCase, run: RunRecord) -> BackgroundRows:
    """Background rows into the version that a run pushed, unless they are there."""
    folder, manifest = model_folder(use_case, run.pushed_version), Path(run.parameters.manifest)
    drawn = draw_background(use_case.contract, manifest, run.parameters.drop)
    if not (folder / BACKGROUND_FILE).is_file():
        drawn.save(folder)
    return drawn
