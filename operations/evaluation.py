"""Labelled rows to evaluate models on: from an export, or from generator or history before it is due."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from lakeloop.added_columns import with_class_names, with_label
from lakeloop.clock import read_clock
from lakeloop.contract import Contract
from lakeloop.exceptions import LakeloopError
from lakeloop.exported import read_shards
from lakeloop.manifest import read_manifest
from lakeloop.model_card import read_model_card
from lakeloop.use_case import UseCase
from operations.period_rows import period_rows


def generated_rows(use_case: UseCase, period: int) -> pd.DataFrame:
    """Features, truth and label of a period as generator or history know them, before they are due.

    Raises WrongUseError where there is neither, or not this period.
    """
    contract = use_case.contract
    return with_label(contract, period_rows(use_case, period))


def exported_rows(contract: Contract, manifest: Path, split: str = "") -> pd.DataFrame:
    """All rows of an export, or of one split of it: key, event time, features and label."""
    files = [file for file in read_manifest(manifest).files if split in ("", file.split)]
    frame = read_shards(contract, [manifest.parent / file.path for file in files])
    return with_class_names(contract, frame)


def seen_in_training(use_case: UseCase, version: str, keys: Collection[str]) -> str:
    """How many of the rows with these keys a pushed version was made from, as a sentence; '' if none.

    What a model shows on rows it was trained on, or chosen by, says little about others.
    """
    try:
        manifest = read_model_card(use_case, version).manifest_path(use_case)
        seen = {
            split: len(known.intersection(keys)) for split, known in _exported_keys(use_case.contract, manifest).items()
        }
    except (LakeloopError, OSError) as error:
        return f"Whether version {version} was trained on these rows cannot be told: {error}"
    if not any(seen.values()):
        return ""
    return (
        f"Version {version} was made from {sum(seen.values()):,} of these {len(keys):,} rows "
        f"({seen['train']:,} trained it, {seen['eval']:,} evaluated it): "
        "the figures show what it remembers, not how good it is on rows it never saw."
    )


def _exported_keys(contract: Contract, manifest: Path) -> dict[str, set[str]]:
    keys: dict[str, set[str]] = {"train": set(), "eval": set()}
    for file in read_manifest(manifest).files:
        rows = read_shards(contract, [manifest.parent / file.path], [contract.key.column])
        keys[file.split].update(rows[contract.key.column])
    return keys


def whose_truth(use_case: UseCase, period: int, oracle: bool, rows: int) -> str:
    """One sentence on the truth a period's rows are evaluated by: gold's, or another and when it is known."""
    contract = use_case.contract
    if not oracle:
        return f"Evaluated by the truth in gold: {rows:,} labelled rows of {contract.period} {period}."
    source, clock = contract.label.source, read_clock(use_case)
    whose = f"{contract.periods_from}'s own labels"
    if clock.is_wall:
        return f"Evaluated with {whose}; this truth {clock.due_in_words(source, period + contract.ahead)}."
    due, now = contract.truth_arrives(period), clock.period
    if due <= now:
        return f"Evaluated with {whose}; this truth was due at clock {due} (now {now})."
    return f"Evaluated with {whose}: in production this truth is known at clock {due} (now {now})."
