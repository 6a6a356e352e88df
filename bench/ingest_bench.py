"""Measures one delivery, landing to gold, in a warm Spark: jobs, CPU and wall seconds, beside a straight program.

Deliveries go through the lakehouse at once (`ingest`), through another home step by step, and through the straight
program, in turn and in one session, so that all three meet a Java process of the same warmth. Spark's own status
store tells the jobs. `python -m bench.ingest_bench FOLDER` names every job of the last delivery.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from bench.figure import Figure
from bench.straight_lake import create_tables, take_delivery
from lakehouse.ingest import bronze_step, gold_step, ingest, silver_step
from lakehouse.lake import Lake, lake_with
from lakehouse.storage.layout import TRAINING_TABLE
from lakehouse.storage.session import spark_session
from lakeloop.clock import set_clock
from lakeloop.contract import Contract
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.delivery import generate

ROWS = 1_500
YOUNG, MEASURED = 4, 5
"""Deliveries that warm Java, and those that count."""
MOST_JOBS, MOST_CPU = 60, 1.1
STEPS = {"bronze": bronze_step, "silver": silver_step, "gold": gold_step}


@dataclass(frozen=True)
class Step:
    """What one step of one delivery took; `jobs`: what each Spark job was for."""

    name: str
    cpu: float
    wall: float
    jobs: tuple[str, ...]


class Stopwatch:
    """Measures steps in one Spark session; `steps`: those measured so far."""

    def __init__(self, spark: SparkSession) -> None:
        self.steps: list[Step] = []
        self._context = spark.sparkContext._jsc.sc()  # type: ignore[attr-defined]
        self._seen: set[int] = set()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure what is done within: CPU of this process and of its Java together."""
        self._new_jobs()
        cpu, wall = family_cpu(), time.perf_counter()
        yield
        cpu, wall = family_cpu() - cpu, time.perf_counter() - wall
        self.steps.append(Step(name, cpu, wall, self._new_jobs()))

    def _new_jobs(self) -> tuple[str, ...]:
        """Jobs since the last look, from the store that Spark's own pages are drawn from."""
        self._context.listenerBus().waitUntilEmpty()
        listed = self._context.statusStore().jobsList(None)
        jobs = sorted((listed.apply(i) for i in range(listed.size())), key=lambda job: job.jobId())
        new = [job for job in jobs if job.jobId() not in self._seen]
        self._seen.update(job.jobId() for job in new)
        return tuple(
            " ".join((job.description().get() if job.description().isDefined() else job.name()).split()) for job in new
        )


def family_cpu() -> float:
    """CPU seconds, of user and system, that this process and its living children have used."""
    me = psutil.Process()
    return sum(times.user + times.system for times in (p.cpu_times() for p in [me, *me.children(recursive=True)]))


def deliver(home: Path) -> list[Step]:
    """Every delivery of the bench, in this process; its steps."""
    whole, by_step, straight = home / "ingest", home / "ingest-steps", home / "straight"
    spark = spark_session(load_settings(home=whole))
    watch = Stopwatch(spark)
    try:
        lake = lake_with(open_use_case(load_settings(home=whole)), spark)
        create_tables(lake, straight)
        for month in range(YOUNG + MEASURED):
            _ingest(lake_with(_delivered(whole, month), spark), watch)
            _step_by_step(lake_with(_delivered(by_step, month), spark), watch)
            with watch.step("straight"):
                take_delivery(lake, straight, _files(lake, month), month)
    finally:
        spark.stop()
    _same_rows(lake.contract, whole, by_step, straight)
    return watch.steps


def _delivered(home: Path, month: int) -> UseCase:
    use_case = open_use_case(load_settings(home=home))
    set_clock(use_case, month + 100)
    generate(use_case, [month], rows=ROWS, seed=1)
    return use_case


def _files(use_case: UseCase, month: int) -> dict[str, list[Path]]:
    contract = use_case.contract
    name = contract.period_name(month)
    landing = use_case.folder("landing")
    return {source: [landing / source / spec.file_name(name)] for source, spec in contract.sources.items()}


def _ingest(lake: Lake, watch: Stopwatch) -> None:
    with watch.step("ingest"):
        ingest(lake)
    with watch.step("nothing new"):
        ingest(lake)


def _step_by_step(lake: Lake, watch: Stopwatch) -> None:
    for name, run in STEPS.items():
        with watch.step(name):
            run(lake)


def _same_rows(contract: Contract, whole: Path, by_step: Path, straight: Path) -> None:
    """Three ways that do not end in the same rows have not done the same work."""
    gold = [open_use_case(load_settings(home=home)).table(TRAINING_TABLE) for home in (whole, by_step)]
    tables = [DeltaTable(path).to_pyarrow_table() for path in (*gold, f"{straight}/gold/training")]
    columns, rows = sorted(tables[0].column_names), ROWS * (YOUNG + MEASURED)
    first, *others = (table.select(columns).sort_by(contract.key.column) for table in tables)
    if first.num_rows != rows or any(other.to_pylist() != first.to_pylist() for other in others):
        raise RuntimeError(f"the three ways of delivering {rows:,} rows did not end in the same gold table")


def measure(home: Path) -> list[Figure]:
    """Jobs, CPU and wall seconds of a warm delivery: median over the measured ones."""
    steps = deliver(home)
    figures, cpu, wall = [], {}, {}
    for name in ("straight", "ingest", *STEPS, "nothing new"):
        measured = [step for step in steps if step.name == name][YOUNG:]
        cpu[name] = statistics.median(step.cpu for step in measured)
        wall[name] = statistics.median(step.wall for step in measured)
        count = statistics.median(len(step.jobs) for step in measured)
        figures += [
            Figure(f"{TITLES[name]}: Spark jobs", count, "jobs", MOST_JOBS if name == "ingest" else None),
            Figure("… CPU", cpu[name], "s", None),
            Figure("… wall", wall[name], "s", None),
        ]
    return [
        *figures,
        Figure("ingest : straight program, CPU", cpu["ingest"] / cpu["straight"], "x", MOST_CPU),
        Figure("ingest : straight program, wall", wall["ingest"] / wall["straight"], "x", None),
    ]


TITLES = {
    "straight": f"{ROWS:,} + {ROWS:,} rows, landing to gold, straight Spark and Delta, warm",
    "ingest": "the same by `ingest`",
    "bronze": "… step by step: bronze",
    "silver": "… silver",
    "gold": "… gold",
    "nothing new": "`ingest` again, nothing new",
}


def list_jobs(home: Path) -> None:
    """Every job of the last delivery, under its step."""
    last = {step.name: step for step in deliver(home)}
    for step in last.values():
        print(f"{step.name}: {len(step.jobs)} jobs, {step.cpu:.2f} s CPU, {step.wall:.2f} s")
        for job in step.jobs:
            print(f"    {job[:140]}")


if __name__ == "__main__":
    list_jobs(Path(sys.argv[1]))
