"""read_dags.py ANSWER: parse the DAGs folder as Airflow does, and tell what is in it."""

import json
import sys
import time
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag

from lakeloop.settings import PROJECT

HEAVY = ("tensorflow", "tfx", "pyspark", "pandas", "numpy", "deltalake", "lakehouse", "tfx_pipeline", "serving")


def main() -> None:
    began = time.perf_counter()
    bag = DagBag(PROJECT / "dags")
    seconds = time.perf_counter() - began
    dags = {
        dag.dag_id: {
            "tasks": {
                task.task_id: {
                    "after": sorted(task.upstream_task_ids),
                    "doc": task.doc_md or "",
                    "pool": task.pool,
                    "retries": task.retries,
                }
                for task in dag.tasks
            },
            "most_runs": dag.max_active_runs,
            "catchup": dag.catchup,
            "schedule": str(dag.schedule),
            "doc": dag.doc_md or "",
        }
        for dag in bag.dags.values()
    }
    answer = {
        "dags": dags,
        "errors": bag.import_errors,
        "heavy": sorted(name for name in sys.modules if name.partition(".")[0] in HEAVY),
        "files": [stat.file for stat in bag.dagbag_stats],
        "seconds": seconds,
    }
    Path(sys.argv[1]).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
