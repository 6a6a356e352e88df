"""The work of an ingest as one would write it by hand in Spark and Delta: what the lakehouse is held against.

Bronze gets a delivery's rows appended; silver is typed, validated, one row a key, merged; gold joins the keys that the
delivery brought and is merged. No ledger, no sentences for what is wrong, no lineage, no monthly figures. Plain SQL and
DataFrames, so it runs in a session of Spark Connect as well.
"""

from collections.abc import Mapping
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as sf

from lakehouse.gold.training import training_rows
from lakehouse.lake import Lake
from lakehouse.silver.typed_values import typed_value
from lakehouse.storage.schema import SPARK_TYPES, allowed_sql, has_limits, quoted

ORIGIN = ("_file", "_batch")


def take_delivery(lake: Lake, base: Path, files: Mapping[str, list[Path]], batch: int) -> None:
    """One delivery, a list of files a source, through the three layers under `base`; `batch` counts deliveries."""
    for source, paths in files.items():
        append_bronze(lake, base, source, paths, batch)
    for source in files:
        merge_silver(lake, base, source, batch)
    merge_gold(lake, base, batch)


def append_bronze(lake: Lake, base: Path, source: str, paths: list[Path], batch: int) -> None:
    """The delivered texts, with the file they came from and the delivery's number."""
    spec = lake.contract.sources[source]
    schema = ", ".join(f"{quoted(name)} string" for name in spec.columns)
    raw = lake.spark.read.csv([str(path) for path in paths], sep=spec.separator, header=True, schema=schema)
    rows = raw.withColumns({"_file": sf.col("_metadata.file_name"), "_batch": sf.lit(batch).cast("bigint")})
    rows.write.format("delta").mode("append").save(f"{base}/bronze/{source}")


def merge_silver(lake: Lake, base: Path, source: str, batch: int) -> None:
    """Typed rows that keep the contract, the first of each key; the others beside them in `rejects`."""
    contract = lake.contract
    key, columns = contract.key.column, contract.columns_of(source)
    delivered = read(lake.spark, base, f"bronze/{source}").where(sf.col("_batch") == batch)
    typed = delivered.select(*(typed_value(name, column).alias(name) for name, column in columns.items()), *ORIGIN)
    limits = [allowed_sql(name, column) for name, column in columns.items() if has_limits(column)]
    valid = sf.coalesce(sf.expr(" AND ".join([f"{quoted(key)} IS NOT NULL", *limits])), sf.lit(False))
    rank = sf.row_number().over(Window.partitionBy(quoted(key)).orderBy("_file"))
    validated = typed.withColumn("_kept", valid).withColumn("_kept", sf.col("_kept") & (rank == 1)).persist()
    merge(lake.spark, f"{base}/silver/{source}", validated.where("_kept").drop("_kept"), key)
    rejects = validated.where("NOT _kept").select(sf.to_json(sf.struct("*")).alias("row"), *ORIGIN)
    rejects.write.format("delta").mode("append").save(f"{base}/silver/rejects")
    validated.unpersist()


def merge_gold(lake: Lake, base: Path, batch: int) -> None:
    """Features joined with truth for every key that this delivery brought or changed."""
    contract = lake.contract
    key, sources = contract.key.column, (contract.feature_source, contract.label.source)
    silver = {source: read(lake.spark, base, f"silver/{source}") for source in sources}
    brought = [table.where(sf.col("_batch") == batch).select(quoted(key)) for table in silver.values()]
    features, truth = silver.values()
    changed = features.join(brought[0].unionByName(brought[1]).distinct(), key, "semi")
    merge(lake.spark, f"{base}/gold/training", training_rows(changed, truth, contract), key)


def merge(spark: SparkSession, path: str, rows: DataFrame, key: str) -> None:
    """Insert new keys, update those whose values differ."""
    values = [quoted(name) for name in rows.columns if not name.startswith("_")]
    differs = " OR ".join(f"NOT (target.{name} <=> new.{name})" for name in values)
    spark.sql(
        f"MERGE INTO delta.`{path}` AS target USING {{rows}} AS new ON target.{quoted(key)} = new.{quoted(key)} "
        f"WHEN MATCHED AND ({differs}) THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
        rows=rows,
    ).collect()


def read(spark: SparkSession, base: Path, table: str) -> DataFrame:
    """One table as a frame."""
    return spark.read.format("delta").load(f"{base}/{table}")


def create_tables(lake: Lake, base: Path) -> None:
    """Silver's and gold's empty tables with the contract's types."""
    contract = lake.contract
    label = contract.label
    for source in contract.sources:
        types = {name: SPARK_TYPES[column.type] for name, column in contract.columns_of(source).items()}
        _create(lake.spark, f"{base}/silver/{source}", {**types, "_file": "string", "_batch": "bigint"})
    features = {name: SPARK_TYPES[c.type] for name, c in contract.columns_of(contract.feature_source).items()}
    labels = {label.column: SPARK_TYPES[label.truth.type], label.name: "int", label.name_column: "string"}
    _create(lake.spark, f"{base}/gold/training", {**features, **labels})


def _create(spark: SparkSession, path: str, types: Mapping[str, str]) -> None:
    columns = ", ".join(f"{quoted(name)} {spark_type}" for name, spark_type in types.items())
    spark.sql(f"CREATE TABLE IF NOT EXISTS delta.`{path}` ({columns}) USING delta")
