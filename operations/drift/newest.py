"""Feeds the newest requests in the lake to drift detection: a retrain's look at what the model is asked now."""

import pandas as pd

from lakeloop.contract import Contract
from lakeloop.drift_report import DriftReport, Window
from lakeloop.model_card import ModelCard
from monitoring.drift.detector import detect_drift
from monitoring.drift.reference import Reference


def detect_newest(contract: Contract, card: ModelCard, trained_on: pd.DataFrame, rows: pd.DataFrame) -> DriftReport:
    """The newest requests against the rows a version was trained on, both with a column a feature.

    It is made for one retrain, whose decision keeps what came of it, so it goes into no store; the model's answers are
    not looked at.
    """
    features = trained_on[list(contract.features)]
    reference = Reference(card.version, card.manifest_sha256, features, None, "a retrain looks at features alone")
    return detect_drift(reference, rows, contract, Window(kind="rolling", rows=len(rows)))
