"""A whole table scored by itself, where the contract asks for it."""

from collections.abc import Iterator
from typing import Any

from airflow.sdk import DAG, Param

from dags.announce import AnnounceOperator
from dags.assets import asset
from dags.commands import lakeloop_task
from dags.options import dag_options
from lakeloop.contract import BatchScoring
from lakeloop.contract.elsewhere import duration
from lakeloop.use_case import UseCase

TEXT = """
{when}: scores `{table}` with the champion into `gold/scores`, and writes the scores as {file}. The same
version of the table is scored with the same model once, and anew when something else was switched off. What is switched
off, and what lies outside the contract's ranges, the rules answer; the column `reason` says why. *Trigger* opens a form
for another table or an earlier model.
"""
WHEN = {
    "gold": "After every ingest that brought rows",
    "model": "When another version serves (pushed, promoted, pinned or rolled back)",
}
WAITS_FOR = {"gold": "gold", "model": "champion"}
"""The asset that wakes it, by the contract's `after`: a challenger that is pushed does not serve yet."""
SCORE = """Runs `lakeloop score`. Cleared, or tried again after a kill, it goes on where it stopped: no row is there
twice. Where there is no model or no table yet, nothing is done and the log says so."""
SCORES = "Emits `{case}/scores` with table, version, model, rows and file. Skipped: everything had been scored before."


def make_score(use_case: UseCase) -> Iterator[DAG]:
    """The DAG `<use case>_score`; none where the contract has no `scoring`."""
    scoring, case = use_case.contract.scoring, use_case.name
    if scoring is None:
        return
    text = TEXT.format(when=_when(scoring), table=use_case.contract.scored_table, file=scoring.file)
    params = {
        "table": Param(
            use_case.contract.scored_table,
            type="string",
            pattern=r"^(silver|gold)/[a-z][a-z0-9_]*(@\d+)?$",
            title="Table",
            description="Of silver or gold, with key and features. @3 behind it: its version 3 instead of the newest.",
        ),
        "model": Param(
            None,
            type=["null", "string"],
            pattern=r"^\d+$",
            title="Model",
            description="A pushed version. Empty: the champion.",
        ),
    }
    with DAG(schedule=_schedule(case, scoring), params=params, **dag_options(use_case.contract, "score", text)) as dag:
        score = lakeloop_task(
            "score", "score", "{{ params.table }}", "{{ '--model=%s' % params.model if params.model }}",
            f"--file={scoring.file}", "--if-ready", use_case=case, doc_md=SCORE,
        )  # fmt: skip
        scores = AnnounceOperator(
            task_id="scores",
            about=asset(case, "scores"),
            result=score.output,
            part="scored",
            otherwise="nothing new was scored",
            doc_md=SCORES.format(case=case),
        )
        score >> scores
    yield dag


def _schedule(case: str, scoring: BatchScoring) -> Any:
    return duration(scoring.every) if scoring.every is not None else [asset(case, WAITS_FOR[str(scoring.after)])]


def _when(scoring: BatchScoring) -> str:
    return f"Every {scoring.every}" if scoring.every is not None else WHEN[str(scoring.after)]
