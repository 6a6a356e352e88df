"""A loaded version in use: what requests and warm-ups run on."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from serving.model_server.batching import Batcher
from serving.model_server.batching_parameters import BatchingParameters
from serving.model_server.metrics import Metrics
from serving.model_server.saved_model import SavedModel
from serving.model_server.signatures import Signature


class LoadedVersion:
    """A loaded version in use; counts the requests it is answering."""

    def __init__(
        self, name: str, version: int, model: SavedModel, metrics: Metrics, batching: BatchingParameters | None = None
    ) -> None:
        self.name = name
        self.version = version
        self.model = model
        self.running = 0
        self._metrics = metrics
        self._run = model.run if batching is None else Batcher(model.run, batching).run

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
