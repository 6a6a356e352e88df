"""The operational database is made by whoever opens it first."""

import subprocess
import sys
from pathlib import Path

OPENS_WHILE_OTHERS_CREATE = """
import sys, time
from sqlalchemy import event
from lakeloop.operational_db import engine, metadata
for table in metadata.tables.values():
    event.listen(table, "before_create", lambda *_, **__: time.sleep(0.1))
engine(sys.argv[1])
"""


def test_processes_that_start_on_a_new_database_wait_for_the_one_that_makes_it(tmp_path: Path) -> None:
    """Each takes long to create a table, so that all are at it at once."""
    command = [sys.executable, "-c", OPENS_WHILE_OTHERS_CREATE, f"sqlite:///{tmp_path}/lakeloop.db"]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=400)[1] for process in started] == [""] * len(started)
