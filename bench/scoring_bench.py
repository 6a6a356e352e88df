"""Batch scoring: rows a second of a pushed model over a table, by turns with the same model asked in this process.

Each scoring is of a copy of the model under a number of its own, since nothing is scored twice.
"""

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from deltalake import DeltaTable

from bench.figure import Figure
from bench.tfx_bench import COMMAND, LARGE_ROWS, exported
from lakehouse.lake import Lake, lake_with
from lakehouse.storage.session import spark_session
from lakeloop.fallback import load_rules
from lakeloop.model_folders import models_folder
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.batch_scoring.progress import score_wanted
from operations.batch_scoring.score import score
from operations.scoring import given_of, scorer_of

ROUNDS = 3


def measure(home: Path, model: Path) -> list[Figure]:
    """Rows a second of whole scorings of 200,000 rows by the model in a folder, and of that model alone."""
    use_case = open_use_case(load_settings(home=home / "large"))
    if not Path(use_case.table(use_case.contract.scored_table)).is_dir():
        exported(home / "large", "--rows", str(LARGE_ROWS), "--seed", "1")
    folders = _copies(use_case, model)
    command = _seconds(partial(_score_by_command, use_case, folders[-1].name))
    scored, alone, answered = _by_turns(use_case, folders[:-1])
    return [
        _rate(f"{LARGE_ROWS:,} rows scored by `lakeloop score`, Spark's start included", command),
        _rate("… in a Spark that is warm, median", scored),
        _rate("the same model asked directly in one process, the rows in one array, median", alone),
        _rate("… with ranges and rules, row by row, as the gateway answers, median", answered),
        Figure("a warm scoring over the model asked directly, by the clock", scored / alone, "times", None),
        Figure("… over the same answers in one process", scored / answered, "times", None),
        Figure("load of the machine, average of a minute", os.getloadavg()[0], "", None),
    ]


def _by_turns(use_case: UseCase, folders: list[Path]) -> tuple[float, float, float]:
    """Median seconds of a warm scoring, of the model asked directly, and of the gateway's answers in this process."""
    contract, rules = use_case.contract, load_rules(use_case)
    rows = DeltaTable(use_case.table(contract.scored_table)).to_pandas(columns=list(contract.features))
    scorer = scorer_of(use_case, folders[0], ())
    taken: list[tuple[float, float, float]] = []
    spark = spark_session(use_case.settings)
    try:
        lake = lake_with(use_case, spark)
        for folder in folders:
            scored = _seconds(partial(_score_whole, lake, folder.name))
            alone = _seconds(partial(given_of, contract, folders[0], rows))
            answered = _seconds(partial(scorer.answer, rows, rules))
            taken.append((scored, alone, answered))
    finally:
        spark.stop()
    scored, alone, answered = (statistics.median(times) for times in zip(*taken[1:], strict=True))
    return scored, alone, answered


def _score_whole(lake: Lake, version: str) -> None:
    report = score(lake, score_wanted(lake, model=version))
    if report.added != LARGE_ROWS:
        raise RuntimeError(f"{report.added:,} rows were scored")


def _score_by_command(use_case: UseCase, version: str) -> None:
    own = {"LAKELOOP_HOME": str(use_case.settings.home), "LAKELOOP_SPARK_KEEP_SECONDS": "0"}
    command = [*COMMAND, "score", "--model", version]
    subprocess.run(command, check=True, env={**os.environ, **own}, stdout=subprocess.DEVNULL)


def _copies(use_case: UseCase, model: Path) -> list[Path]:
    """The model under a number for each round, for one that warms Spark, and for the command."""
    first = int(time.time())
    folders = [models_folder(use_case.settings, use_case.name) / str(first + number) for number in range(ROUNDS + 2)]
    return [Path(shutil.copytree(model, folder)) for folder in folders]


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _rate(name: str, seconds: float) -> Figure:
    return Figure(name, LARGE_ROWS / seconds, "rows/s", None)
