"""What stands in place of a use case's DAGs when its contract cannot be used."""

import re
from pathlib import Path

from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowFailException

TEXT = """
### The contract of `{name}` cannot be used, so its DAGs are not there
```
{problem}
```
Mend `{path}`; `lakeloop contract check -u {name}` says whether it is right. Its DAGs come back by themselves.
"""


class ContractProblem(BaseOperator):
    """Fails with what is wrong."""

    def __init__(self, *, problem: str, **operator_options: object) -> None:
        super().__init__(**operator_options)
        self.problem = problem

    def execute(self, context: object) -> None:
        """Say it in the log."""
        raise AirflowFailException(self.problem)


def make_broken(path: Path, problem: str) -> DAG:
    """The DAG `<folder>_contract_is_broken`; its page says what to mend."""
    name = re.sub(r"[^\w.-]", "_", path.parent.name)
    with DAG(
        f"{name}_contract_is_broken", schedule=None, catchup=False, is_paused_upon_creation=False, auto_register=False,
        tags=["lakeloop", "broken"], doc_md=TEXT.format(name=path.parent.name, problem=problem, path=path),
    ) as dag:  # fmt: skip
        ContractProblem(task_id="what_is_wrong", problem=problem)
    return dag
