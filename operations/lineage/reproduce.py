"""A pushed model made once more from the lake as it was then: the same rows, the same statistics, the same verdict?"""

from collections.abc import Iterator, Mapping
from math import isclose
from pathlib import Path

from pydantic import Field

from lakeloop.contract.features import FEATURES_FILE
from lakeloop.frozen_model import FrozenModel
from lakeloop.manifest import Manifest
from lakeloop.own_files import FUNCTIONS
from tfx_pipeline.data_checks.statistics import FeatureStatistics
from tfx_pipeline.evaluation.gate import GateReport
from tfx_pipeline.runs.parameters import RunParameters
from tfx_pipeline.runs.run_record import RunRecord

STATISTICS_TOLERANCE = 1e-6
MOMENTS = ("mean", "std", "minimum", "maximum")
"""Without the median: TFDV estimates it from a sketch, and the same rows in other bundles give another one."""
AGAINST_CHAMPION = "not_worse_than_champion"
"""Left out: the champion it was compared with then is not the one of now."""


class Difference(FrozenModel):
    """One value that was compared; `allowed` is how far they may lie apart, relative for statistics."""

    what: str
    then: float
    now: float
    allowed: float
    same: bool


class Reproduction(FrozenModel):
    """A model beside itself made once more."""

    version: str
    run_then: str
    run_now: str
    same_files: bool = Field(description="every CSV shard has the bytes it had then")
    changed_code: tuple[str, ...] = Field((), description="files of the use case's own code that are not as they were")
    statistics: tuple[Difference, ...]
    gate: tuple[Difference, ...]

    @property
    def succeeded(self) -> bool:
        """Whether rows are the same, and everything else within its tolerance."""
        return self.same_files and all(one.same for one in (*self.statistics, *self.gate))

    @property
    def wrong(self) -> tuple[str, ...]:
        """What differs, in words."""
        files = () if self.same_files else ("the exported files",)
        return (*files, *(one.what for one in (*self.statistics, *self.gate) if not one.same))


def parameters_then(record: RunRecord, manifest: Path, git_commit: str) -> RunParameters:
    """The parameters of a run on another export; what the Tuner found then is taken, not looked for again."""
    model = record.parameters.model if record.trained is None else record.trained.settings
    changes = {
        "manifest": manifest.absolute(),
        "model": model,
        "trials": 0,
        "trigger": f"reproduce {record.pushed_version}",
        "event_id": "",
        "airflow_run_id": "",
        "git_commit": git_commit,
    }
    return record.parameters.model_copy(update=changes)


def changed_code(then: RunRecord, now: RunRecord) -> tuple[str, ...]:
    """The use case's own files that are not as they were when the first run began.

    Of rules, fetch and generator an older release kept no hash: such a file counts only where both runs tell of it.
    """
    found, kept = {*then.own_code, *now.own_code}, {*FUNCTIONS, FEATURES_FILE}
    names = sorted(name for name in found if name in kept or (name in then.own_code and name in now.own_code))
    return tuple(name for name in names if then.own_code.get(name) != now.own_code.get(name))


def same_files(then: Manifest, now: Manifest) -> bool:
    """Whether two exports hold the same bytes under the same names."""
    return {f.path: f.sha256 for f in then.files} == {f.path: f.sha256 for f in now.files}


def compared_statistics(
    then: Mapping[str, Mapping[str, FeatureStatistics]], now: Mapping[str, Mapping[str, FeatureStatistics]]
) -> tuple[Difference, ...]:
    """Rows, missing values and moments of every column of every split; both by split and column."""
    return tuple(_statistics(then, now))


def compared_gate(then: GateReport, now: GateReport, tolerance: float) -> tuple[Difference, ...]:
    """Every check of both but the one against the champion: within the tolerance, and with the same verdict."""
    later = {check.name: check for check in now.checks}
    found = []
    for check in then.checks:
        other = later.get(check.name)
        if other is None or check.name == AGAINST_CHAMPION:
            continue
        same = abs(check.value - other.value) <= tolerance and check.passed == other.passed
        found.append(Difference(what=check.name, then=check.value, now=other.value, allowed=tolerance, same=same))
    return tuple(found)


def _statistics(
    then: Mapping[str, Mapping[str, FeatureStatistics]], now: Mapping[str, Mapping[str, FeatureStatistics]]
) -> Iterator[Difference]:
    nothing: Mapping[str, FeatureStatistics] = {}
    for split, columns in then.items():
        for name, column in columns.items():
            other = now.get(split, nothing).get(name, FeatureStatistics(name, 0, 0))
            pairs = {"rows": (column.rows, other.rows), "missing": (column.missing, other.missing)}
            pairs |= {m: (getattr(column, m), getattr(other, m)) for m in MOMENTS}
            for moment, (before, after) in pairs.items():
                if before is None:
                    continue
                value = float("nan") if after is None else float(after)
                allowed = STATISTICS_TOLERANCE
                same = isclose(before, value, rel_tol=allowed, abs_tol=allowed)
                what = f"{moment} of {name} ({split})"
                yield Difference(what=what, then=before, now=value, allowed=allowed, same=same)
