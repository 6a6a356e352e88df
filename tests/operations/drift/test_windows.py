"""A closer look at a window: what it needs is looked for before anything is loaded for it."""

import subprocess
import sys

from lakeloop.settings import PROJECT, Settings

COUNT = """
import sys
from pathlib import Path
from lakeloop.drift_report import DriftReport, Window
from lakeloop.exceptions import NotFoundError
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
from operations.drift.windows import count_window
use_case = open_use_case(load_settings(home=Path(sys.argv[1]), use_case="insurance"))
window = Window(kind="month", period="2023-02", rows=9)
report = DriftReport(use_case=use_case.name, model_version="7", window=window, state="stable")
try:
    count_window(use_case, report)
except NotFoundError as error:
    print(error)
print("tensorflow" in sys.modules)
"""


def test_missing_ml_metadata_is_told_before_tensorflow_is_loaded(settings: Settings) -> None:
    counted = subprocess.run(
        [sys.executable, "-c", COUNT, settings.home], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert counted.stdout.splitlines()[-2:] == [
        f"there is no ML Metadata at {settings.metadata_db.absolute()} yet; `lakeloop train` makes it", "False"
    ]  # fmt: skip
