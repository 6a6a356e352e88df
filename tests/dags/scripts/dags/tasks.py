"""One DAG with one task for each case the environment names; a script stands where `lakeloop` would."""

import json
import os
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param

from dags import commands


class ScriptOperator(commands.LakeloopOperator):
    """A `lakeloop` task whose command is another program."""

    def __init__(self, *, program: str, **options: Any) -> None:
        super().__init__(**options)
        self.program = program

    def execute(self, context: Any) -> dict[str, Any]:
        commands.COMMAND = Path(self.program)
        return super().execute(context)


def make(name: str, case: dict[str, Any]) -> DAG:
    program = Path(os.environ["TASKS_FOLDER"]) / f"{name}.sh"
    program.write_text(f"#!/bin/bash\n{case.pop('program')}\n")
    program.chmod(0o755)
    with DAG(name, schedule=None, params={"label": Param("", type="string")}, auto_register=False) as dag:
        ScriptOperator(task_id="only", program=str(program), **case)
    return dag


for _name, _case in json.loads(os.environ["TASKS"]).items():
    globals()[_name] = make(_name, _case)
