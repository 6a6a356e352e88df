"""gold/performance: how right the answers of a period were, as far as their ground truth has come.

Beside what was realised stands what was to be expected of the model's own answers by their calibrated confidence
(gold/calibration), known at once. Answers of the rules have no confidence: they count in `rules_share`, and in
`accuracy` with all others. Rows of numbers are made by `number_performance`.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lakehouse.gold.calibration import calibrations, error_calibrations, with_expectation
from lakehouse.gold.feature_rows import SilverTables
from lakehouse.gold.label_columns import as_now, class_id
from lakehouse.gold.number_performance import COUNTS_OF_NUMBERS, number_rows, rates_of_numbers
from lakehouse.gold.period_summary import in_periods
from lakehouse.lake import Lake
from lakehouse.storage.layout import PERFORMANCE
from lakehouse.storage.schema import quoted
from lakehouse.storage.small_tables import Row, SmallTable, column, write_periods
from lakeloop.contract import Contract
from lakeloop.lake_tables import open_lake_table
from lakeloop.use_case import UseCase

COUNTS = {
    "answered": "requests answered",
    "rules": "answered by the rules",
    "with_truth": "whose ground truth is known",
    "correct": "of those, answered with the true class",
    "model_with_truth": "of with_truth, answered by the model itself",
    "model_correct": "of those, answered with the true class",
}
RATES = {
    "accuracy": "realised: correct / with_truth; null before any truth is known",
    "rules_share": "rules / answered",
    "mean_confidence": "mean probability of the class answered, where the model was asked",
    "model_accuracy": "realised by the model's own answers: model_correct / model_with_truth",
    "estimated_accuracy": "expected of the model's own answers by calibrated confidence; null without a calibration",
    "estimate_standard_error": "of the estimate: the calibration's own chance and the answers'",
    "estimate_error": "estimated minus realised, both over the model's own answers whose truth is known",
}


PERSISTED = {"persistence_correct": "of model_with_truth, whose truth is what the row had when it was asked about"}
PERSISTENCE_RATE = {"persistence_accuracy": "of what the row had when asked: persistence_correct / model_with_truth"}


def counts_of(contract: Contract) -> dict[str, str]:
    """The table's counts of classes: column -> what it says."""
    return COUNTS if contract.persistence is None else COUNTS | PERSISTED


def rates_of(contract: Contract) -> dict[str, str]:
    """The table's rates of classes."""
    return RATES if contract.persistence is None else RATES | PERSISTENCE_RATE


def performance_rows(
    requests: DataFrame, truth: DataFrame, contract: Contract, calibration: DataFrame | None = None
) -> DataFrame:
    """Of classes: a row a period and model version ('' where no model was asked); counts add up over both."""
    key, period = contract.key.column, quoted(contract.period_column)
    if contract.label.computed:
        truth = truth.where(sf.col(quoted(contract.label.truth_column)).isNotNull())
    known = truth.select(quoted(key), class_id(contract).alias("_truth"))
    right = (sf.col("class_id") == sf.col("_truth")).cast("int")
    own = sf.col("predictor_type") == "model"
    settled = own & sf.col("_truth").isNotNull()
    now = as_now(contract)
    beside = {} if now is None else {"persistence": sf.count_if(settled & (now == sf.col("_truth")))}
    counted = (
        with_expectation(requests, calibration)
        .join(known, key, "left")
        .groupBy(period, sf.coalesce("model_version", sf.lit("")).alias("model_version"))
        .agg(
            sf.count("*").alias("answered"),
            sf.count_if(sf.col("predictor_type") == "rules").alias("rules"),
            sf.count("_truth").alias("with_truth"),
            sf.coalesce(sf.sum(right), sf.lit(0)).alias("correct"),
            sf.count_if(settled).alias("model_with_truth"),
            sf.coalesce(sf.sum(sf.when(own, right)), sf.lit(0)).alias("model_correct"),
            sf.avg("confidence").alias("mean_confidence"),
            sf.avg(sf.when(own, sf.col("_expected"))).alias("estimated_accuracy"),
            sf.avg(sf.when(settled, sf.col("_expected"))).alias("_expected_settled"),
            sf.max("_calibration_error").alias("_calibration_error"),
            *(count.alias(f"{one}_correct") for one, count in beside.items()),
        )
    )
    estimate = sf.col("estimated_accuracy")
    chance = sf.try_divide(estimate * (1 - estimate), sf.col("answered") - sf.col("rules"))
    return (
        counted.withColumn("accuracy", sf.try_divide("correct", "with_truth"))
        .withColumn("rules_share", sf.col("rules") / sf.col("answered"))
        .withColumn("model_accuracy", sf.try_divide("model_correct", "model_with_truth"))
        .withColumns({f"{one}_accuracy": sf.try_divide(f"{one}_correct", "model_with_truth") for one in beside})
        .withColumn("estimate_standard_error", sf.sqrt(sf.pow("_calibration_error", sf.lit(2)) + chance))
        .withColumn("estimate_error", sf.col("_expected_settled") - sf.col("model_accuracy"))
        .select(period, "model_version", *counts_of(contract), *rates_of(contract))
    )


def update_performance(lake: Lake, silver: SilverTables, periods: set[str] | None, note: Row) -> tuple[str, ...]:
    """Compute these periods again, all of them for None; the periods that were. Nothing where nothing was asked.

    `note`: the commit's.
    """
    contract = lake.contract
    if silver.requests is None or (periods is not None and not periods):
        return ()
    requests, key = silver.requests, contract.key.column
    if periods is not None and _has_other_columns(lake):
        periods = None
    truth = silver.truth
    if periods is not None:
        requests = requests.where(in_periods(contract, periods))
        truth = truth.join(requests.select(quoted(key)), key, "left_semi")
    made = (
        number_rows(requests, truth, contract, error_calibrations(lake))
        if contract.label.task == "regression"
        else performance_rows(requests, truth, contract, calibrations(lake))
    )
    rows = made.toArrow().to_pylist()
    write_periods(lake, _table(contract), rows, periods, note)
    return tuple(sorted({row[contract.period_column] for row in rows}))


def _has_other_columns(use_case: UseCase) -> bool:
    """Whether the table was made when it had other columns; then it is made anew, whole."""
    table = open_lake_table(use_case, PERFORMANCE)
    if table is None:
        return False
    there = [field.name for field in table.schema().fields]
    return there != [field.name for field in _table(use_case.contract).columns]


def _table(contract: Contract) -> SmallTable:
    period = contract.period_column
    is_number = contract.label.task == "regression"
    of_classes = (counts_of(contract), rates_of(contract))
    counts, rates = (COUNTS_OF_NUMBERS, rates_of_numbers(contract)) if is_number else of_classes
    return SmallTable(
        PERFORMANCE,
        (
            column(period, "string"),
            column("model_version", "string", "'': no model was asked"),
            *(column(name, "long", text) for name, text in counts.items()),
            *(column(name, "double", text, nullable=True) for name, text in rates.items()),
        ),
        key=(period, "model_version"),
        comment=f"{contract.title}: how right the answers of each {contract.period} were",
    )
