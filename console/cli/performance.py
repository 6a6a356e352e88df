"""`lakeloop performance`: how right the answers were, and how right they should be where no truth is there yet."""

from collections.abc import Hashable, Mapping

from console.cli.options import open_use_case
from console.cli.render import BAD, DIM, console, table
from console.cli.spark import spark_of
from console.cli.use_case_option import UseCaseOption
from lakehouse.lake import open_lake
from lakeloop.contract import Contract
from lakeloop.interval import says_little, wilson_interval
from lakeloop.lake_tables import has_lake_table
from monitoring.expected_error import ErrorCalibration
from monitoring.performance import Calibration
from operations.performance import estimate_performance, performance_table

NO_ROWS = "gold/performance has no rows yet: `lakeloop lake stream`, then `lakeloop lake ingest` make some"
NUMBERS_HEADER = (
    "version", "answered", "rules", "with truth", "MAE", "RMSE", "by the model", "covered", "width", "estimated",
    "error",
)  # fmt: skip
HEADER = ("version", "answered", "rules", "with truth", "realised", "by the model", "estimated", "error")


def performance_command(use_case: UseCaseOption = "") -> None:
    """Estimate accuracy from calibrated confidence, and show it beside what was realised, period by period.

    Of numbers it is the error, by features and answer. Each model version is calibrated once, on held-out rows of its
    own export. The estimate stands for the model's own answers; it follows inputs that drift and cannot see a concept
    that does.
    """
    case = open_use_case(use_case)
    if not has_lake_table(case, "silver/predictions"):
        console.print(NO_ROWS)
        return
    with console.status("estimating …"), open_lake(case, spark_of) as lake:
        report = estimate_performance(lake)
    rows = performance_table(case)
    for notice in report.notices:
        console.print(notice, style=BAD, soft_wrap=True)
    for calibration in report.calibrated:
        console.print(
            f"version {calibration.model_version} calibrated on {calibration.rows:,} held-out rows "
            f"({calibration.method}): {_learnt(calibration)}"
        )
    if rows.empty:
        console.print(NO_ROWS)
        return
    period, same = case.contract.period_column, case.contract.persistence is not None
    if case.contract.label.task == "regression":
        watched = case.contract.gate.watched_error
        header, beside = _header(NUMBERS_HEADER, same), f"persistence_{watched}" if same else ""
        numbers = [_numbers(row, period, watched, beside) for row in rows.to_dict("records")]
        console.print(table((case.contract.period, *header), numbers, numbers=header[1:]))
        console.print(
            f"errors: answers against their truth, in the label's unit; by the model and estimated: {watched} of the "
            f"model's own answers; error: estimated minus realised by the model{_as_now(case.contract)}",
            style=DIM,
        )
        return
    header, beside = _header(HEADER, same), "persistence_accuracy" if same else ""
    cells = [_cells(row, period, beside) for row in rows.to_dict("records")]
    console.print(table((case.contract.period, *header), cells, numbers=header[1:]))
    console.print(
        "estimated: by confidence, over the model's own answers; error: estimated minus realised by the model; "
        f"in brackets: 95 % interval of a share of few rows{_as_now(case.contract)}",
        style=DIM,
    )


def _header(names: tuple[str, ...], same: bool) -> tuple[str, ...]:
    """With what rows had when they were asked about beside what the model answered, where a feature says it."""
    place = names.index("by the model") + 1
    return (*names[:place], "as it was", *names[place:]) if same else names


def _as_now(contract: Contract) -> str:
    persistence = contract.persistence
    if persistence is None:
        return ""
    return f"; as it was: `{persistence.feature}` of the same rows when asked, taken for the answer (persistence)"


def _cells(row: Mapping[Hashable, object], period: str, beside: str) -> tuple[str, ...]:
    estimated = _share(row["estimated_accuracy"])
    if estimated:
        estimated += f" ± {_share(row['estimate_standard_error'])}"
    return (
        str(row[period]), str(row["model_version"]) or "none", f"{row['answered']:,}", _share(row["rules_share"]),
        f"{row['with_truth']:,}", _counted(row["accuracy"], row["with_truth"]),
        _counted(row["model_accuracy"], row.get("model_with_truth")),
        *([_counted(row.get(beside), row.get("model_with_truth"))] if beside else []), estimated,
        _share(row["estimate_error"], sign=True),
    )  # fmt: skip


def _learnt(calibration: Calibration | ErrorCalibration) -> str:
    if isinstance(calibration, ErrorCalibration):
        return f"{calibration.metric} {calibration.error:.4g} on them"
    return f"{calibration.accuracy:.3f} of them right, standard error {calibration.standard_error:.3f}"


def _numbers(row: Mapping[Hashable, object], period: str, watched: str, beside: str) -> tuple[str, ...]:
    errors = ("mean_absolute_error", "root_mean_squared_error", f"model_{watched}", *([beside] if beside else []))
    estimated = _share(row.get(f"estimated_{watched}"))
    if estimated:
        estimated += f" ± {_share(row['estimate_standard_error'])}"
    return (
        str(row[period]), str(row["model_version"]) or "none", f"{row['answered']:,}", _share(row["rules_share"]),
        f"{row['with_truth']:,}", *(_share(row.get(name)) for name in errors),
        _counted(row["interval_coverage"], row["model_with_truth"]), _share(row["mean_interval_width"]), estimated,
        _share(row.get("estimate_error"), sign=True),
    )  # fmt: skip


def _counted(value: object, rows: object) -> str:
    """A share; of so few rows that it says little, with the ends of its 95 % interval."""
    if not (isinstance(value, float) and isinstance(rows, int) and rows and says_little(value, rows)):
        return _share(value)
    low, high = wilson_interval(value, rows)
    return f"{value:.3f} ({low:.2f} to {high:.2f})"


def _share(value: object, sign: bool = False) -> str:
    known = isinstance(value, float) and value == value
    return (f"{value:+.3f}" if sign else f"{value:.3f}") if known else ""
