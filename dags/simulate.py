"""Periods of production in minutes, by hand with a form."""

from airflow.sdk import DAG, Param

from dags.commands import lakeloop_task
from dags.options import dag_options
from lakeloop.use_case import UseCase

TEXT = """
Plays periods of production: asks each one's rows through the gateway, moves the simulated clock, and delivers the
ground truth that is due. *Trigger* opens a form. A period that was answered before is passed over, so nothing is
counted twice; another *run* name asks it again. The gateway must run. A use case of the wall clock is refused, unless
its home plays it with a simulated one (`LAKELOOP_CLOCK`).
"""
SIMULATE = "Asks the gateway. `<use case>_stream` brings the answers into the lake, `<use case>_ingest` the truth."


def make_simulate(use_case: UseCase) -> DAG:
    """The DAG `<use case>_simulate`."""
    kind = use_case.contract.period
    params = {
        "periods": Param(
            "1-12",
            type="string",
            pattern=r"^\d{1,6}(-\d{1,6})?$",
            title="Periods",
            description=f"The number of a {kind} or a range, e.g. 7 or 1-12. 0 is history, delivered as files.",
        ),
        "rate": Param(
            None,
            type=["null", "number"],
            minimum=0.01,
            maximum=100_000,
            title="Requests a second",
            description="Empty: as fast as the gateway answers.",
        ),
        "batch": Param(
            1,
            type="integer",
            minimum=1,
            maximum=1000,
            title="Rows a request",
            description="1: each is asked alone, as most clients do. More: so many together, which is faster.",
        ),
        "until": Param(
            None,
            type=["null", "integer"],
            minimum=0,
            maximum=2 * use_case.contract.event_time.of_kind.most,
            title=f"Then run the clock on to {kind}",
            description="Delivers the ground truth due until then. Empty: the clock stays at the last of them.",
        ),
        "label": Param(
            "first",
            type="string",
            pattern=r"^[\w-]{1,40}$",
            title="Run",
            description="Each run has request ids of its own.",
        ),
    }
    with DAG(schedule=None, params=params, **dag_options(use_case.contract, "simulate", TEXT)) as dag:
        lakeloop_task(
            "simulate",
            "simulate",
            "--periods={{ params.periods }}",
            "{{ '--rate=%s' % params.rate if params.rate is not none }}",
            "{{ '--batch=%s' % params.batch if params.batch > 1 }}",
            "{{ '--until=%s' % params.until if params.until is not none }}",
            "--label={{ params.label }}",
            use_case=use_case.name,
            retries=0,
            doc_md=SIMULATE,
        )
    return dag
