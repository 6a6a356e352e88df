"""A use case with a pushed model of its month 0, and a model server that answers with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pandas as pd

from lakeloop.added_columns import with_label
from lakeloop.drawn_rows import sample_period
from lakeloop.pushed_models import model_folder
from lakeloop.use_case import UseCase
from serving.model_server.process import running_server
from tests.exports import month_export
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import RunRecord
from tfx_pipeline.runs.runner import run_pipeline


class Trained:
    """What came of a run that the gate has blessed."""

    def __init__(self, use_case: UseCase, manifest: Path, record: RunRecord) -> None:
        self.use_case, self.contract, self.manifest, self.record = use_case, use_case.contract, manifest, record
        self.folder = model_folder(use_case, record.pushed_version)

    def rows(self, month: int, rows: int, **draw: int) -> pd.DataFrame:
        """Rows of a month with their label, drawn anew."""
        return with_label(self.contract, sample_period(self.use_case, month, rows=rows, **draw))


def train(use_case: UseCase, **draw: int) -> Trained:
    """Export the use case's month 0 into its home, and run the pipeline on it."""
    manifest = month_export(use_case.contract, use_case.settings, use_case.settings.home / "export", **draw)
    record = run_pipeline(use_case, run_parameters(use_case.contract, manifest, {}))
    assert record.blessed, record.gate
    return Trained(use_case, manifest, record)


@contextmanager
def served(trained: Trained) -> Iterator[httpx.Client]:
    """A client of a model server that has the model."""
    with (
        running_server({trained.use_case.name: trained.folder.parent}) as running,
        httpx.Client(base_url=running.url, timeout=60) as client,
    ):
        yield client
