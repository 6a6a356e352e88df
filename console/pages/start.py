"""What the start page shows: what serves, every version that did, what was decided, what can be opened."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

from console.pages.run_cache import KnownRuns
from lakeloop.clock import Clock, read_clock
from lakeloop.contract import Contract
from lakeloop.decision import Decision
from lakeloop.decision_table import read_decisions
from lakeloop.drift_report import DriftReport
from lakeloop.drift_store import lake_reports
from lakeloop.exceptions import first_line
from lakeloop.mended_values import MENDED, MendedValue, newest_mended_values
from lakeloop.model_folders import pushed_at
from lakeloop.pushed_models import pushed_versions
from lakeloop.rejected_rows import RejectedRows, newest_rejected_rows
from lakeloop.release_state import Release, ReleaseEntry
from lakeloop.releases import read_entries, read_release
from lakeloop.switches import active_switches
from lakeloop.use_case import UseCase
from lakeloop.waiting_rows import WaitingRows, waiting_rows
from operations.batch_scoring.records import ScoringRecord, records_folder, scoring_records
from operations.retraining.record import STATES, RetrainRecord
from operations.retraining.undecided import KILLED, undecided
from tfx_pipeline.runs.run_record import RunRecord

Row = TypeVar("Row")
SERVED, READY, GONE = "serves", "pushed", "removed"


@dataclass(frozen=True)
class VersionLine:
    """One pushed version. `state`: it serves, it is there, or its folder is gone; `standing`: champion, previous, …;
    `run` is None without a record.
    """

    version: str
    pushed: str
    state: str
    standing: str = ""
    run: RunRecord | None = None
    decision: Decision | None = None


@dataclass(frozen=True)
class UndecidedLine:
    """A retrain that came to no decision, or has not yet. `state`: where it is, `meaning`: what that is."""

    retrain: RetrainRecord
    state: str
    meaning: str


@dataclass(frozen=True)
class Start:
    """The start page. `problems` are what could not be read, in sentences; the rest is shown all the same.

    `serving` is None where no version serves, or where it is not known yet (`serving_known` False).
    """

    contract: Contract
    serving: VersionLine | None
    serving_known: bool
    versions: Sequence[VersionLine]
    refused: Sequence[RunRecord]
    decisions: Sequence[Decision]
    undecided: Sequence[UndecidedLine]
    releases: Sequence[ReleaseEntry]
    windows: Sequence[DriftReport]
    rejects: Sequence[RejectedRows]
    mended: Mapping[str, Sequence[MendedValue]]
    waiting: Sequence[WaitingRows]
    scorings: Sequence[ScoringRecord]
    scores_folder: Path
    switches: int
    clock: Clock
    problems: Sequence[str]


def start_page(use_case: UseCase, runs: KnownRuns, serving: str | None) -> Start:
    """Everything the page shows; `serving` is the version that serves, '' for none, None: not known yet."""
    problems: list[str] = []
    decisions = _tried(lambda: read_decisions(use_case), "gold/decisions", problems)
    others = _tried(lambda: undecided_lines(use_case, decisions), "the records of retrains", problems)
    windows = _tried(lambda: lake_reports(use_case), "the drift reports", problems)
    rejects = _tried(lambda: newest_rejected_rows(use_case), "silver/rejects", problems)
    mended = _tried(lambda: [newest_mended_values(use_case)], MENDED, problems)
    waiting = _tried(lambda: waiting_rows(use_case), "silver/waiting", problems)
    scorings = _tried(lambda: scoring_records(use_case), "the records of scorings", problems)
    records = runs.all()
    problems += runs.unreadable
    state = _tried(lambda: [read_release(use_case.settings, use_case.name)], "the releases", problems)
    released = _tried(lambda: read_entries(use_case.settings, use_case.name), "the releases", problems) if state else ()
    versions = version_lines(use_case, records, decisions, serving, next(iter(state), Release()))
    return Start(
        contract=use_case.contract,
        serving=next((line for line in versions if line.state == SERVED), None),
        serving_known=serving is not None,
        versions=versions,
        refused=[record for record in reversed(records) if not record.pushed_version],
        decisions=list(reversed(decisions)),
        undecided=others,
        releases=released[::-1],
        windows=windows,
        rejects=[found for found in rejects if found.rejected],
        mended=next(iter(mended), {}),
        waiting=[found for found in waiting if found.waiting],
        scorings=scorings,
        scores_folder=records_folder(use_case),
        switches=len(active_switches(use_case)),
        clock=read_clock(use_case),
        problems=problems,
    )


def version_lines(
    use_case: UseCase,
    records: Sequence[RunRecord],
    decisions: Sequence[Decision],
    serving: str | None,
    release: Release,
) -> list[VersionLine]:
    """Every version that was ever pushed, the newest first."""
    by_version = {record.pushed_version: record for record in records if record.pushed_version}
    decided = {decision.version: decision for decision in decisions if decision.version}
    there = set(pushed_versions(use_case))
    versions = sorted({*by_version, *there}, key=int, reverse=True)
    return [
        VersionLine(
            version=version,
            pushed=pushed_at(version),
            state=SERVED if version == serving else READY if version in there else GONE,
            standing=release.standing(version),
            run=by_version.get(version),
            decision=decided.get(version),
        )
        for version in versions
    ]


def undecided_lines(use_case: UseCase, decisions: Sequence[Decision]) -> list[UndecidedLine]:
    """The retrains that none of the decisions is of, the newest first."""
    found = undecided(use_case, [decision.decision_id for decision in decisions])
    return [UndecidedLine(record, state, KILLED if state == "killed" else STATES[state]) for record, state in found][
        ::-1
    ]


def services(use_case: UseCase) -> Mapping[str, tuple[str, str]]:
    """What else can be opened: name -> (address, what one sees there)."""
    settings, here, of_it = use_case.settings, "http://127.0.0.1:", quote(f"^{use_case.name}/", safe="")
    return {
        "Airflow": (
            settings.airflow_url or f"{here}{settings.airflow_port}",
            "runs, assets, questions to people",
        ),
        "Gateway": (f"{settings.gateway}/{use_case.name}/", "try the model in a form"),
        "Model server": (
            f"{settings.model_server}/v1/models/{use_case.name}",
            "TensorFlow Serving's REST API",
        ),
        "TensorBoard": (
            f"{settings.tensorboard_url or f'{here}{settings.tensorboard_port}'}/?runFilter={of_it}",
            "training curves of all runs: lakeloop tensorboard",
        ),
        "Prometheus": (
            settings.prometheus_url or f"{here}{settings.prometheus_port}",
            "metrics of the present",
        ),
        "Alertmanager": (
            settings.alertmanager_url or f"{here}{settings.alertmanager_port}",
            "alerts and silences",
        ),
    }


def for_browser(url: str, host: str) -> str:
    """An address as the browser finds it that asked `host` for this page.

    What listens on loopback here, or has a container's name, is published beside this service.
    """
    parts = urlsplit(url)
    own = parts.hostname in ("127.0.0.1", "localhost") or "." not in (parts.hostname or "")
    return urlunsplit(parts._replace(netloc=f"{host}:{parts.port}")) if own and parts.port else url


def _tried(read: Callable[[], Sequence[Row]], what: str, problems: list[str]) -> Sequence[Row]:
    """What is read, or () and a sentence; delta-rs raises many kinds."""
    try:
        return read()
    except Exception as error:  # noqa: BLE001 - the page shows the rest
        problems.append(f"{what} cannot be read: {first_line(error)}")
        return ()
