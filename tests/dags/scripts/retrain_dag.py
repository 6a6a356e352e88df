"""retrain_dag.py ANSWER: what the DAG of a retrain is, and what its form takes and refuses; as JSON."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import ParamValidationError

from dags import retrain_question as q
from dags.retrain import make_retrain
from dags.retrain_hooks import event_numbers
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case

FORMS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "periods and units": {"periods": "0-12", "units": 50, "strategy": "all"},
    "trees": {"kind": "trees", "leaves": 15, "strategy": "kinds"},
    "no kind": {"kind": "forest"},
    "too few leaves": {"leaves": 1},
    "no strategy": {"strategy": "hope"},
    "no periods": {"periods": "March"},
    "too few units": {"units": 0},
    "a text": {"epochs": "many"},
    "too many trials": {"trials": 1000},
}


def refusal(dag: DAG, form: dict[str, Any]) -> str:
    params = ParamsDict({name: Param(**_as_param(param)) for name, param in _params(dag).items()})
    try:
        params.update(form)
        params.validate()
    except ParamValidationError as error:
        return str(error)
    return ""


def _params(dag: DAG) -> dict[str, Any]:
    return {name: dag.params.get_param(name) for name in dag.params}


def _as_param(param: Any) -> dict[str, Any]:
    return {"default": param.value, "description": param.description, **param.schema}


def told_of(ask: Any, answer: dict[str, Any]) -> str:
    """What a person's answer to the form is refused for."""
    try:
        ask.validate_params_input(answer)
    except (ValueError, ParamValidationError) as error:
        return str(error)
    return ""


class Event:
    def __init__(self, extra: dict[str, Any]) -> None:
        self.extra = extra


def main() -> None:
    settings = load_settings(use_case="insurance")
    contract = open_use_case(settings).contract
    began = time.monotonic()
    dag = make_retrain(UseCase(settings, contract))
    ask = dag.task_dict.get("ask")
    bounds = {"require class_share_tolerance": 0.3, "require accuracy.above": None}
    answered = {
        "chosen_options": ["change the requirement"],
        "params_input": {"why": " fair ", "candidate": "", **bounds},
        "responded_at": "2026-01-01T00:00:00+00:00",
        "responded_by_user": {"id": "1", "name": "demo"},
    }  # fmt: skip
    found = {
        "seconds": time.monotonic() - began,
        "upstream": {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks},
        "rules": {task.task_id: task.trigger_rule.value for task in dag.tasks},
        "max_active_runs": dag.max_active_runs,
        "max_active_tasks": dag.max_active_tasks,
        "schedule": str(getattr(dag.timetable, "asset_condition", "")),
        "forms": {name: refusal(dag, form) for name, form in FORMS.items()},
        "empty": [name for name, param in _params(dag).items() if param.value == ""],
        "modules": sorted(set(sys.modules) & {"tensorflow", "tfx", "pyspark", "pandas"}),
        "numbers": [
            event_numbers({}),
            event_numbers({"a": [Event({"event_id": 3})], "b": [Event({"open": [4, 5]})]}),
            event_numbers({"a": [Event({"event_id": 3}), Event({})]}),
        ],
        "ask": None
        if ask is None
        else {
            "options": ask.options,
            "defaults": ask.defaults,
            "hours": ask.response_timeout.total_seconds() / 3600,
            "params": list(ask.params),
            "empty": [name for name in ask.params if ask.params[name] == ""],
            "a field alone": told_of(ask, {"why": "the best there is"}),
            "another field": told_of(ask, {"whim": "yes"}),
        },
        "answer": {
            "choice": q.chosen(answered),
            "by": q.answered_by(answered, 24),
            "nobody": q.answered_by({**answered, "responded_by_user": None}, 24),
            "why": q.answered(answered, "why"),
            "gate": q.requirements(answered),
        },
    }
    Path(sys.argv[1]).write_text(json.dumps(found))


main()
