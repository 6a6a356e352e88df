"""The importance weights of each export a retrain uses, made once, and the file the pipeline reads them from."""

from pathlib import Path

import pandas as pd

from lakeloop.use_case import UseCase
from operations.evaluation import exported_rows
from operations.retraining.importance import LEAST_ROWS, Importance, importance
from tfx_pipeline.training.row_weights import save_row_weights


class ExportWeights:
    """Towards the requests in `window`; none where there are too few of them to weigh by."""

    def __init__(self, use_case: UseCase, window: pd.DataFrame) -> None:
        self._use_case, self._window = use_case, window
        self._rows: dict[Path, pd.DataFrame] = {}
        self._made: dict[Path, Importance | None] = {}

    def rows(self, manifest: Path) -> pd.DataFrame:
        """All rows of an export, train and eval."""
        if manifest not in self._rows:
            self._rows[manifest] = exported_rows(self._use_case.contract, manifest)
        return self._rows[manifest]

    def of(self, manifest: Path) -> Importance | None:
        """The weights of an export's rows."""
        if manifest not in self._made:
            enough = min(len(self._window), len(self.rows(manifest))) >= LEAST_ROWS
            self._made[manifest] = (
                importance(self._use_case.contract, self.rows(manifest), self._window) if enough else None
            )
        return self._made[manifest]

    def file(self, manifest: Path) -> Path | None:
        """The weights as the pipeline takes them."""
        found = self.of(manifest)
        return save_row_weights(self._use_case, found.weights) if found is not None else None
