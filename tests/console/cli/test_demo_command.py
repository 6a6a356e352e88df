"""The demo tells what stands in its way before it starts anything."""

from typer.testing import CliRunner

from console.cli.app import app
from lakeloop.clock import set_clock
from lakeloop.exceptions import WrongUseError
from lakeloop.use_case import UseCase


def test_a_home_that_was_played_to_its_end_is_not_played_again(use_case: UseCase) -> None:
    set_clock(use_case, 36)
    done = CliRunner().invoke(app, ["demo"], env={"LAKELOOP_HOME": str(use_case.settings.home)})
    assert isinstance(done.exception, WrongUseError)
    told = str(done.exception)
    assert "was played to its end" in told and "stands at month 36" in told and "`make clean`" in told
    assert not (use_case.settings.home / "airflow").exists(), "nothing was started"
