"""run_tasks.py ANSWER CASES FOLDER: run each case's task for real; how it ended, and what stood in its log."""

import contextlib
import importlib.util
import io
import json
import os
import sys
from pathlib import Path


def main() -> None:
    answer, cases = Path(sys.argv[1]), sys.argv[2]
    file = Path(__file__).with_name("dags") / "tasks.py"
    os.environ.update(TASKS=cases, TASKS_FOLDER=sys.argv[3], AIRFLOW__CORE__DAGS_FOLDER=str(file.parent))
    spec = importlib.util.spec_from_file_location("tasks", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = {}
    for name in json.loads(cases):
        log = io.StringIO()
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            run = getattr(module, name).test(run_conf={"label": "a b; exit 7"})
        (task,) = run.get_task_instances()
        value = task.xcom_pull(task_ids="only")
        found[name] = {"state": task.state, "run": run.run_id, "value": value, "log": log.getvalue()}
    answer.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
