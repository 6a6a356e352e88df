"""The files of a source that comes from elsewhere, each time they are due."""

from collections.abc import Iterator

from airflow.sdk import DAG

from dags.commands import lakeloop_task
from dags.options import dag_options
from lakeloop.contract.elsewhere import duration
from lakeloop.use_case import UseCase

TEXT = """
Every {every}: fetches what is due of source `{source}` and not there yet, period by period, by the function `fetch` in
`{command}` beside the contract. A period's files land whole or not at all in `{folder}`, which wakes `{case}_ingest`.
What was fetched is not fetched again; `lakeloop data fetch --again` would. A period that had nothing is asked again the
next time, then ever more rarely.
"""
TABLE = """
Every {every}: looks for new versions of the Delta table {command}, which source `{source}` is. Rows that are new land
as one Parquet file in `{folder}`, which wakes `{case}_ingest`; each comes once.
"""
TOPIC = """
Every {every}: looks for new records in the topic `{command}`, which source `{source}` is. They land as files of JSON
lines in `{folder}`, which wakes `{case}_ingest`; each comes once.
"""
FETCH = """Runs `fetch` in a process of its own, a period at a time, each at most {timeout}. Red: the end of the log
says what went wrong, in which file and line. Nothing half-written is in the landing folder; the next run asks again."""
READ = """Reads the table's log, and the rows that are new, without Spark. Red: the table is not there, cannot be read
or lacks a column of the contract; the end of the log says what to do."""
RECORDS = """Asks the broker, without Spark. Red: it is away, or there is no such topic; the end of the log says what to
do, and the next run goes on where this one was."""


def make_fetches(use_case: UseCase) -> Iterator[DAG]:
    """The DAG `<use case>_fetch_<source>` of each source that comes from elsewhere."""
    for name, source in use_case.contract.sources.items():
        if source.fetch is not None:
            spec = source.fetch
            yield _dag(use_case, name, spec.every, TEXT, spec.command, FETCH.format(timeout=spec.timeout))
        elif source.delta is not None:
            yield _dag(use_case, name, source.delta.every, TABLE, source.delta.path, READ)
        elif source.topic is not None:
            yield _dag(use_case, name, source.topic.every, TOPIC, source.topic.name, RECORDS)


def _dag(use_case: UseCase, source: str, every: str, text: str, command: str, doc: str) -> DAG:
    case, folder = use_case.name, use_case.folder("landing") / source
    page = text.format(every=every, source=source, command=command, folder=folder, case=case)
    with DAG(schedule=duration(every), **dag_options(use_case.contract, f"fetch_{source}", page)) as dag:
        lakeloop_task("fetch", "data", "fetch", "--source", source, use_case=case, doc_md=doc)
    return dag
