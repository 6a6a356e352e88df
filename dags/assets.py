"""The assets that tie the DAGs together: what one emits, another waits for.

`<use case>/landing`: files are complete in the landing folder. `gold`: gold is up to date with what landed.
`ground_truth`, `drift`: reasons to retrain, each an event of the ledger. `model`: a version was pushed. `champion`:
another version serves, whoever decided that; the monitor tells. `scores`: a table was scored.
"""

from airflow.sdk import Asset, AssetWatcher

from dags.landing import LandingTrigger
from lakeloop.use_case import UseCase


def asset(use_case: str, what: str) -> Asset:
    """One of a use case's assets, named `<use case>/<what>`."""
    return Asset(name=f"{use_case}/{what}", uri=f"lakeloop://{use_case}/{what}", group="lakeloop")


def landing_asset(use_case: UseCase) -> Asset:
    """The landing folder, watched by Airflow's triggerer."""
    folder = use_case.folder("landing")
    patterns = {name: source.file_pattern.pattern for name, source in use_case.contract.sources.items()}
    watcher = AssetWatcher(name="files_landed", trigger=LandingTrigger(str(folder), patterns))
    name = f"{use_case.name}/landing"
    return Asset(name=name, uri=f"lakeloop://{name}", group="lakeloop", watchers=[watcher])
