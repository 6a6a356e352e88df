"""What a finished scoring leaves beside its rows in gold/scores: a record, and a file for who has no lake."""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from lakehouse.storage.layout import SCORES
from lakeloop.atomic_file import replacing, write_text
from lakeloop.contract import Contract, ScoreFile
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.frozen_model import FrozenModel
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.use_case import UseCase
from operations.batch_scoring.progress import Wanted, condition_of

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)
FOLDER = "scores"
ROWS_A_BATCH = 65_536
OF_CLASS = "probability_"


class ScoringRecord(FrozenModel):
    """A finished scoring: which version of which table by which model, what was switched off, and what came of it.

    `answered_by` counts rows by who answered, `reasons` by why, without particulars. `file` is '' where none was asked
    for. `removed` is when its rows and its file were removed, '' while they are there. Times are ISO 8601 in UTC.
    """

    scoring: str
    table: str
    version: int
    model: str
    switched_off: str
    rows: int
    answered_by: Mapping[str, int]
    reasons: Mapping[str, int]
    ended: str
    airflow_run_id: str = ""
    airflow_dag_id: str = ""
    file: str = ""
    sha256: str = ""
    removed: str = ""

    @property
    def rules_share(self) -> float:
        """The share of the rows that the rules answered."""
        return self.answered_by.get("rules", 0) / self.rows if self.rows else 0.0


def records_folder(use_case: UseCase) -> Path:
    """Where records and files are."""
    return use_case.folder("reports") / FOLDER


def record_path(use_case: UseCase, scoring: str) -> Path:
    """Where the record of a scoring is, or would be."""
    return records_folder(use_case) / f"{scoring}.json"


def file_path(use_case: UseCase, scoring: str, kind: ScoreFile) -> Path:
    """Where the file of a scoring is, or would be."""
    return records_folder(use_case) / f"{scoring}.{kind}"


def scoring_records(use_case: UseCase) -> list[ScoringRecord]:
    """The finished scorings, the newest first; one that cannot be read is passed over and logged."""
    found = []
    for path in sorted(records_folder(use_case).glob("*.json"), reverse=True):
        try:
            found.append(ScoringRecord.model_validate_json(path.read_text(encoding="utf-8")))
        except (OSError, ValidationError) as error:
            log.warning("event=unreadable_scoring path=%s why=%s", path, error)
    return found


def finish(use_case: UseCase, wanted: Wanted, file: ScoreFile | None = None) -> tuple[ScoringRecord, bool]:
    """The record of a scoring that is whole, and its file where one is asked for; written where they are missing.

    Gives the record, and whether the scoring had none before. Rows are read in batches, however many there are.

    Raises:
        WrongUseError: an older release scored it, whose rows do not say of which scoring they are.
    """
    if not wanted.scoring:
        raise WrongUseError(
            f"{wanted.table} version {wanted.version} was scored by an older release, which kept no record of it; "
            "--again scores it anew"
        )
    path = record_path(use_case, wanted.scoring)
    known = ScoringRecord.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else None
    target = None if file is None else file_path(use_case, wanted.scoring, file)
    if known is not None and (target is None or (known.file == str(target) and target.exists())):
        return known, False
    record = known or _counted(use_case, wanted)
    if file is not None and target is not None:
        record = record.model_copy(update={"file": str(target), "sha256": _write(use_case, wanted, file, target)})
    write_text(path, record.model_dump_json(indent=1))
    return record, known is None


def _counted(use_case: UseCase, wanted: Wanted) -> ScoringRecord:
    by, reasons = Counter[str](), Counter[str]()
    for batch in _batches(use_case, wanted, ["predictor_type", "reason"]):
        by.update(batch["predictor_type"].to_pylist())
        reasons.update(text.partition(":")[0] for text in batch["reason"].to_pylist())
    return ScoringRecord(
        scoring=wanted.scoring, table=wanted.table, version=wanted.version, model=wanted.model,
        switched_off=wanted.off, rows=by.total(), answered_by=dict(by), reasons=dict(reasons.most_common()),
        ended=datetime.now(UTC).isoformat(timespec="seconds"), airflow_run_id=use_case.settings.airflow_run_id,
        airflow_dag_id=use_case.settings.airflow_dag_id,
    )  # fmt: skip


def _batches(use_case: UseCase, wanted: Wanted, columns: list[str]) -> "Iterator[pa.RecordBatch]":
    import pyarrow.compute as pc

    found = open_lake_table(use_case, SCORES)
    if found is None:
        raise NotFoundError(f"there is no table {SCORES} in use case {use_case.name} any more")
    mine = condition_of(wanted) & (pc.field("scoring") == wanted.scoring)
    yield from dataset_of(found).to_batches(columns=columns, filter=mine, batch_size=ROWS_A_BATCH)


def _write(use_case: UseCase, wanted: Wanted, file: ScoreFile, target: Path) -> str:
    """Write the file whole or not at all; gives its SHA-256."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    contract = use_case.contract
    schema = _schema(contract)
    stored = [_stored(contract, name) for name in schema.names]
    with replacing(target) as part:
        writer = csv.CSVWriter(part, schema) if file == "csv" else parquet.ParquetWriter(part, schema)
        with writer:
            for batch in _batches(use_case, wanted, list(dict.fromkeys(stored))):
                columns = [_column(contract, batch, name).cast(schema.field(name).type) for name in schema.names]
                writer.write_table(pa.table(columns, schema=schema))
        with part.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()


def _schema(contract: Contract) -> "pa.Schema":
    """The file's columns: as gold/scores has them, with the probability of each class in one of its own."""
    import pyarrow as pa

    answer: list[tuple[str, pa.DataType]] = [("prediction", pa.float64()), ("lower", pa.float64()),
                                             ("upper", pa.float64())]  # fmt: skip
    if contract.label.classes:
        answer = [("prediction", pa.string()), ("class_id", pa.int32())]
        answer += [(f"{OF_CLASS}{name}", pa.float64()) for name in contract.label.class_names]
    given = ["predictor_type", "reason", "model_version"]
    return pa.schema([(contract.key.column, pa.string()), *answer, *((name, pa.string()) for name in given)])


def _stored(contract: Contract, name: str) -> str:
    """The column of gold/scores that a column of the file is taken from."""
    of_class = name != contract.key.column and name.startswith(OF_CLASS)
    return "probabilities" if contract.label.classes and of_class else name


def _column(contract: Contract, batch: "pa.RecordBatch", name: str) -> "pa.Array":
    import pyarrow.compute as pc

    stored = _stored(contract, name)
    return batch[stored] if stored == name else pc.map_lookup(batch[stored], name.removeprefix(OF_CLASS), "first")
