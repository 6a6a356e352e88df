"""The tables as they were before they had a version: made where they are missing, kept where they are."""

from alembic import op
from sqlalchemy import JSON, Column, Integer, String, Text, UniqueConstraint

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "clock",
        Column("use_case", String, primary_key=True),
        Column("month", Integer, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "fallback_switch",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("use_case", String, nullable=False),
        Column("segment", String, nullable=False),
        Column("who", String, nullable=False),
        Column("why", String, nullable=False),
        Column("since", String, nullable=False),
        Column("until", String),
        Column("removed_by", String),
        if_not_exists=True,
    )
    op.create_index("ix_fallback_switch_use_case", "fallback_switch", ["use_case"], if_not_exists=True)
    op.create_table(
        "event",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("use_case", String, nullable=False),
        Column("kind", String, nullable=False),
        Column("key", String, nullable=False),
        Column("payload", JSON, nullable=False),
        Column("created_at", String, nullable=False),
        Column("handled_by", String),
        Column("handled_at", String),
        Column("attempts", Integer, nullable=False),
        Column("attempt_after", String, nullable=False),
        Column("problem", String, nullable=False),
        Column("delivered_at", String),
        UniqueConstraint("use_case", "kind", "key"),
        if_not_exists=True,
    )
    op.create_table(
        "drift_episode",
        Column("id", String, primary_key=True),
        Column("use_case", String, nullable=False),
        Column("opened_at", String, nullable=False),
        Column("closed_at", String),
        Column("payload", JSON, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_drift_episode_use_case", "drift_episode", ["use_case"], if_not_exists=True)
    op.create_table(
        "monitor_state",
        Column("use_case", String, primary_key=True),
        Column("state", Text, nullable=False),
        if_not_exists=True,
    )
