"""The one file Airflow reads: the DAGs of every served use case, and housekeeping.

A contract that cannot be used takes nobody else's DAGs away; a DAG named after its folder says what is wrong with it.
"""

from collections.abc import Callable, Iterator

from airflow.sdk import DAG

from dags.broken import make_broken
from dags.deploy import make_deploy
from dags.fetch import make_fetches
from dags.ingest import make_ingest
from dags.maintenance import make_maintenance
from dags.monitor import make_monitor
from dags.release import make_release
from dags.retrain import make_retrain
from dags.score import make_score
from dags.simulate import make_simulate
from dags.stream import make_stream
from lakeloop.served_use_cases import served_names
from lakeloop.settings import Settings, load_settings
from lakeloop.use_case import UseCase, contract_path, open_use_case

MAKERS: tuple[Callable[[UseCase], DAG], ...] = (
    make_ingest,
    make_stream,
    make_monitor,
    make_retrain,
    make_deploy,
    make_release,
    make_simulate,
)


def make_all(settings: Settings) -> Iterator[DAG]:
    """Every DAG of the platform."""
    readable = []
    for name in served_names(settings):
        made, problem = _make(name, settings)
        yield from made
        if problem:
            yield make_broken(contract_path(settings, name), problem)
        else:
            readable.append(name)
    yield make_maintenance(readable)


def _make(name: str, settings: Settings) -> tuple[list[DAG], str]:
    """A use case's DAGs, all of them or none and why."""
    try:
        use_case = open_use_case(settings, name)
        return [*(make(use_case) for make in MAKERS), *make_fetches(use_case), *make_score(use_case)], ""
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one contract, the others' DAGs must be there
        return [], f"{type(error).__name__}: {error}"


for _dag in make_all(load_settings()):
    globals()[_dag.dag_id] = _dag
