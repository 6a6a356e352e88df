"""The Spark session: Delta switched on, sized for one machine, the same code for a cluster."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession

from lakehouse.storage.delta_jar import delta_jar, maven_package
from lakehouse.storage.java import archive_options, check_java
from lakehouse.storage.kafka_jars import kafka_jars
from lakeloop.atomic_file import write_text
from lakeloop.exceptions import LakeloopError
from lakeloop.settings import Settings

# For tables of some thousand to some million rows on one machine; Spark's defaults are for clusters, and each
# needless partition of a small table costs a task.
SMALL_DATA = {
    "spark.sql.shuffle.partitions": "4",
    "spark.default.parallelism": "4",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
    "spark.sql.streaming.stopTimeout": "60s",
    "spark.sql.streaming.numRecentProgressUpdates": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.ui.retainedExecutions": "1",
}


def spark_session(settings: Settings, scratch: str = "") -> SparkSession:
    """The session of this process, started if there is none; stop it with `.stop()`.

    `scratch` is the folder of Java's temporary files, for those who may kill Java and then delete them; by default they
    go when Java ends.

    Raises:
        MissingToolError: Java is missing or of a version Spark does not run on.
        LakeloopError: Spark did not start; its log, in the logs area, says why.
    """
    check_java()
    prepare_python()
    options = spark_options(settings)
    if scratch:
        options |= {"spark.local.dir": scratch}
        options["spark.driver.extraJavaOptions"] += f" -Djava.io.tmpdir={scratch}"
    with java_writes_to_log(settings):
        return start_spark(options)


def start_spark(options: Mapping[str, str]) -> SparkSession:
    """The session of this process, started with these options if there is none."""
    return SparkSession.builder.config(map=dict(options)).getOrCreate()


def prepare_python() -> None:
    """What a session asks of its Python process, wherever Spark was started: quiet, and workers of the same kind."""
    # An error in a stream's batch comes back as the stream's own; py4j would print it as well.
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable


def spark_options(settings: Settings) -> dict[str, str]:
    """Everything a session of the platform is started with."""
    scratch = Path(tempfile.gettempdir()) / f"lakeloop-spark-{os.getuid()}"
    local = settings.spark_master.startswith("local")
    jar = delta_jar(settings)
    jars = [str(path) for path in (jar, *kafka_jars(settings)) if path is not None]
    return {
        "spark.app.name": "lakeloop",
        "spark.master": settings.spark_master,
        "spark.driver.memory": settings.spark_memory,
        # a cluster's workers call the driver back: at its host's address, which Spark finds, or its own files say
        **({"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"} if local else {}),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.variable.substitute": "false",  # a comment or a limit of a contract is no template
        # what Spark concludes of conditions takes time by the square of a table's columns, and says nothing new here
        "spark.sql.constraintPropagation.enabled": "false",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.jars.ivy": str(scratch / "ivy"),
        "spark.driver.extraJavaOptions": _java_options(scratch),
        **SMALL_DATA,
        **({"spark.jars": ",".join(jars)} if jars else {}),
        **({"spark.jars.packages": maven_package()} if jar is None else {}),
    }


@contextmanager
def java_writes_to_log(settings: Settings) -> Iterator[None]:
    """A Java process started in here inherits the log file as its standard error, so the terminal stays readable.

    Raises:
        LakeloopError: what was started in here failed; the text names the log.
    """
    log = Path(settings.area("logs")) / "spark.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    terminal = os.dup(2)
    with log.open("ab") as stream:
        os.dup2(stream.fileno(), 2)
    try:
        yield
    except Exception as error:
        raise LakeloopError(f"Spark did not start ({type(error).__name__}); {log} says why") from error
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def _java_options(scratch: Path) -> str:
    scratch.mkdir(parents=True, exist_ok=True)
    quiet = scratch / "log4j2.properties"
    write_text(quiet, QUIET_LOGS)
    return (
        f"-Dlog4j2.configurationFile=file:{quiet} -Dderby.system.home={scratch} "
        "-XX:+UseParallelGC -XX:MaxMetaspaceSize=512m -Dio.netty.tryReflectionSetAccessible=true "
        f"{archive_options()}"
    )


QUIET_LOGS = """\
rootLogger.level = fatal
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss} %p %c{1}: %m%n%ex
"""
