"""What all DAGs have in common, and the texts for who opens one for the first time."""

from datetime import timedelta
from functools import partial
from typing import Any

from dags.people import tell_failed_run
from lakeloop.contract import Contract

FIRST_STEPS = """
**New here?** *Graph* shows the steps and what they wait for, *Grid* the runs, one column each. A click on a square,
then *Logs*, shows what the command printed; *XCom* what it found. *Trigger* (top right) starts a run now. A red step
says why in the last lines of its log; *Clear task* tries it again from there.
"""

RETRIES: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(seconds=20)}
"""For what may be busy or away for a moment. Commands whose exit code says that it is no use are not tried again."""


def dag_options(contract: Contract, what: str, text: str) -> dict[str, Any]:
    """The DAG's id, one run at a time, nothing made up for time that has passed, and its page of documentation.

    Its tasks take slots of the use case's pool, which the monitor makes, so that another use case's find one, too.
    """
    return {
        "dag_id": f"{contract.use_case}_{what}",
        "max_active_runs": 1,
        "catchup": False,
        "is_paused_upon_creation": False,
        "auto_register": False,
        "on_failure_callback": partial(tell_failed_run, contract.use_case),
        "default_args": {**RETRIES, "pool": contract.use_case},
        "tags": ["lakeloop", contract.use_case],
        "doc_md": f"### {contract.title}: {what}\n{text}\n{FIRST_STEPS}",
    }
