"""Measures the lakehouse against the same job in plain Spark and Parquet, and a new month in a small and a large gold.

Each job runs in a process of its own, so memory is that job's alone.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from bench.figure import Figure
from bench.ingest_bench import family_cpu
from lakehouse.gold.period_summary import period_summary
from lakehouse.gold.training import training_rows
from lakehouse.ingest import ingest
from lakehouse.lake import Lake, lake_with
from lakehouse.storage.schema import SPARK_TYPES, allowed_sql, has_limits
from lakehouse.storage.session import spark_session
from lakeloop.clock import set_clock
from lakeloop.contract import Column
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.delivery import generate

MONTHS = 36
ROWS_A_MONTH = 138_890
SMALL_ROWS_A_MONTH = 1_389
MOST_TIMES_PLAIN = 1.6


@dataclass(frozen=True)
class Measurement:
    """Seconds of a job without session start, by the clock and of CPU, and the highest memory in GiB.

    CPU and memory are those of Python and its JVM together.
    """

    seconds: float
    cpu: float
    memory: float


def open_home(home: Path, name: str = "") -> UseCase:
    """The use case in a bench home, everything delivered at once; a named one has its folder there."""
    own = {"use_cases": home / "use_cases", "use_case": name} if name else {}
    use_case = open_use_case(load_settings(home=home, **own))
    set_clock(use_case, MONTHS + 100)
    return use_case


def lakehouse_job(lake: Lake) -> None:
    """Landing -> bronze -> silver -> gold with everything the lakehouse does."""
    ingest(lake)


def parquet_job(lake: Lake) -> None:
    """The same three layers by hand: read, cast, filter valid rows, join, derive the label, average; no checks."""
    contract = lake.contract
    spark = lake.spark
    base = lake.settings.home / "parquet"
    silver: dict[str, DataFrame] = {}
    for source, spec in contract.sources.items():
        schema = ", ".join(f"`{name}` string" for name in spec.columns)
        files = str(lake.folder("landing") / source)
        raw = spark.read.csv(files, sep=spec.separator, header=True, schema=schema)
        raw.write.mode("overwrite").parquet(f"{base}/bronze/{source}")
        columns = contract.columns_of(source)
        typed = spark.read.parquet(f"{base}/bronze/{source}").select(
            *(sf.col(name).try_cast(SPARK_TYPES[column.type]).alias(name) for name, column in columns.items())
        )
        valid = " AND ".join(_is_valid(name, column) for name, column in columns.items() if has_limits(column))
        typed.where(valid).write.mode("overwrite").parquet(f"{base}/silver/{source}")
        silver[source] = spark.read.parquet(f"{base}/silver/{source}")
    features, truth = silver[contract.feature_source], silver.get(contract.label.source)
    rows = training_rows(features, None if contract.label.source == contract.feature_source else truth, contract)
    rows.write.mode("overwrite").parquet(f"{base}/gold/training")
    training = spark.read.parquet(f"{base}/gold/training")
    period_summary(features, training, contract).write.mode("overwrite").parquet(f"{base}/gold/monthly")


def _is_valid(name: str, column: Column) -> str:
    allowed = allowed_sql(name, column)
    return f"(`{name}` IS NULL OR {allowed})" if column.optional else allowed


JOBS: dict[str, Callable[[Lake], None]] = {
    "lakehouse": lakehouse_job,
    "parquet": parquet_job,
}


def run_job(name: str, home: Path, use_case_name: str = "") -> Measurement:
    """One job in this process, after the session has started."""
    use_case = open_home(home, use_case_name)
    spark = spark_session(use_case.settings)
    spark.range(10).count()
    lake = lake_with(use_case, spark)
    with peak_memory() as memory:
        started, cpu = time.perf_counter(), family_cpu()
        JOBS[name](lake)
        seconds, cpu = time.perf_counter() - started, family_cpu() - cpu
    spark.stop()
    return Measurement(seconds, cpu, memory[0] / 2**30)


@contextmanager
def peak_memory(every: float = 0.2) -> Iterator[list[int]]:
    """Highest sum of the resident memory of this process and its children, in bytes, sampled.

    A process counts from the second look on: one just forked still shares its parent's memory.
    """
    peak, done = [0], threading.Event()

    def watch() -> None:
        before: set[int] = set()
        while not done.wait(every):
            now = set(_family(os.getpid()))
            peak[0] = max(peak[0], sum(_resident(pid) for pid in now & before))
            before = now

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _family(pid: int) -> list[int]:
    found = [pid]
    try:
        children = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it has ended
        return found
    return found + [member for text in children for child in text.split() for member in _family(int(child))]


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def in_process(name: str, home: Path, use_case_name: str = "") -> Measurement:
    """One job in a new process."""
    command = [sys.executable, "-m", "bench.lakehouse_bench", name, str(home), use_case_name]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Measurement(**json.loads(answer.stdout.strip().splitlines()[-1]))


def deliver(home: Path, rows_a_month: int, months: range = range(MONTHS)) -> None:
    """Generate months into the landing folder in the fast mode."""
    generate(open_home(home), months, rows=rows_a_month, seed=1)


def compare(home: Path, use_case_name: str, rows: str, bound: float) -> list[Figure]:
    """What has landed in a home, bronze to gold: plain Spark and Parquet, then the lakehouse."""
    plain = in_process("parquet", home, use_case_name)
    shutil.rmtree(home / "parquet")
    lake = in_process("lakehouse", home, use_case_name)
    return [
        Figure(f"bronze to gold, {rows}, plain Spark and Parquet", plain.seconds, "s", None),
        Figure("… CPU", plain.cpu, "s", None),
        Figure(f"bronze to gold, {rows}, lakehouse", lake.seconds, "s", None),
        Figure("… CPU", lake.cpu, "s", None),
        Figure("lakehouse : plain Spark and Parquet", lake.seconds / plain.seconds, "x", bound),
        Figure("… CPU", lake.cpu / plain.cpu, "x", bound),
        Figure("lakehouse: peak memory, Python and JVM", lake.memory, "GiB", 4.0),
    ]


def measure(home: Path) -> list[Figure]:
    """The whole job against plain Spark and Parquet, and one new month in a small and in a large gold."""
    large, small = home / "lake-large", home / "lake-small"
    deliver(large, ROWS_A_MONTH)
    deliver(small, SMALL_ROWS_A_MONTH)
    rows = f"{MONTHS * ROWS_A_MONTH:,} rows"
    small_rows = f"{MONTHS * SMALL_ROWS_A_MONTH:,} rows"
    figures = compare(large, "", rows, MOST_TIMES_PLAIN)
    in_process("lakehouse", small)
    months = {}
    for name, folder in (("small", small), ("large", large)):
        deliver(folder, 1_500, range(MONTHS, MONTHS + 1))
        months[name] = in_process("lakehouse", folder)
    return [
        *figures,
        Figure(f"a new month of 1,500 rows, gold holds {small_rows}", months["small"].seconds, "s", None),
        Figure(f"a new month of 1,500 rows, gold holds {rows}", months["large"].seconds, "s", None),
        Figure("large gold : small gold", months["large"].seconds / months["small"].seconds, "x", 1.5),
    ]


if __name__ == "__main__":
    print(json.dumps(run_job(sys.argv[1], Path(sys.argv[2]), sys.argv[3]).__dict__))
