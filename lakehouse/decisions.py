"""gold/decisions: one row a retrain, with every candidate and every check in it."""

from datetime import UTC

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.layout import DECISIONS, table_path, work_folder
from lakehouse.lock import in_turn
from lakehouse.schema import create_table
from lakeloop.decision import Decision
from lakeloop.settings import Settings

CHECKS = "array<struct<name: string, value: double, bound: string, passed: boolean>>"
CANDIDATES = (
    "array<struct<name: string, what: string, run_id: string, passed: boolean, score: double, error: string, "
    f"checks: {CHECKS}>>"
)
COLUMNS = (
    "decision_id string NOT NULL",
    "use_case string NOT NULL",
    "at timestamp NOT NULL",
    "clock int NOT NULL COMMENT 'month the simulated clock stood at'",
    "strategy string NOT NULL COMMENT 'what was asked for'",
    "`trigger` string NOT NULL",
    "event_ids array<string> NOT NULL COMMENT 'events of the ledger that this run took'",
    "champion string NOT NULL COMMENT 'version that was champion when it began; empty: none'",
    "champion_score double COMMENT 'its accuracy on the rows compared on'",
    "champion_judged_on string NOT NULL COMMENT 'newest labelled rows its checks were made on'",
    f"champion_checks {CHECKS} NOT NULL",
    "with_truth boolean NOT NULL COMMENT 'ground truth was there that the champion did not know'",
    "judged_on string NOT NULL COMMENT 'rows that champion and candidates are compared on'",
    "judged_rows bigint NOT NULL",
    "effective_rows double COMMENT 'what the weighted rows tell as much as; null where they all count the same'",
    "drifted array<string> NOT NULL COMMENT 'drifted features, the furthest first'",
    f"candidates {CANDIDATES} NOT NULL",
    "winner string NOT NULL COMMENT 'best candidate that passed; empty: none'",
    "version string NOT NULL COMMENT 'version it was pushed as'",
    "outcome string NOT NULL COMMENT 'promoted, kept, recommended, none passed or fell back'",
    "reason string NOT NULL",
    "decided_by string NOT NULL",
)
LATER_COLUMNS = (
    "airflow_run_id string COMMENT 'run of Airflow that made it'",
    "choice string COMMENT 'what a person answered: promote, change, keep or fallback'",
    "choice_details string COMMENT 'candidate, requirement or segment that was chosen, and why'",
    "chosen_by string COMMENT 'who answered'",
    "chosen_at timestamp COMMENT 'when'",
    "judged_version bigint COMMENT 'version of gold/training that the rows compared on are from'",
    "changed_rows bigint COMMENT 'rows of months the champion knew that were corrected, added or withdrawn since'",
)
"""Added to tables that an older release made; null in their old rows."""


def record_decision(spark: SparkSession, settings: Settings, decision: Decision) -> None:
    """Write a decision; recording it again, perhaps with another outcome, replaces its row."""
    path = table_path(settings, "gold", DECISIONS)
    with in_turn(work_folder(settings) / "tables.lock"):
        columns = ", ".join(COLUMNS + LATER_COLUMNS)
        create_table(spark, path, columns, comment="What was tried, how it was judged, and what was done")
        _add_later_columns(spark, path)
        table = DeltaTable.forPath(spark, path)
        times = {"at": decision.at, "chosen_at": decision.chosen_at}
        row = decision.model_dump() | {name: time and time.astimezone(UTC) for name, time in times.items()}
        rows = spark.createDataFrame([row], table.toDF().schema)
        (
            table.alias("target")
            .merge(rows.alias("new"), "target.decision_id = new.decision_id")
            .whenMatchedUpdateAll()
            .whenNotMatchedInsertAll()
            .execute()
        )


def _add_later_columns(spark: SparkSession, path: str) -> None:
    known = DeltaTable.forPath(spark, path).toDF().columns
    missing = [column for column in LATER_COLUMNS if column.split()[0] not in known]
    if missing:
        spark.sql(f"ALTER TABLE delta.`{path}` ADD COLUMNS ({', '.join(missing)})")
