"""Exports made from the use cases' own generators, so that a pipeline can be tested without a lakehouse."""

from pathlib import Path

import pandas as pd

from lakeloop.added_columns import with_label
from lakeloop.contract import Contract
from lakeloop.drawn_rows import sample_period
from lakeloop.manifest import ExportedFile, Manifest, file_sha256
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from tests.use_case_copies import USE_CASES


def settings_in(home: Path, use_case: str) -> Settings:
    """Settings with their own home for one of the use cases."""
    return Settings(home=home, use_case=use_case, use_cases=USE_CASES[use_case])


def as_exported(contract: Contract, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with whole numbers that some rows lack, and bools, written as whole numbers, as the lake does."""
    whole = [name for name, feature in contract.features.items() if feature.carried_as == "int" and name in frame]
    loose = [name for name in whole if frame[name].dtype != "int64"]
    return frame.astype(dict.fromkeys(loose, "Int64"))


def export_frame(contract: Contract, frame: pd.DataFrame, folder: Path, version: int = 0) -> Path:
    """Write labelled rows as an export (one shard a split) and return its manifest's path."""
    names = [contract.key.column, contract.period_column, *contract.features, contract.label.name]
    columns = [name for name in names if name in frame]
    frame = as_exported(contract, frame)
    held_out = frame[contract.key.column].map(contract.split.is_eval)
    files = []
    for split, rows in (("train", frame[~held_out]), ("eval", frame[held_out])):
        path = folder / split / "part-00000.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows[columns].to_csv(path, index=False)
        files.append(
            ExportedFile(
                path=f"{split}/{path.name}",
                split=split,  # type: ignore[arg-type]
                rows=len(rows),
                bytes=path.stat().st_size,
                sha256=file_sha256(path),
            )
        )
    return Manifest(
        use_case=contract.use_case,
        table="gold/training",
        version=version,
        periods=(0, 0),
        query="SELECT * FROM training",
        columns=tuple(columns),
        label=contract.label.name,
        schema_sha256=contract.schema_sha256,
        split=f"sha256('{contract.split.salt}:'+{contract.key.column})[:8] % {contract.split.every} == 0",
        rows=len(frame),
        files=tuple(files),
        created_at="2023-02-01T00:00:00+00:00",
        git_commit="0" * 40,
    ).save(folder)


def month_export(contract: Contract, settings: Settings, folder: Path, month: int = 0, **draw: int) -> Path:
    """Export one generated month."""
    return export_frame(
        contract, with_label(contract, sample_period(UseCase(settings, contract), month, **draw)), folder
    )
