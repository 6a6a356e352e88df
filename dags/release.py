"""A hand on a release, by hand with a form: which version serves."""

from airflow.sdk import DAG, Param

from dags.commands import lakeloop_task
from dags.options import dag_options
from lakeloop.use_case import UseCase

ACTIONS = {
    "promote": "promote: the version serves, until the next push",
    "pin": "pin: the version serves, whatever is pushed or retrained",
    "unpin": "unpin: pushes replace the champion again",
    "rollback": "roll back: the version before serves again",
    "challenge": "challenge: the version is tried beside the champion, by the contract's `release`",
    "abort": "abort: the challenge under way ends",
    "retire": "retire: the version never serves again",
    "restore": "restore: a retired version may serve again",
}
TEXT = """
Decides which pushed version serves. *Trigger* opens a form; who triggered it goes on record with the reason. It is in
effect within seconds, and no request fails. The model's page and `lakeloop models` do the same.
"""
DECIDE = (
    "Red without a reason, and where it is not possible as things stand (no such version, a retired one): see the log."
)
NAMED = "params.version if params.version and params.action not in ('unpin', 'rollback', 'abort')"


def make_release(use_case: UseCase) -> DAG:
    """The DAG `<use case>_release`."""
    params = {
        "action": Param("rollback", type="string", enum=list(ACTIONS), values_display=ACTIONS, title="Action"),
        "version": Param(
            None,
            type=["null", "string"],
            pattern=r"^(\d+|champion|previous|challenger)$",
            title="Version",
            description="A pushed version or a label. Empty to roll back, to unpin and to abort.",
        ),
        "why": Param(
            None, type=["null", "string"], maxLength=500, title="Why", description="For those who ask later; needed."
        ),
    }
    with DAG(schedule=None, params=params, **dag_options(use_case.contract, "release", TEXT)) as dag:
        lakeloop_task(
            "decide",
            "models",
            "{{ params.action }}",
            f"{{{{ {NAMED} }}}}",
            "{{ '--why=' ~ params.why if params.why }}",
            "--who={{ dag_run.triggering_user_name or 'airflow' }}",
            use_case=use_case.name,
            retries=0,
            doc_md=DECIDE,
        )
    return dag
