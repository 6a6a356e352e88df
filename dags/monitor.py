"""Drift and performance from the lake: each hour, and when gold changed."""

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable

from dags.assets import asset
from dags.commands import lakeloop_task
from dags.options import dag_options
from lakeloop.use_case import UseCase

TEXT = """
Measures the answered requests of every period in the lake: have the inputs drifted from the champion's training data,
and how right were the answers? It runs each hour and after every ingest. The monitor service measures the present while
it happens and raises the alarm; this is the history, from which the dashboard is drawn.
"""
DRIFT = "Writes `gold/drift`: one row a period and feature. Only periods that changed are measured again."
PERFORMANCE = "Writes `gold/performance`: accuracy realised where truth is there, estimated from confidence where not."


def make_monitor(use_case: UseCase) -> DAG:
    """The DAG `<use case>_monitor`."""
    case = use_case.name
    hourly = CronTriggerTimetable("7 * * * *", timezone="UTC")
    schedule = AssetOrTimeSchedule(timetable=hourly, assets=[asset(case, "gold")])
    with DAG(schedule=schedule, **dag_options(use_case.contract, "monitor", TEXT)) as dag:
        drift = lakeloop_task("drift", "drift", use_case=case, doc_md=DRIFT)
        performance = lakeloop_task(
            "performance", "performance", use_case=case, trigger_rule="all_done", doc_md=PERFORMANCE
        )
        drift >> performance
    return dag
