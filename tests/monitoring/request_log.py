"""A request log as the gateway writes it, with the rows a test wants."""

import json
from typing import Any

import pandas as pd

from lakeloop.request_log_files import request_log_folder
from lakeloop.settings import Settings
from lakeloop.use_case import open_use_case


class Log:
    """Writes a request log as the gateway does, a file a call."""

    def __init__(self, settings: Settings) -> None:
        self._folder = request_log_folder(open_use_case(settings))
        self._folder.mkdir(parents=True)
        self._files = self._rows = 0

    def add(self, rows: pd.DataFrame, rules_every: int = 0, **changes: Any) -> None:
        """A finished file with these rows; every so many-th answered by the rules; `changes` hold for all records."""
        self._files += 1
        lines = []
        for values in rows.to_dict("records"):
            self._rows += 1
            by_rules = bool(rules_every) and self._rows % rules_every == 0
            at = pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(seconds=self._rows)
            lines.append(json.dumps({
                "request_id": f"r{self._rows}", "key": None, "at": at.isoformat(), "answered_at": at.isoformat(),
                "features": values, "prediction": "low", "class_id": 2,
                "probabilities": None if by_rules else [0.1, 0.1, 0.8],
                "predictor_type": "rules" if by_rules else "model", "reason": "ok", "model_version": "7",
                "latency_ms": 1.0, **changes,
            }) + "\n")  # fmt: skip
        path = self._folder / f"writer-{self._files:08d}.jsonl.part"
        path.write_text("".join(lines))
        path.rename(path.with_suffix(""))
