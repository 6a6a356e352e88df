"""The data contract: the one thing a use case writes, as typed, frozen models.

Everything that depends on the data's shape (Spark schema, CHECK constraints, TFX schema, request model, drift
tests, catalogue) is derived from these models and from nowhere else. `lakeloop.contract_file` reads the YAML.
"""

from lakeloop.contract.batch_scoring import BatchScoring, ScoreFile
from lakeloop.contract.card import CardTexts
from lakeloop.contract.clusters import Clusters
from lakeloop.contract.columns import Column
from lakeloop.contract.contract import ClockKind, Contract
from lakeloop.contract.crosses import Cross
from lakeloop.contract.decision_threshold import DecisionThreshold
from lakeloop.contract.event_time import EventTime
from lakeloop.contract.features import DriftTest, Feature, Vocabulary
from lakeloop.contract.gate import Between, Gate, MaxProbability, MetricCheck
from lakeloop.contract.key import Key
from lakeloop.contract.label import Label
from lakeloop.contract.label_classes import LabelClass, When
from lakeloop.contract.model import (
    MODEL_KINDS,
    ModelSettings,
    NetworkSettings,
    TreesSettings,
    model_settings,
    read_model_settings,
)
from lakeloop.contract.place import Place, PlaceIndex
from lakeloop.contract.production import Fallback, Monitoring, Requests, Segment, UsualRange
from lakeloop.contract.release_plan import ReleasePlan
from lakeloop.contract.section import Name, Section
from lakeloop.contract.sources import Source
from lakeloop.contract.training import Balance, Split, Training

__all__ = [
    "MODEL_KINDS",
    "Balance",
    "BatchScoring",
    "Between",
    "CardTexts",
    "ClockKind",
    "Clusters",
    "Column",
    "Contract",
    "Cross",
    "DecisionThreshold",
    "DriftTest",
    "EventTime",
    "Fallback",
    "Feature",
    "Gate",
    "Key",
    "Label",
    "LabelClass",
    "MaxProbability",
    "MetricCheck",
    "ModelSettings",
    "Monitoring",
    "Name",
    "NetworkSettings",
    "Place",
    "PlaceIndex",
    "ReleasePlan",
    "Requests",
    "ScoreFile",
    "Section",
    "Segment",
    "Source",
    "Split",
    "Training",
    "TreesSettings",
    "UsualRange",
    "Vocabulary",
    "When",
    "model_settings",
    "read_model_settings",
]
