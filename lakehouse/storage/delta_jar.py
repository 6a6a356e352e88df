"""Finds the jar that teaches Spark the Delta format; cuts it once from an installed wheel where there is one.

`delta-spark` ships Python only. The `jsoniq` wheel (Apache-2.0) carries Delta's classes, unrelocated, inside its
own large jar; a jar of them alone needs no Maven. Without that wheel Spark fetches Delta from Maven.
`python -m lakehouse.storage.delta_jar` builds the jar and prints its path.
"""

import zipfile
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from lakeloop.atomic_file import replacing
from lakeloop.exceptions import WrongUseError
from lakeloop.settings import PROJECT, Settings, load_settings

REGISTER = "META-INF/services/org.apache.spark.sql.sources.DataSourceRegister"
DELTA_SOURCE = "org.apache.spark.sql.delta.sources.DeltaDataSource\n"
DELTA_FOLDERS = ("io/delta/", "org/apache/spark/sql/delta/", "com/databricks/spark/util/", "error/delta-")
FOREIGN_WORDS = ("avro", "Avro", "Iceberg", "View", "Partition")


def delta_jar(settings: Settings, cache: Path = PROJECT / ".tools") -> Path | None:
    """The Delta jar: the one set, else the cached or newly cut one; None means: let Spark ask Maven.

    Raises:
        WrongUseError: `LAKELOOP_DELTA_JAR` names a file that does not exist.
    """
    if settings.delta_jar is not None:
        if not settings.delta_jar.is_file():
            raise WrongUseError(
                f"LAKELOOP_DELTA_JAR is {settings.delta_jar}, which is not a file; name Delta's jar or unset it"
            )
        return settings.delta_jar.absolute()
    source = _wheel_jar()
    if source is None:
        return None
    target = cache / f"delta-{version('delta-spark')}.jar"
    return target if target.is_file() else cut_jar(source, target)


def maven_package() -> str:
    """Delta's name at Maven, for Spark's own download."""
    return f"io.delta:delta-spark_2.13:{version('delta-spark')}"


def cut_jar(source: Path, target: Path) -> Path:
    """Copy Delta's entries of the jar `source` into a jar of their own; `target` appears whole or not at all."""
    with (
        replacing(target) as part,
        zipfile.ZipFile(source) as whole,
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as jar,
    ):
        spark_has = _spark_entries()
        for name in whole.namelist():
            if _belongs_to_delta(name, spark_has):
                jar.writestr(name, whole.read(name))
        jar.writestr(REGISTER, DELTA_SOURCE)
    return target


def _belongs_to_delta(name: str, spark_has: set[str]) -> bool:
    """Delta's own folders, and the classes it adds to Spark's: those that Spark's own jars do not have."""
    if name.startswith(DELTA_FOLDERS):
        return not name.endswith("/")
    added = name.startswith("org/apache/spark/") and name.endswith(".class") and name not in spark_has
    return added and not any(word in name for word in FOREIGN_WORDS)


def _wheel_jar() -> Path | None:
    try:
        files = distribution("jsoniq").files or []
    except PackageNotFoundError:
        return None
    jars = [Path(str(f.locate())) for f in files if f.match("jsoniq/jars/rumbledb-*.jar")]
    return next((jar for jar in jars if jar.is_file()), None)


def _spark_entries() -> set[str]:
    """Names of all entries in the jars that pyspark ships; found without importing pyspark."""
    entries: set[str] = set()
    for file in distribution("pyspark").files or []:
        if file.match("pyspark/jars/spark-*.jar"):
            with zipfile.ZipFile(str(file.locate())) as jar:
                entries.update(jar.namelist())
    return entries


if __name__ == "__main__":
    found = delta_jar(load_settings())
    print(found or "no wheel with Delta's classes is installed: Spark will fetch Delta from Maven")  # noqa: T201
