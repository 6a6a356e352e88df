"""Who may act: tokens by their hash, each with a name and a role."""

from alembic import op
from sqlalchemy import Column, Integer, String, text

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "token",
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("name", String, nullable=False),
        Column("role", String, nullable=False),
        Column("hash", String, nullable=False, unique=True),
        Column("created_at", String, nullable=False),
        Column("created_by", String, nullable=False),
        Column("expires_at", String),
        Column("revoked_at", String),
        Column("revoked_by", String),
        if_not_exists=True,
    )
    good = text("revoked_at IS NULL")
    op.create_index(
        "ix_token_good", "token", ["name"], unique=True, sqlite_where=good, postgresql_where=good, if_not_exists=True
    )
