"""What a model card is made of: the run's record, and what lies beside it, where it can still be read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from lakeloop.contract import Contract
from lakeloop.decision import Decision
from lakeloop.decision_table import read_decisions
from lakeloop.exceptions import LakeloopError, first_line
from lakeloop.manifest import Manifest, read_manifest
from lakeloop.use_case import UseCase
from tfx_pipeline.data_checks.anomalies import Anomaly, read_anomalies
from tfx_pipeline.data_checks.statistics import FeatureStatistics, read_statistics
from tfx_pipeline.runs.run_record import RunRecord

Found = TypeVar("Found")


@dataclass(frozen=True)
class CardFacts:
    """One run that pushed a version. What cannot be read is None or empty, and `gaps` says so, a sentence each.

    `statistics`: split -> column -> what TFDV counted. `differences`: from the champion's rows; None: not compared.
    `decision` is the one that pushed it; None where it was trained by hand.
    """

    contract: Contract
    run: RunRecord
    manifest: Manifest | None = None
    statistics: Mapping[str, Mapping[str, FeatureStatistics]] = field(default_factory=dict)
    differences: Sequence[Anomaly] | None = None
    decision: Decision | None = None
    gaps: Sequence[str] = ()


def card_facts(use_case: UseCase, run: RunRecord) -> CardFacts:
    """Everything that is known of a run's model now."""
    gaps: list[str] = []

    def known(what: str, read: Callable[[], Found]) -> Found | None:
        try:
            return read()
        except (LakeloopError, OSError) as error:
            gaps.append(f"{what}: {error}")
        except Exception as error:  # noqa: BLE001 - delta-rs and protobuf raise many kinds; the card says the rest
            gaps.append(f"{what}: {type(error).__name__}: {first_line(error)}")
        return None

    apart = run.distribution_anomalies_uri
    return CardFacts(
        contract=use_case.contract,
        run=run,
        manifest=known("the export it was trained on", lambda: read_manifest(run.parameters.manifest)),
        statistics=known("the statistics of its rows", lambda: read_statistics(run.statistics_uri)) or {},
        differences=known("how its rows differ", lambda: read_anomalies(Path(apart))) if apart else None,
        decision=known("the decision that pushed it", lambda: _decision_of(use_case, run)),
        gaps=tuple(gaps),
    )


def _decision_of(use_case: UseCase, run: RunRecord) -> Decision | None:
    found = (d for d in read_decisions(use_case) if run.run_id in {candidate.run_id for candidate in d.candidates})
    return next(found, None)
