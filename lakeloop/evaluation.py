"""Labelled rows to judge models on: from an export, or from the generator before the truth is known."""

from pathlib import Path

import pandas as pd

from lakeloop.clock import read_clock
from lakeloop.contract import Contract
from lakeloop.exported import read_shards
from lakeloop.manifest import read_manifest
from lakeloop.settings import Settings
from lakeloop.use_case import load_rules, sample_month, with_label


def generated_rows(settings: Settings, contract: Contract, month: int) -> pd.DataFrame:
    """Features, truth and class id of a month as the generator knows them. Raises WrongUse where there is none."""
    return with_label(contract, sample_month(contract, settings, month))


def exported_rows(contract: Contract, manifest: Path) -> pd.DataFrame:
    """All rows of an export, train and eval: key, event time, features, class id and class name."""
    frame = read_shards(contract, [manifest.parent / file.path for file in read_manifest(manifest).files])
    names = frame[contract.label.name].map(dict(enumerate(contract.label.class_names)))
    return frame.assign(**{contract.label.name_column: names})


def when_known(settings: Settings, contract: Contract, month: int, oracle: bool) -> str:
    """One sentence on the truth of a month: delivered, or known at which clock."""
    due, now = contract.arrives(contract.label.source, month), read_clock(settings)
    if not oracle:
        return f"The truth of month {month} was delivered at clock {due}; the clock stands at {now}."
    if due <= now:
        return f"Judged with the generator's own labels; this truth was due at clock {due} (now {now})."
    return f"Judged with the generator's own labels: in production this truth is known at clock {due} (now {now})."


def baselines(settings: Settings, contract: Contract, frame: pd.DataFrame) -> dict[str, float]:
    """Accuracy of what needs no model: a random class (expected), the commonest class, the use case's rules."""
    labels = frame[contract.label.name]
    found = {
        "random": 1 / len(contract.label.classes),
        "majority": float(labels.value_counts(normalize=True).iloc[0]),
    }
    rules = load_rules(contract, settings)
    if rules is not None:
        answers = frame[list(contract.features)].apply(rules, axis="columns")
        found["rules"] = float((answers == labels.map(dict(enumerate(contract.label.class_names)))).mean())
    return found
