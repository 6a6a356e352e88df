"""Set-up is the project's own: it does not depend on the use case that somebody is at work on."""

import os
import shutil
import subprocess
from pathlib import Path

from lakeloop.settings import PROJECT


def test_another_s_use_cases_are_no_matter_to_set_up(tmp_path: Path) -> None:
    """Everything is made but the compiled pipeline; `lakeloop` writes down which use case it was asked for."""
    for name in ("deploy/setup.sh", "uv.lock", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy2(PROJECT / name, tmp_path / name)
    for made in (".venv/bin/lakeloop", ".venv/.synced", ".venv/.archived", ".tools/delta-4.jar", ".tools/uv/bin/uv"):
        (tmp_path / made).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / made).touch(0o755)
    command = tmp_path / ".venv" / "bin" / "lakeloop"
    command.write_text('#!/bin/sh\necho "$@" "[$LAKELOOP_USE_CASES$LAKELOOP_USE_CASE$LAKELOOP_HOME]" > compiled\n')
    own = {"LAKELOOP_USE_CASES": "/elsewhere", "LAKELOOP_USE_CASE": "orders", "LAKELOOP_HOME": "/elsewhere/home"}
    done = subprocess.run(
        [tmp_path / "deploy" / "setup.sh"], env=os.environ | own, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "compiled").read_text() == "pipeline compile []\n"
