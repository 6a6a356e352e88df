"""The records of a use case's retrains in the operational database."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from lakeloop.exceptions import LakeloopError, NotFoundError
from lakeloop.operational_db import engine, retrains
from lakeloop.use_case import UseCase
from operations.retraining.older_folders import forget_who_was_at_work, older_records
from operations.retraining.record import AT_WORK, RetrainRecord

_FIELDS = tuple(RetrainRecord.model_fields)
_NEWEST = 5


def add_record(use_case: UseCase, record: RetrainRecord) -> RetrainRecord:
    """Put a new record down; one of this decision that is there already stays as it is."""
    values = _values(record) | {"revision": 1}
    try:
        with engine(use_case.settings.operational_db).begin() as connection:
            connection.execute(insert(retrains).values(**values))
    except IntegrityError:  # another process read the same folder of an older release in
        return load_record(use_case, record.decision_id)
    return record


def load_record(use_case: UseCase, decision_id: str) -> RetrainRecord:
    """One retrain. Raises NotFoundError where there is none; the text names the newest."""
    return _record(_row(use_case, decision_id))


def change_record(
    use_case: UseCase, decision_id: str, change: Callable[[RetrainRecord], RetrainRecord]
) -> RetrainRecord:
    """Keep what `change` makes of a record, and give it. Where others change it meanwhile, theirs is changed.

    Raises:
        NotFoundError: there is no such retrain.
        WrongUseError: it cannot go into that state; nothing is changed then.
    """
    while True:
        row = _row(use_case, decision_id)
        before = _record(row)
        after = change(before)
        if after == before:
            return before
        mine = update(retrains).where(_of(use_case, decision_id), retrains.c.revision == row.revision)
        with engine(use_case.settings.operational_db).begin() as connection:
            if connection.execute(mine.values(**_values(after), revision=row.revision + 1)).rowcount:
                return after


def records_at_work(use_case: UseCase) -> list[RetrainRecord]:
    """The retrains that are at work, or whose process has died at it; the oldest first."""
    return _found(use_case, retrains.c.state.in_(AT_WORK))


def records_beside(use_case: UseCase, decided: Collection[str]) -> list[RetrainRecord]:
    """The retrains that are none of the `decided` ones, the oldest first."""
    return _found(use_case, retrains.c.decision_id.not_in(decided))


def record_of_airflow_run(use_case: UseCase, airflow_run_id: str) -> RetrainRecord | None:
    """The retrain that an Airflow run began; None where it began none yet."""
    found = _found(use_case, retrains.c.airflow_run_id == airflow_run_id) if airflow_run_id else []
    return found[-1] if found else None


def _found(use_case: UseCase, condition: ColumnElement[bool]) -> list[RetrainRecord]:
    _read_older(use_case)
    query = select(retrains).where(retrains.c.use_case == use_case.name, condition)
    with engine(use_case.settings.operational_db).connect() as connection:
        return [_record(row) for row in connection.execute(query.order_by(retrains.c.decision_id))]


def _row(use_case: UseCase, decision_id: str) -> Row[Any]:
    with engine(use_case.settings.operational_db).connect() as connection:
        found = connection.execute(select(retrains).where(_of(use_case, decision_id))).one_or_none()
    if found is not None:
        return found
    if _read_older(use_case):
        return _row(use_case, decision_id)
    newest = ", ".join(decision_ids(use_case)[-_NEWEST:]) or "none"
    raise NotFoundError(f"there is no decision {decision_id} of {use_case.name}; the newest are {newest}")


def decision_ids(use_case: UseCase) -> list[str]:
    """Of every retrain in the database, the oldest first."""
    query = select(retrains.c.decision_id).where(retrains.c.use_case == use_case.name)
    with engine(use_case.settings.operational_db).connect() as connection:
        return list(connection.scalars(query.order_by(retrains.c.decision_id)))


def _read_older(use_case: UseCase) -> int:
    """Read what older releases kept as folders in; gives how many there were."""
    read = [add_record(use_case, record) for record in older_records(use_case, decision_ids(use_case))]
    forget_who_was_at_work(use_case)
    return len(read)


def _of(use_case: UseCase, decision_id: str) -> ColumnElement[bool]:
    return (retrains.c.use_case == use_case.name) & (retrains.c.decision_id == decision_id)


def _values(record: RetrainRecord) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    values = record.model_dump(mode="json")
    return values | {"changed_at": now, "airflow_run_id": record.request.airflow_run_id}


def _record(row: Row[Any]) -> RetrainRecord:
    try:
        return RetrainRecord.model_validate({name: getattr(row, name) for name in _FIELDS})
    except ValidationError as error:
        raise LakeloopError(f"the record of retrain {row.decision_id} cannot be read: {error}") from error
