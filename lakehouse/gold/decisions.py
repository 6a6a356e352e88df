"""gold/decisions: one row a retrain, with every candidate and every check in it."""

from datetime import UTC

from deltalake.schema import ArrayType, PrimitiveType

from lakehouse.storage.lock import tables_held
from lakehouse.storage.small_tables import SmallTable, column, merge_rows, rows_within
from lakeloop.decision import Decision
from lakeloop.decision_table import DECISIONS
from lakeloop.use_case import UseCase

TEXTS = ArrayType(PrimitiveType("string"))
CHECKS = rows_within(name="string", value="double", bound="string", passed="boolean")
CANDIDATES = rows_within(
    name="string", what="string", run_id="string", passed="boolean", score="double", error="string", checks=CHECKS
)
COLUMNS = (
    column("decision_id", "string"),
    column("use_case", "string"),
    column("at", "timestamp"),
    column("clock", "integer", "number of the period that the use case's clock stood at"),
    column("strategy", "string", "what was asked for"),
    column("trigger", "string"),
    column("event_ids", TEXTS, "events of the ledger that this run took"),
    column("champion", "string", "version that was champion when it began; empty: none"),
    column("champion_score", "double", "its score on the rows compared on", nullable=True),
    column("champion_judged_on", "string", "newest labelled rows its checks were made on"),
    column("champion_checks", CHECKS),
    column("with_truth", "boolean", "ground truth was there that the champion did not know"),
    column("judged_on", "string", "rows that champion and candidates are compared on"),
    column("judged_rows", "long"),
    column(
        "effective_rows", "double", "what the weighted rows tell as much as; null where they all count the same",
        nullable=True,
    ),
    column("drifted", TEXTS, "drifted features, the furthest first"),
    column("candidates", CANDIDATES),
    column("winner", "string", "best candidate that passed; empty: none"),
    column("version", "string", "version it was pushed as"),
    column("outcome", "string", "promoted, kept, recommended, none passed or fell back"),
    column("reason", "string"),
    column("decided_by", "string"),
)  # fmt: skip
LATER_COLUMNS = (
    column("airflow_run_id", "string", "run of Airflow that made it", nullable=True),
    column("choice", "string", "what a person answered: promote, change, keep or fallback", nullable=True),
    column("choice_details", "string", "candidate, requirement or segment that was chosen, and why", nullable=True),
    column("chosen_by", "string", "who answered", nullable=True),
    column("chosen_at", "timestamp", "when", nullable=True),
    column("decides", "string", "metric that champion and candidates are compared by; null: accuracy", nullable=True),
    column("judged_version", "long", "version of gold/training that the rows compared on are from", nullable=True),
    column(
        "changed_rows", "long", "rows of periods the champion knew that were corrected, added or withdrawn since",
        nullable=True,
    ),
)  # fmt: skip
"""Added to tables that an older release made; null in their old rows."""


def record_decision(use_case: UseCase, decision: Decision) -> None:
    """Write a decision; recording it again, perhaps with another outcome, replaces its row."""
    table = SmallTable(
        DECISIONS,
        COLUMNS + LATER_COLUMNS,
        key=("decision_id",),
        comment="What was tried, how it compared, and what was done",
    )
    times = {"at": decision.at, "chosen_at": decision.chosen_at}
    row = decision.model_dump() | {name: time and time.astimezone(UTC) for name, time in times.items()}
    with tables_held(use_case):
        merge_rows(use_case, table, [row])
