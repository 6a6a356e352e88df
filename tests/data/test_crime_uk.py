"""A month of street crimes as it is read, against pandas on the file of the package."""

from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lakeloop.settings import PROJECT, load_settings
from lakeloop.use_case import open_use_case
from operations.evaluation import generated_rows
from operations.fetching.fetched_history import fetch_history
from operations.history import history_rows

PACKAGE = find_spec("crime_sim_toolkit")
pytestmark = pytest.mark.skipif(PACKAGE is None, reason="its data is not installed: `make data`")
NO_SUSPECT = "Investigation complete; no suspect identified"


def test_reports_without_id_place_or_outcome_are_rows_as_the_others(tmp_path: Path) -> None:
    assert PACKAGE is not None and PACKAGE.submodule_search_locations
    months = Path(PACKAGE.submodule_search_locations[0]) / "tests" / "testing_data" / "test_policedata"
    (file,) = (months / "2016-07").glob("*-street.csv")
    raw = pd.read_csv(file)
    settings = load_settings(home=tmp_path, use_case="crime_uk", use_cases=PROJECT / "data")
    case = open_use_case(settings.model_copy(update={"now": datetime(2016, 8, 2, tzinfo=UTC)}))
    assert fetch_history(case).new_files == 1

    rows = history_rows(case, 0)
    assert len(rows) == len(raw) == rows["row_key"].nunique() and raw["Crime ID"].isna().mean() > 0.15
    placed = rows.dropna(subset=["latitude"])
    assert len(placed) == raw["Latitude"].notna().sum() < len(raw)
    corner = np.floor(placed["latitude"] * 50) / 50
    assert (placed["cell"].str.split().str[0] == corner.map("{:.2f}".format)).all()
    assert rows.loc[rows["latitude"].isna(), "cell"].isna().all()
    known = generated_rows(case, 0)
    assert len(known) == raw["Last outcome category"].notna().sum()
    assert (known["closing_name"] == "no_suspect").sum() == (raw["Last outcome category"] == NO_SUSPECT).sum()
