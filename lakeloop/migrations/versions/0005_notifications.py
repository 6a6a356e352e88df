"""What people are told: each notification once, to whom it goes, and how the targets took it."""

from alembic import op
from sqlalchemy import Boolean, Column, Integer, String, Text, UniqueConstraint, false

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "notification",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("use_case", String, nullable=False),
        Column("kind", String, nullable=False),
        Column("key", String, nullable=False),
        Column("text", Text, nullable=False),
        Column("link", String, nullable=False),
        Column("created_at", String, nullable=False),
        Column("addressed", Boolean, nullable=False, server_default=false(), index=True),
        UniqueConstraint("use_case", "kind", "key"),
        if_not_exists=True,
    )
    op.create_table(
        "notification_target",
        Column("id", String, primary_key=True),
        Column("attempts", Integer, nullable=False),
        Column("attempt_after", String, nullable=False),
        Column("problem", Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "notification_delivery",
        Column("target", String, primary_key=True),
        Column("notification_id", Integer, primary_key=True),
        Column("told_at", String, index=True),
        Column("message", String),
        if_not_exists=True,
    )
