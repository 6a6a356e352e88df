"""Measures the request log on its way into silver: three years at once, and the hundredth batch beside the tenth."""

import statistics
import time
from pathlib import Path

from bench.figure import Figure
from lakehouse.lake import Lake, lake_with
from lakehouse.read.tables import read_table
from lakehouse.requests.stream import open_stream
from lakehouse.storage.session import spark_session
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
from operations.simulation import simulate, without_gateway

YEARS = range(1, 37)
REQUESTS = 54_000
BATCHES = 104
# One batch alone says little on a busy machine: each of the two is the median of itself and its neighbours.
NEIGHBOURS = 4


def ask(home: Path, months: range, label: str) -> None:
    """Write the request log of some months, without a gateway."""
    use_case = open_use_case(load_settings(home=home))
    simulate(use_case, months, without_gateway(use_case, label), label=label)


def three_years(home: Path) -> float:
    """Seconds from the start of Spark until all requests of 36 months are in silver."""
    ask(home, YEARS, "bench")
    use_case = open_use_case(load_settings(home=home))
    began = time.perf_counter()
    spark = spark_session(use_case.settings)
    lake = lake_with(use_case, spark)
    try:
        with open_stream(lake) as take:
            take()
        seconds = time.perf_counter() - began
        _count(lake, REQUESTS)
        return seconds
    finally:
        spark.stop()


def batch_by_batch(home: Path) -> list[float]:
    """Seconds of each of 104 batches, each a month of new requests."""
    use_case = open_use_case(load_settings(home=home))
    spark = spark_session(use_case.settings)
    lake = lake_with(use_case, spark)
    seconds = []
    try:
        with open_stream(lake) as take:
            for number in range(BATCHES):
                ask(home, range(1, 2), f"bench{number}")
                seconds.append(take().seconds)
        _count(lake, BATCHES * REQUESTS // len(YEARS))
        return seconds
    finally:
        spark.stop()


def _count(lake: Lake, expected: int) -> None:
    found = read_table(lake, "silver/predictions").select("request_id").distinct().count()
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
