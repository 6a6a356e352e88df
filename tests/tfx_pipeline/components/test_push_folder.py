"""What a push writes is beside the versions while it writes, and nowhere once it has ended, or the next one has."""

import subprocess
import sys
import threading
from pathlib import Path

from lakeloop.settings import PROJECT
from tests.waiting import eventually
from tfx_pipeline.components.push_folder import BEING_PUSHED, push_folder

PUSH = """
import sys
from pathlib import Path
from tfx_pipeline.components.push_folder import push_folder
with push_folder(Path(sys.argv[1])) as beside:
    (beside / "1700000000").mkdir()
    (beside / "1700000000" / "part of a model").touch()
    print("writes", flush=True)
    sys.stdin.read()
"""


def being_pushed(folder: Path) -> list[Path]:
    return list(folder.glob(f"{BEING_PUSHED}*"))


def test_a_push_clears_away_what_a_killed_one_left_and_nothing_of_one_that_runs(tmp_path: Path) -> None:
    (tmp_path / "1600000000").mkdir()
    runs = [sys.executable, "-c", PUSH, tmp_path]
    with subprocess.Popen(runs, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "writes\n"
        (theirs,) = being_pushed(tmp_path)
        own, waits = list[Path](), threading.Event()

        def push() -> None:
            waits.set()
            with push_folder(tmp_path) as beside:
                own.extend(being_pushed(tmp_path))
                assert own == [beside]

        next_push = threading.Thread(target=push)
        next_push.start()
        waits.wait()
        next_push.join(0.3)
        assert next_push.is_alive() and (theirs / "1700000000" / "part of a model").exists()
        other.kill()
        eventually(lambda: not next_push.is_alive())
    assert len(own) == 1 and own != [theirs]
    assert being_pushed(tmp_path) == [] and (tmp_path / "1600000000").is_dir()
