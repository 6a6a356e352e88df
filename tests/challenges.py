"""A challenger's log, written as the gateway writes it."""

from collections.abc import Iterable, Sequence

from lakeloop.challenger_log import ChallengerRecord, LoggedAnswer, challenger_log_folder
from lakeloop.request_log_files import open_file
from lakeloop.use_case import UseCase


def class_answer(names: Sequence[str], name: str, sure: float = 0.6) -> LoggedAnswer:
    """A model's answer that is so sure of a class, and as unsure of all others."""
    others = (1 - sure) / (len(names) - 1)
    probabilities = [sure if one == name else others for one in names]
    return LoggedAnswer(
        prediction=name, class_id=names.index(name), probabilities=probabilities, predictor_type="model", reason="ok"
    )


def asked(
    number: int, champion: LoggedAnswer | None, challenger: LoggedAnswer | None, error: str = ""
) -> ChallengerRecord:
    """Row `number` of key `k{number}`, asked of version 1 and in the shadow of 2, a second after the row before."""
    at = f"2026-01-01T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}+00:00"
    return ChallengerRecord(
        request_id=f"r{number}", key=f"k{number}", at=at, answered_at=at, stage="shadow", champion="1",
        challenger="2", champion_answer=champion, challenger_answer=challenger, latency_ms=10.0, error=error,
    )  # fmt: skip


def write_log(use_case: UseCase, records: Iterable[ChallengerRecord], version: str = "2") -> None:
    """What version `version` answered as a challenger."""
    folder = challenger_log_folder(use_case, version)
    folder.mkdir(parents=True, exist_ok=True)
    with open_file(folder, "one", 1).open("w", encoding="utf-8") as file:
        file.writelines(record.model_dump_json() + "\n" for record in records)
