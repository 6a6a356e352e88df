"""After drift or new ground truth, or by hand: candidates are trained and compared; one wins, or a person decides.

The tasks of a candidate are the nodes of the compiled TFX pipeline. Tasks run one at a time where ML Metadata is
SQLite, which one process writes at a time, and the same node never runs in two candidates at once, so that the second
finds the first one's result in the cache.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, TaskGroup, TriggerRule, task_group

from dags.assets import asset
from dags.commands import LakeloopOperator, lakeloop_task
from dags.options import dag_options
from dags.pipeline_graph import Node, candidate_nodes, compiled_nodes, pushing_nodes
from dags.retrain_form import form, form_options
from dags.retrain_hooks import PlanOperator, event_numbers, next_task, skip_without_reason, tell_version, wake_next
from dags.retrain_question import MACROS, approval_options, ask
from lakeloop.contract import Contract
from lakeloop.use_case import UseCase

DECISION = "{{ (ti.xcom_pull(task_ids='why') or {}).get('decision', '') }}"
WINNER = "{{ (ti.xcom_pull(task_ids='answer') or ti.xcom_pull(task_ids='compare'))['run'] }}"
DECIDED_BY = "{{ dag_run.triggering_user_name or 'airflow' }}"
WAIT_FOR_ANOTHER = {"retries": 30, "retry_delay": timedelta(minutes=1)}
"""Somebody may be retraining on the command line."""
WHILE_IT_IMPORTS = 60.0
"""Seconds a task waits for the warm server that was just started; what it would import itself takes as long."""

TEXT = """
Wakes when production drifted or new ground truth came (`{case}/drift`, `{case}/ground_truth`), and takes every event of
the ledger that nobody has handled: task *why* shows them, and so does the run's note. Each candidate then goes through
the nodes of the TFX pipeline, is checked by the quality gate and scored on the same rows as the champion. The best is
pushed (`{case}/model`). Where none passes, task *ask* waits {hours:g} h for a person (*Required actions*), then the
champion is kept. A failed node is tried again and goes on from there. *Trigger* has a form: strategy, periods,
hyper-parameters.
"""
NOT_COMPILED = """
The pipeline is not compiled yet. This does it by itself, once; then the tasks of a retrain appear here. Where it
failed, the log says what to mend; *Trigger* it again, or run `lakeloop pipeline compile`.
"""


def make_retrain(use_case: UseCase) -> DAG:
    """The DAG `<use case>_retrain`. Before anything was compiled it has one task, which does so at once."""
    nodes = compiled_nodes(use_case)
    return _retrain(use_case, nodes) if nodes else _not_compiled(use_case.contract)


def _retrain(use_case: UseCase, nodes: tuple[Node, ...]) -> DAG:
    contract, settings, case = use_case.contract, use_case.settings, use_case.name
    drift = asset(case, "drift")
    options = dag_options(contract, "retrain", TEXT.format(case=case, hours=settings.decision_hours))
    options["default_args"] = {**options["default_args"], "weight_rule": "upstream", "patience": WHILE_IT_IMPORTS}
    with DAG(
        schedule=(drift | asset(case, "ground_truth")),
        params=form(contract),
        max_active_tasks=1 if settings.operational_db.startswith("sqlite") else 2,
        user_defined_macros={"event_numbers": event_numbers, **MACROS},
        **options,
    ) as dag:
        command = _Commands(case)
        why = command(
            "why", "begin", *form_options(contract), f"--by={DECIDED_BY}",
            "{{ '--woken-by=' ~ event_numbers(triggering_asset_events) if event_numbers(triggering_asset_events) }}",
            post_execute=skip_without_reason, patience=1.0, **WAIT_FOR_ANOTHER,
        )  # fmt: skip
        plan = PlanOperator(task_id="plan", arguments=["decisions", "plan", DECISION], use_case=case)
        candidates = _candidates(case, candidate_nodes(nodes), plan)
        compare = command("compare", "compare", DECISION, trigger_rule=TriggerRule.NONE_FAILED)
        what_now = next_task("what_now", compare)
        question = ask(contract, settings.decision_hours)
        approve = lakeloop_task(
            "answer",
            "decide",
            DECISION,
            *approval_options(settings.decision_hours),
            "--no-push",
            use_case=case,
        )
        after_approval = next_task("after_answer", approve)
        first, last = _push(case, pushing_nodes(nodes), asset(case, "model"))
        record = command("record", "record", DECISION, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
        wake = lakeloop_task(
            "wake_next", "decisions", "open", use_case=case, outlets=[drift],
            post_execute=wake_next(drift),
        )  # fmt: skip
        finish = command("finish", "finish", DECISION).as_teardown()

        why >> plan >> candidates >> compare >> what_now
        what_now >> question >> approve >> after_approval
        [what_now, after_approval] >> first
        [what_now, after_approval, last] >> record >> wake >> finish
    return dag


class _Commands:
    """Makes tasks that run `lakeloop decisions …` for one use case."""

    def __init__(self, use_case: str) -> None:
        self._use_case = use_case

    def __call__(self, task_id: str, step: str, *arguments: Any, **options: Any) -> LakeloopOperator:
        return lakeloop_task(task_id, "decisions", step, *arguments, use_case=self._use_case, **options)


def _candidates(use_case: str, nodes: tuple[Node, ...], plan: PlanOperator) -> Any:
    """The candidates, each the pipeline's nodes up to the gate and its score; a failed one is scored as failed."""

    @task_group(group_id="candidate")
    def candidate(run: str, name: str) -> None:
        shown: dict[str, Any] = {
            "environment": {"LAKELOOP_CANDIDATE": name},
            "map_index_template": "{{ task.environment['LAKELOOP_CANDIDATE'] }}",
            "max_active_tis_per_dagrun": 1,
        }
        tasks = _node_tasks(use_case, nodes, run, **shown)
        score = lakeloop_task(
            "score", "decisions", "score", DECISION, run, use_case=use_case, trigger_rule=TriggerRule.ALL_DONE, **shown
        )
        leaves = set(tasks) - {before for node in nodes for before in node.upstream}
        [tasks[node] for node in sorted(leaves)] >> score

    return candidate.expand_kwargs(plan.output)


def _push(use_case: str, nodes: tuple[Node, ...], model: Asset) -> tuple[LakeloopOperator, LakeloopOperator]:
    """What the winner goes through; the last one tells the asset `model` the version."""
    with TaskGroup("push"):
        tasks = _node_tasks(use_case, nodes[:1], WINNER, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
        tasks |= _node_tasks(use_case, nodes[1:], WINNER, outlets=[model], post_execute=tell_version(model))
        first, last = tasks[nodes[0].id], tasks[nodes[-1].id]
        first >> last
    return first, last


def _node_tasks(use_case: str, nodes: tuple[Node, ...], run: str, **options: Any) -> dict[str, LakeloopOperator]:
    tasks: dict[str, LakeloopOperator] = {}
    for node in nodes:
        tasks[node.id] = lakeloop_task(node.id, "pipeline", "node", run, node.id, use_case=use_case, **options)
        [tasks[before] for before in node.upstream if before in tasks] >> tasks[node.id]
    return tasks


def _not_compiled(contract: Contract) -> DAG:
    with DAG(schedule="@once", **dag_options(contract, "retrain", NOT_COMPILED)) as dag:
        lakeloop_task(
            "compile_the_pipeline",
            "pipeline",
            "compile",
            use_case=contract.use_case,
            doc_md="Writes the pipeline's graph. When Airflow reads its DAGs again, the nodes are the tasks here.",
        )
    return dag
