"""Whether a home plays a use case of the wall clock with a simulated one; clocks of before were all simulated."""

from alembic import op
from sqlalchemy import Boolean, Column, false, inspect

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column where it is missing."""
    if "played" not in {column["name"] for column in inspect(op.get_bind()).get_columns("clock")}:
        op.add_column("clock", Column("played", Boolean, nullable=False, server_default=false()))
