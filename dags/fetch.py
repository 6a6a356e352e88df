"""The files of a source that comes from elsewhere, each time they are due.

By the wall clock periods become due by themselves, and are looked for in time. By a simulated clock they do when
somebody moves it, and that one has them fetched: a platform that starts would else fetch and ingest the first period
of each such use case, whoever wanted to work with another one.
"""

from collections.abc import Iterator

from airflow.sdk import DAG

from dags.commands import lakeloop_task
from dags.options import dag_options
from lakeloop.contract.elsewhere import duration
from lakeloop.use_case import UseCase

TEXT = """
{when}: fetches what is due of source `{source}` and not there yet, period by period, by the function `fetch` in
`{command}` beside the contract. A period's files land whole or not at all in `{folder}`, which wakes `{case}_ingest`.
What was fetched is not fetched again; `lakeloop data fetch --again` would. A period that had nothing is asked again the
next time, then ever more rarely.
"""
BY_HAND = "By hand, since the clock is moved by hand (`lakeloop clock set`)"
TABLE = """
{when}: looks for new versions of the Delta table {command}, which source `{source}` is. Rows that are new land
as one Parquet file in `{folder}`, which wakes `{case}_ingest`; each comes once.
"""
TOPIC = """
{when}: looks for new records in the topic `{command}`, which source `{source}` is. They land as files of JSON
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
            every = spec.every if use_case.contract.clock == "wall" else None
            yield _dag(use_case, name, every, TEXT, spec.command, FETCH.format(timeout=spec.timeout))
        elif source.delta is not None:
            yield _dag(use_case, name, source.delta.every, TABLE, source.delta.path, READ)
        elif source.topic is not None:
            yield _dag(use_case, name, source.topic.every, TOPIC, source.topic.name, RECORDS)


def _dag(use_case: UseCase, source: str, every: str | None, text: str, command: str, doc: str) -> DAG:
    case, folder = use_case.name, use_case.folder("landing") / source
    when, schedule = (BY_HAND, None) if every is None else (f"Every {every}", duration(every))
    page = text.format(when=when, source=source, command=command, folder=folder, case=case)
    with DAG(schedule=schedule, **dag_options(use_case.contract, f"fetch_{source}", page)) as dag:
        lakeloop_task("fetch", "data", "fetch", "--source", source, use_case=case, doc_md=doc)
    return dag
