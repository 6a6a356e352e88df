"""The record of each retrain, a folder of files before: `operations.retraining` reads those in when it first looks."""

from alembic import op
from sqlalchemy import JSON, Boolean, Column, Integer, String

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "retrain",
        Column("use_case", String, primary_key=True),
        Column("decision_id", String, primary_key=True),
        Column("state", String, nullable=False),
        Column("at", String, nullable=False),
        Column("changed_at", String, nullable=False),
        Column("airflow_run_id", String, nullable=False),
        Column("in_tasks", Boolean, nullable=False),
        Column("trigger", String, nullable=False),
        Column("request", JSON, nullable=False),
        Column("events", JSON, nullable=False),
        Column("plan", JSON(none_as_null=True)),
        Column("verdicts", JSON, nullable=False),
        Column("decision", JSON(none_as_null=True)),
        Column("revision", Integer, nullable=False),
        if_not_exists=True,
    )
