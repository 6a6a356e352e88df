"""A use case with joined sources: rides of taxis, whose areas, weather and holidays other tables know."""

from pathlib import Path

from pyspark.sql import SparkSession

from lakeloop.use_case import UseCase
from tests import rides
from tests.lakes import OwnLake
from tests.use_case_copies import with_changes

EVENT_TIME = "format: timestamp, period: day, start: 2024-01-01"
BASE = """
  rides:
    description: Rides
    files: "rides-*.csv"
    columns: [ride, started, pickup, miles]
  tips:
    description: What was given
    files: "tips-*.csv"
    columns: [ride, tip]
"""
SOURCES = {
    "areas": """
  areas:
    description: What an area is
    files: "areas-*.csv"
    columns: [area, kind, people]
    join: {on: {area: pickup}}
""",
    "weather": """
  weather:
    description: Measured at a station an area
    files: "weather-*.csv"
    columns: [station, at, celsius, rain]
    join: {on: {station: pickup}, as_of: at, format: unix_seconds, within: 3 hours}
""",
    "holidays": """
  holidays:
    description: Days off
    files: "holidays-*.csv"
    columns: [day, holiday]
    join: {on: {day: period}, format: "%d.%m.%Y"}
""",
}
FEATURES = {
    "areas": """
  kind: {description: What is there, type: string, role: categorical}
  people: {description: Who live there, type: int, role: numeric, missing: median}
""",
    "weather": """
  celsius: {description: Temperature, type: float, role: numeric, missing: mean}
  rain: {description: Whether it rained, type: bool, role: binary, missing: zero}
""",
    "holidays": """
  holiday: {description: Whether it is one, type: bool, role: binary, missing: zero}
""",
}
HEADERS = {
    "rides": "ride,started,pickup,miles", "tips": "ride,tip", "areas": "area,kind,people",
    "weather": "station,at,celsius,rain", "holidays": "day,holiday",
}  # fmt: skip


def contract_text(*joined: str, changes: dict[str, str] | None = None) -> str:
    """The contract with these of the three joined sources, its texts replaced."""
    sources = BASE + "".join(SOURCES[name] for name in joined)
    text = rides.contract_text(EVENT_TIME, sources, "".join(FEATURES[name] for name in joined), "tips")
    return with_changes(text, changes or {})


def weather_use_case(home: Path, *joined: str, changes: dict[str, str] | None = None) -> UseCase:
    """The use case in a home; its contract lies in a folder of the home."""
    return rides.open_rides(home, contract_text(*joined, changes=changes))


def weather_lake(spark: SparkSession, home: Path, *joined: str, changes: dict[str, str] | None = None) -> OwnLake:
    use_case = weather_use_case(home, *joined, changes=changes)
    return OwnLake(use_case.settings, use_case.contract, lambda: spark)


def deliver(lake: OwnLake, source: str, name: str, *rows: str) -> None:
    """A file of a source with its header."""
    lake.deliver(source, f"{source}-{name}.csv", "\n".join([HEADERS[source], *rows]) + "\n")
