"""Where a version is written before servers see it: a folder beside the versions, renamed when all of it is there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from lakeloop.file_lock import in_turn

BEING_PUSHED = ".being-pushed-"


@contextmanager
def push_folder(folder: Path) -> Iterator[Path]:
    """A folder in the one of the versions for a push to write in; it is gone afterwards.

    Pushes take turns, so that one which is there already was left by a push that was killed: it is cleared away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with in_turn(folder.with_name(f".{folder.name}.push.lock")):  # in the folder are versions alone
        for left in folder.glob(f"{BEING_PUSHED}*"):
            shutil.rmtree(left, ignore_errors=True)  # what cannot be removed is in nobody's way
        with TemporaryDirectory(prefix=BEING_PUSHED, dir=folder) as beside:
            yield Path(beside)
