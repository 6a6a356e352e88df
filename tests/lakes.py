"""One Spark a process, and lakes in temporary folders, read back without Spark; the fixtures are everybody's."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.ingest import IngestReport, ingest
from lakehouse.lake import Lake
from lakehouse.read.tables import table_names
from lakehouse.storage.session import SMALL_DATA, spark_session
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case
from operations.delivery import generate
from tests.use_case_copies import USE_CASES

HEADER = "policy_id;month;training;age;emergency_braking;braking_distance;power;miles\n"
FEW_TASKS = {
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    "spark.databricks.delta.snapshotPartitions": "1",
}


@dataclass(frozen=True)
class OwnLake(Lake):
    """A home of its own with a use case's lake in it; `lines` is what its ingests said."""

    lines: list[str] = field(default_factory=list)

    def deliver(self, source: str, name: str, content: str | bytes) -> Path:
        path = self.folder("landing") / source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def ingest(self) -> IngestReport:
        return ingest(self, self.lines.append)

    def rows(self, table: str) -> pd.DataFrame:
        return DeltaTable(self.table(table)).to_pandas()

    def versions(self) -> dict[str, int]:
        names = ("/".join(found) for found in table_names(self))
        return {name: DeltaTable(self.table(name)).version() for name in names}

    def rejects(self, file: str) -> pd.DataFrame:
        rows = self.rows("silver/rejects")
        return rows[rows["file"] == file].sort_values("line", ignore_index=True)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lakehouse.storage.session.SMALL_DATA", SMALL_DATA | FEW_TASKS)
        session = spark_session(load_settings(home=tmp_path_factory.mktemp("spark")))
    yield session
    session.stop()


def own_lake(spark: SparkSession, home: Path, name: str = "insurance") -> OwnLake:
    use_case = open_use_case(load_settings(home=home, use_case=name, use_cases=USE_CASES[name]))
    return OwnLake(use_case.settings, use_case.contract, lambda: spark)


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> OwnLake:
    return own_lake(spark, tmp_path)


@pytest.fixture(scope="session")
def small_home(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that took in 40 policies of month 0 and the claims of the first 30."""
    lake = own_lake(spark, tmp_path_factory.mktemp("small"))
    lake.deliver("policies", "policies-2023-01.csv", SMALL_POLICIES)
    lake.deliver("claims", "claims-2023-01.csv", claims("2023-01", *[2.0] * 30))
    lake.ingest()
    return lake.settings.home


@pytest.fixture
def small(spark: SparkSession, small_home: Path, tmp_path: Path) -> OwnLake:
    """A copy of it, to go on from: copying tables is much faster than making them."""
    return own_lake(spark, Path(shutil.copytree(small_home, tmp_path / "small")))


@pytest.fixture(scope="session")
def reference(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> OwnLake:
    """Month 0 with its claims and month 1 without; for reading only."""
    lake = own_lake(spark, tmp_path_factory.mktemp("reference"))
    generate(lake, [0, 1])
    lake.ingest()
    return lake


@pytest.fixture
def policies() -> Callable[..., str]:
    """Makes a policies file: `policies("2023-01", {"age": "151"}, {})` has two rows, the first with age 151."""

    def make(month: str, *changes: dict[str, str], header: str = HEADER) -> str:
        return header + "".join(policy(month, number, change) for number, change in enumerate(changes))

    return make


def policy(month: str, number: int, change: dict[str, str] | None = None) -> str:
    row = {
        "policy_id": f"{month}-{number:04d}", "month": month, "training": "0", "age": "41.5", "emergency_braking": "1",
        "braking_distance": "40.25", "power": "120", "miles": "60",
    } | (change or {})  # fmt: skip
    return ";".join(row.values()) + "\n"


def claims(month: str, *risks: float) -> str:
    return "policy_id;risk\n" + "".join(f"{month}-{n:04d};{risk}\n" for n, risk in enumerate(risks))


SMALL_POLICIES = HEADER + "".join(policy("2023-01", n) for n in range(40))
