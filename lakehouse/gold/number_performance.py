"""gold/performance where a number is predicted: how far answers lay from the truth, and how far they were expected to.

What is expected is said by the model version's trees (gold/calibration), row by row, of its own answers alone.
"""

from collections.abc import Mapping

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from lakehouse.gold.calibration import ErrorCalibrationRow
from lakehouse.gold.label_columns import as_now
from lakehouse.storage.schema import quoted
from lakeloop.contract import Contract
from lakeloop.error_trees import ErrorTrees, looked_at
from lakeloop.model_input import as_carried

COUNTS_OF_NUMBERS = {
    "answered": "requests answered",
    "rules": "answered by the rules",
    "with_truth": "whose ground truth is known",
    "model_with_truth": "of with_truth, answered by the model itself",
    "covered": "of those, whose truth lies in the interval",
}
EXPECTED, CALIBRATION_ERROR, SPREAD = "_expected", "_calibration_error", "_spread"


def rates_of_numbers(contract: Contract) -> dict[str, str]:
    """The table's rates: column -> what it says. The metric that is watched has its name in those of the estimate."""
    watched = contract.gate.watched_error
    same = {f"persistence_{watched}": "of what the row had when asked, where the model answered and truth is known"}
    return {
        "mean_absolute_error": "realised: how far the answers lie from the truth; null before any truth is known",
        "root_mean_squared_error": "the same, the larger ones counting more",
        "rules_share": "rules / answered",
        "model_mean_absolute_error": "realised by the model's own answers",
        "model_root_mean_squared_error": "the same, the larger ones counting more",
        "interval_coverage": "covered / model_with_truth",
        "mean_interval_width": "mean width of the interval where the model was asked",
        f"estimated_{watched}": "expected of the model's own answers by features and answer; null without calibration",
        "estimate_standard_error": "of the estimate: the calibration's own chance and the answers'",
        "estimate_error": "estimated minus realised, both over the model's own answers whose truth is known",
        **(same if contract.persistence is not None else {}),
    }


def number_rows(
    requests: DataFrame, truth: DataFrame, contract: Contract, known: Mapping[str, ErrorCalibrationRow]
) -> DataFrame:
    """A row a period and model version ('' where no model was asked); `known`: calibrations by model version."""
    key, period, watched = contract.key.column, quoted(contract.period_column), contract.gate.watched_error
    truths = truth.select(quoted(key), sf.col(quoted(contract.label.truth_column)).cast("double").alias("_truth"))
    own = sf.col("predictor_type") == "model"
    settled = own & sf.col("_truth").isNotNull()
    error = sf.col("prediction") - sf.col("_truth")

    def as_error(loss: Column) -> Column:
        return sf.sqrt(loss) if watched == "root_mean_squared_error" else loss

    now, same = as_now(contract), []
    if now is not None:
        apart = sf.when(settled, now - sf.col("_truth"))
        loss = apart * apart if watched == "root_mean_squared_error" else sf.abs(apart)
        same = [as_error(sf.avg(loss)).alias(f"persistence_{watched}")]
    counted = (
        _with_expected_loss(requests, contract, known)
        .join(truths, key, "left")
        .groupBy(period, sf.coalesce("model_version", sf.lit("")).alias("model_version"))
        .agg(
            sf.count("*").alias("answered"),
            sf.count_if(sf.col("predictor_type") == "rules").alias("rules"),
            sf.count("_truth").alias("with_truth"),
            sf.count_if(settled).alias("model_with_truth"),
            sf.count_if(settled & sf.col("_truth").between(sf.col("lower"), sf.col("upper"))).alias("covered"),
            sf.avg(sf.abs(error)).alias("mean_absolute_error"),
            sf.sqrt(sf.avg(error * error)).alias("root_mean_squared_error"),
            sf.avg(sf.when(settled, sf.abs(error))).alias("model_mean_absolute_error"),
            sf.sqrt(sf.avg(sf.when(settled, error * error))).alias("model_root_mean_squared_error"),
            sf.avg(sf.col("upper") - sf.col("lower")).alias("mean_interval_width"),
            as_error(sf.avg(sf.when(own, sf.col(EXPECTED)))).alias(f"estimated_{watched}"),
            as_error(sf.avg(sf.when(settled, sf.col(EXPECTED)))).alias("_expected_settled"),
            sf.max(CALIBRATION_ERROR).alias(CALIBRATION_ERROR),
            sf.max(SPREAD).alias(SPREAD),
            *same,
        )
    )
    chance = sf.try_divide(sf.pow(SPREAD, sf.lit(2)), sf.col("answered") - sf.col("rules"))
    of_loss = sf.sqrt(sf.pow(CALIBRATION_ERROR, sf.lit(2)) + chance)
    if watched == "root_mean_squared_error":
        of_loss = sf.try_divide(of_loss, 2 * sf.col(f"estimated_{watched}"))
    return (
        counted.withColumn("rules_share", sf.col("rules") / sf.col("answered"))
        .withColumn("interval_coverage", sf.try_divide("covered", "model_with_truth"))
        .withColumn("estimate_standard_error", of_loss)
        .withColumn("estimate_error", sf.col("_expected_settled") - sf.col(f"model_{watched}"))
        .select(period, "model_version", *COUNTS_OF_NUMBERS, *rates_of_numbers(contract))
    )


def _with_expected_loss(requests: DataFrame, contract: Contract, known: Mapping[str, ErrorCalibrationRow]) -> DataFrame:
    """Requests with the loss to expect of each answer, and of its version's calibration its two errors.

    All three are null where the version has no calibration, or none was asked.
    """
    if not known:
        nothing = sf.lit(None).cast("double")
        return requests.withColumns(dict.fromkeys((EXPECTED, CALIBRATION_ERROR, SPREAD), nothing))
    trees = {version: ErrorTrees.model_validate_json(row.trees) for version, row in known.items()}
    features = contract.features

    @sf.pandas_udf("double")  # type: ignore[call-overload]
    def expected(versions: pd.Series, rows: pd.DataFrame) -> pd.Series:
        found = pd.Series(float("nan"), index=versions.index)
        carried = as_carried(features, rows)
        for version, of_version in carried.groupby(versions):
            if version in trees:
                found[of_version.index] = trees[version].expected(of_version)
        return found

    def of_calibration(field: str) -> Column:
        named = [part for version, row in known.items() for part in (sf.lit(version), sf.lit(getattr(row, field)))]
        return sf.try_element_at(sf.create_map(*named), sf.col("model_version"))

    columns = sf.struct(*(sf.col(quoted(name)) for name in looked_at(contract)))
    return requests.withColumns({
        EXPECTED: expected(sf.col("model_version"), columns),
        CALIBRATION_ERROR: of_calibration("standard_error"),
        SPREAD: of_calibration("spread"),
    })  # fmt: skip
