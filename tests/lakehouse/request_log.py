"""Request log files as a gateway writes them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lakeloop.request_log_files import request_log_folder
from lakeloop.request_record import RequestRecord
from tests.lakes import OwnLake

FEATURES = {
    "training": 0, "age": 41.5, "emergency_braking": 1, "braking_distance": 40.25, "power": 120.0, "miles": 60.0
}  # fmt: skip


def line(request_id: str, key: str | None, features: dict[str, Any], **answer: Any) -> str:
    """One line of an answer by model 7; `answer` is what it said, and replaces any other field."""
    values = {
        "request_id": request_id, "key": key, "at": "2023-03-05T10:00:00+00:00",
        "answered_at": "2026-01-01T00:00:01.5+00:00", "features": features, "predictor_type": "model", "reason": "ok",
        "model_version": "7", "latency_ms": 1.25,
    }  # fmt: skip
    return json.dumps(values | answer) + "\n"


def record(request_id: str, key: str | None = None, features: dict[str, Any] | None = None, **changes: Any) -> str:
    """One line; `changes` replace fields of the record, unchecked."""
    asked, answer = FEATURES | (features or {}), {"prediction": "low", "class_id": 2, "probabilities": [0.1, 0.2, 0.7]}
    RequestRecord.model_validate_json(line(request_id, key, asked, **answer))
    return line(request_id, key, asked, **answer | changes)


def by_rules(request_id: str, key: str | None = None, **changes: Any) -> str:
    """A line the rules answered without the model having been asked."""
    reason = "out of range: age is 5, the model answers 10 to below 150"
    changes = {"probabilities": None, "predictor_type": "rules", "reason": reason, "model_version": None} | changes
    return record(request_id, key, **changes)


def log_file(lake: OwnLake, name: str, lines: Iterable[str | bytes]) -> Path:
    """A finished file of the request log."""
    folder = request_log_folder(lake)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.jsonl.part"
    part.write_bytes(b"".join(line.encode() if isinstance(line, str) else line for line in lines))
    return part.rename(folder / f"{name}.jsonl")
