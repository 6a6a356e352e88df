"""Keeps the tables of all use cases small, each night."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from airflow.sdk import DAG, TaskGroup

from dags.commands import lakeloop_task
from dags.options import FIRST_STEPS, RETRIES
from dags.people import tell_failed_run

TEXT = """
### Housekeeping
Each night, one use case after the other: *optimize* merges small files into larger ones, *vacuum* removes files that no
kept version needs. A version that an export or a model was made from is never removed, however old it is. Scores of
whole tables that newer ones took the place of more than a week ago go, with their files.
"""
OPTIMIZE = "Merges small files of every table into larger ones. Readers notice nothing; no row changes."
VACUUM = """Keeps a week of history, and of `gold/training` every version that an export or a model was made from.
Removes old scores."""


def make_maintenance(use_cases: Sequence[str]) -> DAG:
    """The DAG `lakeloop_maintenance`."""
    with DAG(
        "lakeloop_maintenance", schedule="23 2 * * *", max_active_runs=1, max_active_tasks=1, catchup=False,
        is_paused_upon_creation=False, auto_register=False, default_args=RETRIES, tags=["lakeloop"],
        on_failure_callback=partial(tell_failed_run, ""), doc_md=TEXT + FIRST_STEPS,
    ) as dag:  # fmt: skip
        for use_case in use_cases:
            with TaskGroup(use_case):
                of_it: dict[str, Any] = {"use_case": use_case, "pool": use_case}
                optimize = lakeloop_task("optimize", "lake", "optimize", doc_md=OPTIMIZE, **of_it)
                vacuum = lakeloop_task("vacuum", "lake", "vacuum", doc_md=VACUUM, **of_it)
                optimize >> vacuum
    return dag
