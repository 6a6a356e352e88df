"""A champion whose training rows are month 0, and months to measure against it."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lakeloop.contract import Contract
from lakeloop.drawn_rows import sample_period
from lakeloop.drift_report import DriftReport, Window
from lakeloop.manifest import file_sha256
from lakeloop.model_card import ModelCard
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case
from monitoring.drift.detector import detect_drift
from monitoring.drift.reference import Reference
from tests.exports import month_export

NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="session")
def month(contract: Contract) -> Callable[..., pd.DataFrame]:
    """`month(12)`: the features of month 12; rows and seed as for the generator."""

    def features(number: int, rows: int | None = None, seed: int | None = None) -> pd.DataFrame:
        return sample_period(UseCase(Settings(), contract), number, rows, seed)[list(contract.features)].copy()

    return features


@pytest.fixture(scope="session")
def month_0_reference(month: Callable[..., pd.DataFrame]) -> Reference:
    """All rows of month 0, and a model that calls half of them low."""
    answers = pd.Series(["high", "medium", "low", "low"] * 375, dtype=object)
    return Reference("7", "a" * 64, month(0), answers)


@pytest.fixture(scope="session")
def measured(month_0_reference: Reference, contract: Contract) -> Callable[..., DriftReport]:
    """`measured(rows)`: a month's window of these rows against month 0."""

    def report(
        rows: pd.DataFrame, known: Reference = month_0_reference, terms: Contract = contract, of: int = 0
    ) -> DriftReport:
        return detect_drift(known, rows, terms, Window(kind="month", rows=of or len(rows), period="2024-01"))

    return report


def push_card(contract: Contract, settings: Settings, version: str = "7") -> ModelCard:
    """Export month 0 into the home and push a version, without a model in it, that says it was trained on that."""
    manifest = month_export(contract, settings, open_use_case(settings).folder("export").absolute() / "0")
    card = ModelCard(
        use_case=contract.use_case,
        run_id="r1",
        manifest=manifest,
        manifest_sha256=file_sha256(manifest),
        model=contract.model,
    )
    folder = open_use_case(settings).folder("models") / version
    card.save(folder)
    (folder / "saved_model.pb").touch()
    return card


@pytest.fixture
def home(contract: Contract, tmp_path: Path) -> Settings:
    """A home with an export of month 0 and version 7 trained on it; no server runs."""
    settings = Settings(home=tmp_path, use_case=contract.use_case, model_server_url=NOBODY)
    push_card(contract, settings)
    return settings
