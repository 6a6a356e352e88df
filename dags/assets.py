"""Declares what the platform tells Airflow: four assets a use case, in a DAG without tasks.

DAGs are scheduled by these assets; their events come from outside, through Airflow's REST API.
"""

from airflow.sdk import DAG, Asset

from lakeloop.contract_file import load_contract
from lakeloop.errors import ContractError
from lakeloop.settings import load_settings

ASSETS = ("gold", "model", "drift", "ground_truth")


def use_case_assets(use_case: str) -> list[Asset]:
    """A use case's assets, named `<use case>/<what>`."""
    return [Asset(name=f"{use_case}/{what}", uri=f"lakeloop://{use_case}/{what}") for what in ASSETS]


def declared_assets() -> list[Asset]:
    """The assets of every use case whose contract can be read; a broken one must not take the others' away."""
    names = []
    for path in sorted(load_settings().use_cases.glob("*/contract.yaml")):
        try:
            names.append(load_contract(path).use_case)
        except ContractError:
            continue
    return [asset for name in names for asset in use_case_assets(name)]


with DAG(
    dag_id="lakeloop_assets",
    description="Declares the platform's assets; it has no tasks and never runs.",
    schedule=declared_assets(),
    is_paused_upon_creation=True,
    catchup=False,
    tags=["lakeloop"],
):
    pass
