"""Rows whose events have times, asked as production: at their own times, in the periods of the contract."""

from datetime import datetime
from pathlib import Path

import pytest

from lakeloop.drawn_rows import sample_period
from lakeloop.exceptions import WrongUseError
from lakeloop.use_case import UseCase, open_use_case
from operations.period_rows import period_rows
from operations.simulation import questions_of
from tests.rides import rides_use_case, trips

GENERATOR = """
import pandas as pd

def sample(week, rows, seed):
    times = ["%s", "06.01.2013 23:30"]
    return pd.DataFrame({"ride": [1, 2], "started": times, "miles": [1.0, 2.0], "tip": [0.0, 1.0]})
"""


def rides(home: Path, first: str) -> UseCase:
    use_case = rides_use_case(
        home, "format: '%d.%m.%Y %H:%M', timezone: America/Chicago, period: week, start: 2013-W01"
    )
    folder = use_case.contract_path.parent
    (folder / "generator.py").write_text(GENERATOR % first)
    use_case.contract_path.write_text(use_case.contract_path.read_text() + "generator: generator.py\n")
    return open_use_case(use_case.settings)


def test_a_row_is_asked_about_when_it_happened(tmp_path: Path) -> None:
    use_case = rides(tmp_path, "31.12.2012 00:00")
    assert list(sample_period(use_case, 0)["period"]) == ["2013-W01", "2013-W01"]
    asked = [datetime.fromisoformat(question.at) for question in questions_of(use_case, 0, "first")]
    assert asked == [datetime.fromisoformat(at) for at in ("2012-12-31T06:00:00+00:00", "2013-01-07T05:30:00+00:00")]


def test_a_generators_time_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match=r"`started` is '2012-12-31'; .* it is written %d.%m.%Y %H:%M, such as"):
        sample_period(rides(tmp_path, "2012-12-31"), 0)


def test_a_history_of_times_is_asked_at_them_without_those_that_cannot_be_read(tmp_path: Path) -> None:
    use_case = rides_use_case(tmp_path, "format: unix_seconds, timezone: America/Chicago, start: 2012-12")
    folder = use_case.contract_path.parent
    (folder / "history" / "trips").mkdir(parents=True)
    (folder / "history" / "trips" / "trips-2013-01.csv").write_text(trips(["1357020000", "soon", "1357020060.5"]))
    use_case.contract_path.write_text(use_case.contract_path.read_text() + "history: history\n")
    use_case = open_use_case(use_case.settings)
    assert list(period_rows(use_case, 1)["period"]) == ["2013-01", "2013-01"]
    asked = [question.at for question in questions_of(use_case, 1, "first")]
    assert asked == ["2013-01-01T06:00:00+00:00", "2013-01-01T06:01:00.500000+00:00"]
