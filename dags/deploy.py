"""A pushed model into service: wait for it, ask it, watch it, and take it back if it fails."""

from datetime import timedelta

from airflow.sdk import DAG, Param

from dags.assets import asset
from dags.commands import lakeloop_task
from dags.options import dag_options
from lakeloop.use_case import UseCase

TEXT = """
Starts when a model was pushed (`{case}/model`). The model server loads it by itself; this makes sure that it answers.
If it fails on requests, it is retired and the version before it serves again: nobody waits for a person. Where another
version is pinned, that one goes on and this does nothing.
"""
AVAILABLE = "Waits until the model server reports the version AVAILABLE. Fails where the server is down or refuses it."
WATCH = """Asks the version rows made from the contract, then watches the gateway for 30 s or 200 answers. Rolls back
when more than 1 % of the answers came from the rules because the model failed, or when the 99th percentile of the time
to answer exceeds the contract's {budget} ms. Red after a rollback: the end of the log says why and what serves now."""


def make_deploy(use_case: UseCase) -> DAG:
    """The DAG `<use case>_deploy`."""
    contract = use_case.contract
    case = use_case.name
    params = {
        "version": Param(
            None,
            type=["null", "string"],
            pattern=r"^\d+$",
            title="Version",
            description="Which pushed version to look after. Empty: the newest.",
        )
    }
    options = dag_options(contract, "deploy", TEXT.format(case=case))
    with DAG(schedule=[asset(case, "model")], params=params, **options) as dag:
        version = "{{ '--version=%s' % params.version if params.version }}"
        available = lakeloop_task(
            "available", "deploy", "--wait-only", version, use_case=case, retries=3,
            retry_delay=timedelta(seconds=30), doc_md=AVAILABLE,
        )  # fmt: skip
        watch = lakeloop_task(
            "watch",
            "deploy",
            "--version={{ ti.xcom_pull('available')['version'] }}",
            use_case=case,
            retries=0,
            doc_md=WATCH.format(budget=contract.requests.budget_ms if contract.requests else 250),
        )
        available >> watch
    return dag
