"""Measures the request log on its way into silver: three years at once, and the hundredth batch beside the tenth."""

import statistics
import time
from pathlib import Path

from pyspark.sql import SparkSession

from bench.figure import Figure
from lakehouse.read.tables import read_table
from lakehouse.requests.stream import open_stream
from lakehouse.storage.session import spark_session
from lakeloop.contract import Contract
from lakeloop.contract_file import load_contract
from lakeloop.settings import Settings, load_settings
from operations.simulation import simulate, without_gateway

YEARS = range(1, 37)
REQUESTS = 54_000
BATCHES = 104
# One batch alone says little on a busy machine: each of the two is the median of itself and its neighbours.
NEIGHBOURS = 4


def open_home(home: Path) -> tuple[Settings, Contract]:
    """Settings and contract of a bench home."""
    settings = load_settings(home=home)
    return settings, load_contract(settings.contract_path)


def ask(home: Path, months: range, label: str) -> None:
    """Write the request log of some months, without a gateway."""
    settings, contract = open_home(home)
    simulate(contract, settings, months, without_gateway(contract, settings, label), label=label)


def three_years(home: Path) -> float:
    """Seconds from the start of Spark until all requests of 36 months are in silver."""
    ask(home, YEARS, "bench")
    settings, contract = open_home(home)
    began = time.perf_counter()
    spark = spark_session(settings)
    try:
        with open_stream(spark, contract, settings) as take:
            take()
        seconds = time.perf_counter() - began
        _count(spark, settings, REQUESTS)
        return seconds
    finally:
        spark.stop()


def batch_by_batch(home: Path) -> list[float]:
    """Seconds of each of 104 batches, each a month of new requests."""
    settings, contract = open_home(home)
    spark = spark_session(settings)
    seconds = []
    try:
        with open_stream(spark, contract, settings) as take:
            for number in range(BATCHES):
                ask(home, range(1, 2), f"bench{number}")
                seconds.append(take().seconds)
        _count(spark, settings, BATCHES * REQUESTS // len(YEARS))
        return seconds
    finally:
        spark.stop()


def _count(spark: SparkSession, settings: Settings, expected: int) -> None:
    found = read_table(spark, settings, "silver/predictions").select("request_id").distinct().count()
    if found != expected:
        raise RuntimeError(f"silver/predictions holds {found:,} distinct requests, not {expected:,}")


def around(seconds: list[float], number: int) -> float:
    """The median of the batch with this number (from 1) and its neighbours."""
    return statistics.median(seconds[number - 1 - NEIGHBOURS : number + NEIGHBOURS])


def measure(home: Path) -> list[Figure]:
    """36 months at once, then month by month."""
    at_once = three_years(home / "stream-years")
    seconds = batch_by_batch(home / "stream-batches")
    tenth, hundredth = around(seconds, 10), around(seconds, 100)
    return [
        Figure(f"{REQUESTS:,} requests from the log into silver, start of Spark included", at_once, "s", 60.0),
        Figure("10th batch of 1,500 requests (median of 9 around it)", tenth, "s", None),
        Figure("100th batch of 1,500 requests (median of 9 around it)", hundredth, "s", None),
        Figure("100th batch : 10th batch", hundredth / tenth, "x", 1.3),
    ]
