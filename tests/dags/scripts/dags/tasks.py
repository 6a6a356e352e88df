"""One DAG with one task for each case the environment names; a script stands where `lakeloop` would."""

import json
import os
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param

from dags import commands


class ScriptOperator(commands.LakeloopOperator):
    """A `lakeloop` task whose command is another program; `module` is what the warm server runs instead."""

    def __init__(self, *, program: str, module: str, **options: Any) -> None:
        super().__init__(**options)
        self.program, self.module = program, module

    def execute(self, context: Any) -> dict[str, Any]:
        commands.COMMAND, commands.MODULE = Path(self.program), self.module
        return super().execute(context)


def make(name: str, case: dict[str, Any]) -> DAG:
    program = Path(os.environ["TASKS_FOLDER"]) / f"{name}.sh"
    program.write_text(f"#!/bin/bash\n{case.pop('program')}\n")
    module = case.pop("module", commands.MODULE)
    program.chmod(0o755)
    with DAG(name, schedule=None, params={"label": Param("", type="string")}, auto_register=False) as dag:
        ScriptOperator(task_id="only", program=str(program), module=module, **case)
    return dag


for _name, _case in json.loads(os.environ["TASKS"]).items():
    globals()[_name] = make(_name, _case)
