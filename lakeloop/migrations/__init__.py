"""Migrations of the operational database, by alembic: a file a step in `versions/`, in the order of their numbers."""
