"""A table of drift reports; an episode names the report that opened it, and no longer holds what was told of it."""

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table, and of every episode's payload the report it was made from."""
    reports = op.create_table(
        "drift_report",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("use_case", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("month", sa.String, nullable=False),
        sa.Column("first", sa.String, nullable=False),
        sa.Column("model_version", sa.String, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
    )
    op.create_index("ix_drift_report_use_case", "drift_report", ["use_case", "month"])
    lake = sa.text("month <> ''")
    window = ["use_case", "kind", "month", "first", "model_version"]
    op.create_index(
        "ix_drift_report_window", "drift_report", window, unique=True, sqlite_where=lake, postgresql_where=lake
    )
    op.add_column("drift_episode", sa.Column("report_id", sa.Integer))
    episodes = sa.table(
        "drift_episode", sa.column("id", sa.String), sa.column("payload", sa.JSON), sa.column("report_id", sa.Integer)
    )
    connection = op.get_bind()
    for episode in connection.execute(sa.select(episodes.c.id, episodes.c.payload)).all():
        report = _report(episode.payload)
        made = connection.execute(
            sa.insert(reports).values(
                use_case=report["use_case"], kind=report["window"]["kind"], month="", first=report["window"]["first"],
                model_version=report["model_version"], report=json.dumps(report),
            )
        )  # fmt: skip
        known = made.inserted_primary_key
        connection.execute(
            sa.update(episodes).where(episodes.c.id == episode.id).values(report_id=known[0] if known else None)
        )
    with op.batch_alter_table("drift_episode") as table:
        table.alter_column("report_id", existing_type=sa.Integer, nullable=False)
        table.drop_column("payload")


def _report(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The report a payload was made from, as far as it tells: the names of the tests are not in it."""
    features = [
        {"column": name, "test": "", "score": score, "threshold": payload["thresholds"][name],
         "drifted": name in payload["features"]}
        for name, score in payload["scores"].items()
    ]  # fmt: skip
    moved = payload["prediction_drift"]
    prediction = {"column": "prediction", "test": "", "score": moved, "threshold": 0.0, "drifted": False}
    return {
        "use_case": payload["use_case"],
        "model_version": payload["model_version"],
        "window": payload["window"],
        "state": "drift",
        "features": features,
        "prediction": None if moved is None else prediction,
    }
