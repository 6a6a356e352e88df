"""A loaded version in use: what requests and warm-ups run on."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from serving.model_server.batching import Batcher
from serving.model_server.batching_parameters import BatchingParameters
from serving.model_server.long_runs import LongRuns
from serving.model_server.metrics import Metrics
from serving.model_server.saved_model import SavedModel
from serving.model_server.signatures import Signature


class LoadedVersion:
    """A loaded version in use; counts the requests it is answering."""

    def __init__(
        self,
        name: str,
        version: int,
        model: SavedModel,
        metrics: Metrics,
        batching: BatchingParameters | None = None,
        long_runs: LongRuns | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.model = model
        self.running = 0
        self._metrics = metrics
        self._long_runs = long_runs or LongRuns()
        self._run = self._run_in_turn if batching is None else Batcher(self._run_in_turn, batching).run

    def run(
        self,
        api: str,
        signature: Signature,
        inputs: dict[str, np.ndarray],
        outputs: Sequence[str] | None = None,
        deadline: float | None = None,
    ) -> dict[str, np.ndarray]:
        """As `SavedModel.run`, and measured as a run for that API."""
        start = time.perf_counter()
        answer = self._run(signature, inputs, outputs, deadline)
        self._metrics.ran(self.name, api, time.perf_counter() - start)
        return answer

    def _run_in_turn(
        self, signature: Signature, inputs: dict[str, np.ndarray], outputs: Sequence[str] | None, deadline: float | None
    ) -> dict[str, np.ndarray]:
        rows = next((array.size for array in inputs.values()), 0).bit_length()  # about as many values
        return self._long_runs.run(
            (signature.name, rows), lambda: self.model.run(signature, inputs, outputs, deadline), deadline
        )
