"""The answered requests into the lake, each minute."""

from airflow.sdk import DAG

from dags.commands import lakeloop_task
from dags.options import dag_options
from lakeloop.use_case import UseCase

TEXT = """
Each minute: the finished files of the gateway's request log go to `bronze/requests` and `silver/predictions`, each
request exactly once. Where nothing is new, Spark is not even started. `lakeloop lake stream --continuous` does the same
without Airflow, seconds after each request.
"""
STREAM = "Goes on where the last run stopped; lines that are no request record go to `silver/rejects` with the reason."


def make_stream(use_case: UseCase) -> DAG:
    """The DAG `<use case>_stream`."""
    with DAG(schedule="* * * * *", **dag_options(use_case.contract, "stream", TEXT)) as dag:
        lakeloop_task("stream", "lake", "stream", "--if-new", use_case=use_case.name, retries=0, doc_md=STREAM)
    return dag
