"""A use case whose events have times: rides, each with the moment it started, and whether a tip was given."""

from pathlib import Path

from pyspark.sql import SparkSession

from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from tests.lakes import OwnLake

CONTRACT = """
use_case: rides
title: Tips
description: Will the passenger give a tip?
key: {column: ride, description: Number of the ride}
event_time: {column: started, description: When the ride started, %(event_time)s}
sources:
%(sources)s
features:
  miles:
    {description: Distance, type: float, role: numeric, valid: [0, 100], drift: {test: wasserstein, threshold: 0.1}}
%(features)s
label:
  name: outcome
  description: Whether there was a tip
  source: %(truth)s
  column: tip
  truth: {description: Tip, type: float, valid: [0, 100]}
  classes: [{name: none, when: {below: 0.01}}, {name: some}]
split: {salt: "1", every: 4}
gate: {accuracy: {above: 0.0, below: 1.0}}
requests: {description: Answered requests}
"""
TRIPS = """
  trips:
    description: Rides
    files: trips-{month}.csv
    columns: [ride, started, miles, tip]
"""
HEADER = "ride,started,miles,tip\n"


def contract_text(event_time: str, sources: str = TRIPS, features: str = "", truth: str = "trips") -> str:
    """The contract; `event_time` is the rest of that section, all in YAML, and `truth` the source of the tips."""
    return CONTRACT % {"event_time": event_time, "sources": sources, "features": features, "truth": truth}


def open_rides(home: Path, text: str) -> UseCase:
    """The use case of this contract, which lies in a folder of its home."""
    contract = home / "use_cases" / "rides" / "contract.yaml"
    contract.parent.mkdir(parents=True, exist_ok=True)
    contract.write_text(text)
    return open_use_case(load_settings(home=home, use_case="rides", use_cases=home / "use_cases"))


def rides_use_case(home: Path, event_time: str) -> UseCase:
    return open_rides(home, contract_text(event_time))


def rides_lake(spark: SparkSession, home: Path, event_time: str) -> OwnLake:
    use_case = rides_use_case(home, event_time)
    return OwnLake(use_case.settings, use_case.contract, lambda: spark)


def trips(times: list[str], first: int = 0) -> str:
    """A file of rides that started at these times."""
    rows = (f"r{number:05d},{time},{number % 50},{number % 2}" for number, time in enumerate(times, first))
    return HEADER + "\n".join(rows) + "\n"
