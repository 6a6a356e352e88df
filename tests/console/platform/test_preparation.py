"""What is done before Airflow starts: what fails for one use case harms no other."""

import shutil
from pathlib import Path

import pytest

from console.platform import preparation
from console.platform.environment import service_environment
from console.platform.logs import log_file
from console.platform.paths import log_folder
from console.platform.preparation import Step, prepare, stale_pipelines
from lakeloop.exceptions import LakeloopError
from lakeloop.settings import Settings
from tests.use_case_copies import USE_CASES, copy_insurance


@pytest.fixture
def several(settings: Settings, tmp_path: Path) -> Settings:
    """Two good use cases, one with a mistake, and a copy that still has its old name."""
    folder = copy_insurance(tmp_path / "data")
    shutil.copytree(USE_CASES["stays"] / "stays", folder / "stays")
    shutil.copytree(folder / "insurance", folder / "copied")
    (folder / "half").mkdir()
    (folder / "half" / "contract.yaml").write_text("use_case: half\nfeetures: {}\n")
    log_folder(settings).mkdir(parents=True)
    return settings.model_copy(update={"use_cases": folder})


def test_pipelines_of_good_and_served_use_cases_are_compiled(several: Settings) -> None:
    assert stale_pipelines(several) == ("insurance", "stays")
    assert stale_pipelines(several.model_copy(update={"served_use_cases": "stays,half"})) == ("stays",)


def test_what_is_wrong_with_one_use_case_is_told_and_the_others_go_on(
    several: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (
        Step("compile", "compile-insurance", ("sh", "-c", "echo no model; exit 1"), "insurance"),
        Step("compile", "compile-stays", ("sh", "-c", "sleep 1; echo done"), "stays"),
    )
    monkeypatch.setattr(preparation, "due_steps", lambda settings: steps)
    told: dict[str, str] = {}
    assert [*prepare(several, service_environment(several), told.__setitem__)][-1] == ()
    assert sorted(told) == ["copied", "half", "insurance"]
    assert "call both the same" in told["copied"] and told["half"].endswith("`lakeloop contract check -u half`)")
    assert "no model" in told["insurance"] and str(log_file(several, "compile-insurance")) in told["insurance"]
    assert log_file(several, "compile-stays").read_text() == "done\n"


def test_what_all_need_ends_the_preparation(several: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = (Step("migrate", "migrate", ("sh", "-c", "exit 1")), Step("compile", "compile-stays", ("sleep", "60"), "s"))
    monkeypatch.setattr(preparation, "due_steps", lambda settings: steps)
    with pytest.raises(LakeloopError, match="migrate failed; its log is"):
        [*prepare(several, service_environment(several), lambda name, problem: None)]


def test_services_are_told_which_use_cases_are_served(several: Settings) -> None:
    told = service_environment(several.model_copy(update={"served_use_cases": "stays,half,stays"}))
    assert told["LAKELOOP_SERVED_USE_CASES"] == "half,stays" and told["LAKELOOP_USE_CASE"] == "half"
    told = service_environment(several)
    assert told["LAKELOOP_SERVED_USE_CASES"] == "" and told["LAKELOOP_USE_CASE"] == "insurance"
