"""TensorBoard shows every run that has trained, under the name people know it by."""

import socket
from pathlib import Path

import pytest

from console.tensorboard import link_runs, run_tensorboard
from lakeloop.contract import Contract
from lakeloop.exceptions import AddressTakenError
from lakeloop.settings import Settings
from lakeloop.use_case import open_use_case
from tests.console.pages.conftest import record


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


def test_a_taken_port_is_named(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(AddressTakenError, match=f"port {port} on 127.0.0.1 is taken by another process"):
            run_tensorboard(open_use_case(settings), "127.0.0.1", port, lambda count, url: None)
