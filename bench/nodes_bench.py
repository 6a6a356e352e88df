"""CPU seconds of each node of a retrain, run as Airflow runs it: a process of its own, forked from one that has TFX."""

import gc
import os
import sys
import time
from pathlib import Path

from bench.figure import Figure
from bench.tfx_bench import exported, home_of
from lakeloop.use_case import open_use_case

RUN = "nodes-bench"


def measure(home: Path) -> list[Figure]:
    """A run on the reference month, node by node."""
    manifest = exported(home / "nodes")
    os.environ["LAKELOOP_HOME"] = str(home_of(manifest))
    return nodes_of_a_run(manifest, RUN)


def nodes_of_a_run(manifest: Path, run: str) -> list[Figure]:
    """CPU seconds (user and system) and wall seconds of every node's process, in the order they run."""
    from console.cli.warm_server import import_all
    from lakeloop.settings import load_settings
    from tfx_pipeline.runs.graph import read_graph
    from tfx_pipeline.runs.parameters import run_parameters
    from tfx_pipeline.runs.runner import run_node, start_run

    use_case = open_use_case(load_settings())
    contract = use_case.contract
    import_all()
    from tfx_pipeline.runs.compile import compiled

    compiled(use_case)
    start_run(use_case, run_parameters(contract, manifest), run)
    figures = []
    cpu_in_all = wall_in_all = 0.0
    gc.freeze()
    for node in read_graph(use_case).ids:
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                run_node(use_case, run, node)
                code = 0
            finally:
                sys.stdout.flush()
                os._exit(code)
        _, status, usage = os.wait4(pid, 0)
        wall = time.monotonic() - began
        if status:
            raise RuntimeError(f"{node} failed")
        cpu = usage.ru_utime + usage.ru_stime
        cpu_in_all, wall_in_all = cpu_in_all + cpu, wall_in_all + wall
        figures.append(Figure(f"{node}: CPU ({wall:.2f} s in all)", cpu, "s", None))
    return [*figures, Figure(f"all nodes: CPU ({wall_in_all:.1f} s in all)", cpu_in_all, "s", None)]


if __name__ == "__main__":
    os.environ["LAKELOOP_HOME"] = str(home_of(Path(sys.argv[1])))
    for figure in nodes_of_a_run(Path(sys.argv[1]), sys.argv[2]):
        print(figure.name, f"{figure.value:.2f}")
