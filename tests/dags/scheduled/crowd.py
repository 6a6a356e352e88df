"""Work of two use cases: one has more tasks than run at once, which wait for a file, the other a short one."""

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

from dags.options import dag_options
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case

_contract = open_use_case(load_settings(use_case="insurance")).contract


def _work(use_case: str, tasks: int, command: str) -> DAG:
    options = dag_options(_contract.model_copy(update={"use_case": use_case}), "work", "")
    with DAG(schedule=None, **options) as dag:
        for number in range(tasks):
            BashOperator(task_id=f"task_{number}", bash_command=command)
    return dag


crowd = _work("crowd", 6, 'until test -e "$LAKELOOP_HOME/go-on"; do sleep 0.2; done')
other = _work("other", 1, "true")
