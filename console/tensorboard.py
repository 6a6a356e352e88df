"""TensorBoard over all runs: a folder of links, one a run, under the name people know it by."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lakeloop.exceptions import LakeloopError
from lakeloop.http_server import listen
from lakeloop.use_case import UseCase
from tfx_pipeline.runs.run_record import RunRecord, load_runs

LOOK_SECONDS = 5


def link_name(record: RunRecord) -> str:
    """What a run is called in TensorBoard: its pushed version, and for a refused one its id."""
    return f"version {record.pushed_version}" if record.pushed_version else f"run {record.run_id}"


def link_runs(folder: Path, records: Sequence[RunRecord]) -> int:
    """Make the folder hold one link a run that has trained, and no others; gives how many there are."""
    wanted = {
        link_name(record): Path(record.model_run_uri)
        for record in records
        if record.model_run_uri and Path(record.model_run_uri).is_dir()
    }
    folder.mkdir(parents=True, exist_ok=True)
    for link in folder.iterdir():
        if link.is_symlink() and wanted.get(link.name) != link.readlink():
            link.unlink()
    for name, target in wanted.items():
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(target)
    return len(wanted)


def run_tensorboard(use_case: UseCase, host: str, port: int, on_runs: Callable[[int, str], None]) -> None:
    """Run TensorBoard in this process until Ctrl-C; new runs are shown while it is open.

    `on_runs(count, url)` is called when it listens, and whenever there are more or fewer runs.

    Raises:
        LakeloopError: it cannot listen there.
    """
    listen(host, port, "TensorBoard").close()  # says at once, and better than TensorBoard, that a port is taken
    from tensorboard import default, program

    folder = Path(use_case.settings.area("reports")) / use_case.name / "tensorboard"
    known = link_runs(folder, load_runs(use_case))
    board = program.TensorBoard(default.get_plugins())
    board.configure(
        argv=[
            "tensorboard", "--logdir", str(folder), "--host", host, "--port", str(port),
            "--reload_interval", str(LOOK_SECONDS), "--load_fast", "false",
            "--window_title", f"Lakeloop: {use_case.name}",
        ]
    )  # fmt: skip
    try:
        url = board.launch()
    except program.TensorBoardServerException as error:
        raise LakeloopError(f"TensorBoard cannot listen on {host}:{port}: {error.msg}") from error
    on_runs(known, url)
    while True:
        time.sleep(LOOK_SECONDS)
        count = link_runs(folder, load_runs(use_case))
        if count != known:
            known = count
            on_runs(known, url)
