"""A retrain's question and its answer, without what comes before: about the decision that the form names."""

from airflow.sdk import DAG, Param, task

from dags.commands import lakeloop_task
from dags.options import dag_options
from dags.retrain_question import MACROS, approval_options, ask
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case

_contract = open_use_case(load_settings(use_case="insurance")).contract


@task
def compare() -> dict[str, str]:
    """What a retrain's task of this name gives."""
    return {"question": "No candidate passed."}


with DAG(
    schedule=None,
    params={"decision": Param("", type="string")},
    user_defined_macros=MACROS,
    **dag_options(_contract, "question", ""),
) as dag:
    answer = lakeloop_task(
        "answer", "decide", "{{ params.decision }}", *approval_options(1), "--no-push", use_case="insurance"
    )
    compare() >> ask(_contract, 1) >> answer
