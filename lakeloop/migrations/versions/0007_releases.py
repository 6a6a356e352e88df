"""What people decided of a use case's versions: each entry once, in order."""

from alembic import op
from sqlalchemy import Column, Integer, String, Text, UniqueConstraint

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "release",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("use_case", String, nullable=False),
        Column("number", Integer, nullable=False),
        Column("action", String, nullable=False),
        Column("version", String, nullable=False),
        Column("newest", String, nullable=False),
        Column("who", String, nullable=False),
        Column("why", Text, nullable=False),
        Column("at", String, nullable=False),
        UniqueConstraint("use_case", "number"),
        if_not_exists=True,
    )
