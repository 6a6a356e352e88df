"""TensorBoard shows every run that has trained, under the name people know it by."""

import shutil
import socket
from pathlib import Path

import pytest

from console.tensorboard import LinkedRuns, link_runs, run_tensorboard
from lakeloop.contract import Contract
from lakeloop.exceptions import AddressTakenError
from lakeloop.settings import Settings
from tests.console.pages.conftest import record
from tests.use_case_copies import USE_CASES, copy_insurance
from tfx_pipeline.runs.run_record import FILE_NAME


def names(folder: Path) -> dict[str, Path]:
    return {link.name: link.resolve() for link in folder.iterdir()}


def test_there_is_a_link_a_run_and_it_follows_the_runs(tmp_path: Path, contract: Contract) -> None:
    ran, failed, gone = tmp_path / "ran", tmp_path / "failed", tmp_path / "gone"
    ran.mkdir()
    gone.mkdir()
    manifest, folder = tmp_path / "manifest.json", tmp_path / "links"
    pushed = record(contract, manifest, "r1", "1700000000", model_run_uri=str(ran))
    refused = record(contract, manifest, "r2", model_run_uri=str(gone))
    untrained = record(contract, manifest, "r3", model_run_uri=str(failed))
    assert link_runs(folder, [pushed, refused, untrained, record(contract, manifest, "r4")]) == 2
    assert names(folder) == {"version 1700000000": ran, "run r2": gone}
    gone.rmdir()
    again = pushed.model_copy(update={"pushed_version": ""})  # known before it was pushed
    assert link_runs(folder, [again, refused]) == 1
    assert names(folder) == {"run r1": ran}


def test_each_use_case_has_its_runs_and_one_that_cannot_be_read_harms_no_other(
    settings: Settings, contract: Contract, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    use_cases, ran = copy_insurance(tmp_path / "data"), tmp_path / "ran"
    ran.mkdir()
    several = settings.model_copy(update={"use_cases": use_cases})
    shutil.copytree(USE_CASES["stays"] / "stays", use_cases / "stays")
    for name in ("insurance", "stays"):
        pushed = record(contract, tmp_path / "manifest.json", "r1", "1700000000", model_run_uri=str(ran))
        folder = Path(several.area("tfx")) / name / "runs" / "r1"
        folder.mkdir(parents=True)
        (folder / FILE_NAME).write_text(pushed.model_dump_json())
    (use_cases / "half").mkdir()
    (use_cases / "half" / "contract.yaml").write_text("use_case: half\nfeetures: {}\n")
    told: list[tuple[str, str]] = []
    runs = LinkedRuns(several, lambda name, problem: told.append((name, problem)))
    assert runs.look() and runs.counts == {"insurance": 1, "stays": 1}
    assert {name: names(runs.folder / name) for name in runs.counts} == {
        name: {"version 1700000000": ran} for name in ("insurance", "stays")
    }
    assert not runs.look()
    ((name, problem),) = told
    assert name == "half" and problem.startswith("line 1, ") and "\n" not in problem
    assert problem.endswith("more: `lakeloop contract check -u half`)") and not caplog.records
    (Path(several.area("tfx")) / "insurance" / "runs" / "r1" / FILE_NAME).write_text("{")
    shutil.rmtree(use_cases / "stays")
    assert runs.look() and runs.counts == {"insurance": 1} and not names(runs.folder / "stays")
    assert names(runs.folder / "insurance") == {"version 1700000000": ran}
    assert told[1][0] == "insurance" and len(told) == 2, "each problem is told once"
    alone = several.model_copy(update={"served_use_cases": "insurance"})
    assert LinkedRuns(alone, lambda name, problem: None).folder != runs.folder


def test_a_taken_port_is_named(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(AddressTakenError, match=f"port {port} on 127.0.0.1 is taken by another process"):
            run_tensorboard(settings, "127.0.0.1", port, lambda count, url: None, lambda name, problem: None)
