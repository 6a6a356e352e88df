"""The answered requests into the lake, each minute."""

from airflow.sdk import DAG

from dags.commands import lakeloop_task
from dags.options import dag_options
from lakeloop.contract import Contract
from lakeloop.settings import Settings

TEXT = """
Each minute: the finished files of the gateway's request log go to `bronze/requests` and `silver/predictions`, each
request exactly once. Where nothing is new, Spark is not even started. `lakeloop lake stream --continuous` does the same
without Airflow, seconds after each request.
"""
STREAM = "Goes on where the last run stopped; lines that are no request record go to `silver/rejects` with the reason."


def make_stream(contract: Contract, settings: Settings) -> DAG:
    """The DAG `<use case>_stream`."""
    with DAG(schedule="* * * * *", **dag_options(contract, "stream", TEXT)) as dag:
        lakeloop_task("stream", "lake", "stream", "--if-new", use_case=contract.use_case, retries=0, doc_md=STREAM)
    return dag
