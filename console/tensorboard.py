"""TensorBoard over all runs: a folder of links, one a run, under the name people know it by."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lakeloop.exceptions import LakeloopError
from lakeloop.http_server import listen
from lakeloop.live_use_cases import LiveUseCases
from lakeloop.served_use_cases import in_brief
from lakeloop.settings import Settings
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


class LinkedRuns:
    """The links of all use cases that are served, a folder each; new use cases and runs get theirs at the next look.

    A use case whose contract is not good keeps what it had, and one whose runs cannot be read, too; `on_problem` gets
    its name and why.
    """

    def __init__(self, settings: Settings, on_problem: Callable[[str, str], object]) -> None:
        only = "".join(f".{name}" for name in sorted(settings.served))
        self.folder = Path(settings.area("reports")) / f"tensorboard{only}"
        self._live = LiveUseCases(settings, lambda name, problem: on_problem(name, in_brief(name, problem)))
        self._on_problem = on_problem
        self._cases: dict[str, UseCase] = {}
        self._problems: dict[str, str] = {}
        self.counts: dict[str, int] = {}

    def look(self) -> bool:
        """Link what is there now; whether there are more or fewer runs, or use cases, than before.

        Raises:
            WrongUseError: there is no use case, or not one that the settings name.
        """
        before = dict(self.counts)
        changes = self._live.look()
        self._cases |= changes.new
        for name in changes.gone & self._cases.keys():
            del self._cases[name], self.counts[name]
            link_runs(self.folder / name, [])
        for name, use_case in sorted(self._cases.items()):
            try:
                self.counts[name] = link_runs(self.folder / name, load_runs(use_case))
                self._problems.pop(name, None)
            except LakeloopError as problem:
                self.counts.setdefault(name, 0)
                if self._problems.get(name) != str(problem):
                    self._on_problem(name, in_brief(name, problem))
                self._problems[name] = str(problem)
        return self.counts != before


def run_tensorboard(
    settings: Settings,
    host: str,
    port: int,
    on_runs: Callable[[Mapping[str, int], str], None],
    on_problem: Callable[[str, str], object],
) -> None:
    """Run TensorBoard in this process until Ctrl-C, over all use cases that are served; new ones, and new runs, are
    shown while it is open.

    `on_runs(counts, url)` is called when it listens, and whenever a use case has more or fewer runs: how many by name.
    `on_problem` gets the name of one whose contract or runs cannot be read, and why.

    Raises:
        WrongUseError: there is no use case, or not one that the settings name.
        LakeloopError: it cannot listen there.
    """
    listen(host, port, "TensorBoard").close()  # says at once, and better than TensorBoard, that a port is taken
    runs = LinkedRuns(settings, on_problem)
    runs.look()
    from tensorboard import default, program

    board = program.TensorBoard(default.get_plugins())
    board.configure(
        argv=[
            "tensorboard", "--logdir", str(runs.folder), "--host", host, "--port", str(port),
            "--reload_interval", str(LOOK_SECONDS), "--load_fast", "false", "--window_title", "Lakeloop",
        ]
    )  # fmt: skip
    try:
        url = board.launch()
    except program.TensorBoardServerException as error:
        raise LakeloopError(f"TensorBoard cannot listen on {host}:{port}: {error.msg}") from error
    on_runs(runs.counts, url)
    while True:
        time.sleep(LOOK_SECONDS)
        if runs.look():
            on_runs(runs.counts, url)
