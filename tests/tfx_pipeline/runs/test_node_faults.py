"""A node waits while ML Metadata is locked; on a full disk it ends with a sentence and goes on when there is room."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lakeloop.contract import Contract
from lakeloop.settings import PROJECT, Settings
from lakeloop.use_case import UseCase, open_use_case
from tests.exports import month_export, settings_in
from tests.small_disk import may_mount
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import load_run
from tfx_pipeline.runs.runner import run_node, start_run

RUN = "faults"
LOCKED_SECONDS = 4.0
LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""
FULL_AND_FREED = """
set -e
mount -t tmpfs -o size=20K examples "$EXAMPLES"
node() {
    code=0
    "$PYTHON" -c "from console.cli import main; main()" pipeline node faults ExampleGen > "$ROOT/$1" 2>&1 || code=$?
    echo $code >> "$ROOT/$1"
}
node full
mount -o remount,size=20M "$EXAMPLES"
node freed
cp -r "$EXAMPLES" "$ROOT/made"
"""


@pytest.fixture
def settings(tmp_path: Path, contract: Contract) -> Settings:
    """A home with an opened run, none of whose nodes ran."""
    made = settings_in(tmp_path / "home", "insurance")
    manifest = month_export(contract, made, open_use_case(made).folder("export") / "0")
    start_run(UseCase(made, contract), run_parameters(contract, manifest), RUN)
    return made


def test_a_node_waits_for_a_locked_ml_metadata(use_case: UseCase) -> None:
    run_node(use_case, RUN, "GoldExport")
    lock = [sys.executable, "-c", LOCK, str(use_case.settings.metadata_db), str(LOCKED_SECONDS)]
    locker = subprocess.Popen(lock, stdout=subprocess.PIPE, text=True)
    assert locker.stdout is not None and locker.stdout.readline() == "locked\n"
    began = time.monotonic()
    assert run_node(use_case, RUN, "ImportSchemaGen").state == "ran"
    assert time.monotonic() - began >= LOCKED_SECONDS - 0.5
    locker.wait()


@pytest.mark.long
def test_a_full_disk_fails_the_node_with_a_sentence_and_it_goes_on_when_there_is_room(
    use_case: UseCase, tmp_path: Path
) -> None:
    if not may_mount():
        pytest.skip("no disk may be mounted here; it needs user namespaces or root")
    run_node(use_case, RUN, "GoldExport")
    examples = use_case.folder("tfx") / "artifacts" / "ExampleGen"
    examples.mkdir(parents=True)
    environment = {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "PYTHON": sys.executable, "PYTHONPATH": str(PROJECT),
        "ROOT": str(tmp_path), "EXAMPLES": str(examples),
        "LAKELOOP_HOME": str(use_case.settings.home), "LAKELOOP_USE_CASE": use_case.name,
    }  # fmt: skip
    subprocess.run(["unshare", "-rm", "sh", "-c", FULL_AND_FREED], env=environment, check=True, timeout=1400)
    told = {name: (tmp_path / name).read_text() for name in ("full", "freed")}
    assert {name: text.split()[-1] for name, text in told.items()} == {"full": "1", "freed": "0"}, told
    assert "the disk is full; free some space and run it again" in told["full"] and "Traceback" not in told["full"]
    assert load_run(use_case, RUN).node("ExampleGen") is not None
    assert list((tmp_path / "made").rglob("*.gz"))
