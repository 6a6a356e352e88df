"""Which worker takes which file: one goes through the files from the front, the other from the back, until they meet.

Files with the shared Spark stand at the front, so one worker alone starts it, warms it and fills the lakes that tests
copy; model servers, TensorFlow and Airflow's homes are the other one's. Whoever has less to do goes on with the rest.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling
from xdist.workermanage import WorkerController


class FromBothEnds(LoadFileScheduling):
    """Whole files to each worker, as `--dist loadfile` does, but to every second worker the last one that is left."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        if self.nodes.index(node) % 2:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)


def put_in_order(items: list[pytest.Item], longest: Mapping[Path, int]) -> None:
    """Files with Spark, then all others; long ones outermost, so that short ones are left where the workers meet."""
    with_spark = {item.path for item in items if "spark" in getattr(item, "fixturenames", ())}

    def place(item: pytest.Item) -> tuple[bool, int]:
        """`longest` counts from 0; what it does not name is the shortest."""
        length = len(longest) - longest.get(item.path, len(longest))
        return (False, -length) if item.path in with_spark else (True, length)

    items.sort(key=place)
