"""Writes the class archive that Java starts Spark with; `java` says what for.

`python -m lakehouse.storage.class_archive` writes it, if it is not there (180 MB), and prints its path.
"""

import tempfile
from pathlib import Path

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as sf

from lakehouse.storage.java import ARCHIVES, archive_file, check_java
from lakehouse.storage.merge import append, merge
from lakehouse.storage.session import prepare_python, spark_options, start_spark
from lakeloop.atomic_file import replacing
from lakeloop.settings import Settings, load_settings


def write_archive(settings: Settings, folder: Path = ARCHIVES) -> Path:
    """Let Spark do what an ingest does; what classes were at work is in the archive when its Java has ended.

    The archive appears whole or not at all; those of another Java or another Spark go.

    Raises:
        MissingToolError: Java is missing or of a version Spark does not run on.
    """
    check_java()
    prepare_python()
    target = archive_file(folder)
    if target.is_file():
        return target
    with replacing(target) as part, tempfile.TemporaryDirectory() as scratch:
        options = spark_options(settings)
        options["spark.driver.extraJavaOptions"] += f" -Xlog:disable -XX:ArchiveClassesAtExit={part}"
        spark = start_spark(options)
        gateway = spark.sparkContext._gateway
        assert gateway is not None
        try:
            _work(spark, scratch)
        finally:
            spark.stop()
            gateway.shutdown()
            gateway.proc.stdin.close()  # which Java takes for its end
            gateway.proc.wait()
    for old in set(folder.glob("spark-classes-*.jsa")) - {target}:
        old.unlink()
    return target


def _work(spark: SparkSession, folder: str) -> None:
    """Files to a table, a table to another by way of a window, a join and a MERGE, and all of it by a stream."""
    texts, first, second = (f"{folder}/{name}" for name in ("texts", "first", "second"))
    numbers = spark.range(100).select("id", (sf.col("id") % 7).alias("part"), sf.col("id").cast("string").alias("text"))
    numbers.select(sf.to_json(sf.struct("*")).alias("value")).write.text(texts)
    read = spark.read.text(texts).select(sf.from_json("value", numbers.schema).alias("row")).select("row.*")
    read.write.format("delta").partitionBy("part").save(first)
    append(first, read.filter("id > 90"))
    newest = Window.partitionBy("id").orderBy(sf.desc("part"))
    rows = spark.read.format("delta").load(first).withColumn("n", sf.row_number().over(newest)).filter("n = 1")
    rows = rows.drop("n").join(numbers.select("id", sf.upper("text").alias("joined")), "id", "left")
    rows.write.format("delta").save(second)
    merge(second, rows.withColumn("part", sf.col("part") + 1), ["id"], compared=["part"])
    rows.groupBy("part").agg(sf.count("*"), sf.max("text")).collect()
    stream = spark.readStream.schema("value string").text(texts).withColumn("id", sf.length("value").cast("long"))
    started = stream.writeStream.option("checkpointLocation", f"{folder}/checkpoint").trigger(availableNow=True)
    started.foreachBatch(
        lambda batch, _: batch.write.format("delta").save(f"{folder}/streamed")
    ).start().awaitTermination()


if __name__ == "__main__":
    print(write_archive(load_settings()))  # noqa: T201
