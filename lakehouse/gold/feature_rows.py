"""Silver as gold sees it: features as delivered, or as in requests to the gateway where nobody delivered them."""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as sf

from lakehouse.storage.schema import quoted
from lakeloop.contract import Contract


@dataclass(frozen=True)
class SilverTables:
    """Silver at the versions gold is made from: the feature source, the truth's source (it may be the same one), and
    silver/predictions, None while no request was ever streamed."""

    delivered: DataFrame
    truth: DataFrame
    requests: DataFrame | None = None

    def where(self, condition: Column) -> "SilverTables":
        """The rows of all tables that meet a condition."""
        requests = None if self.requests is None else self.requests.where(condition)
        return SilverTables(self.delivered.where(condition), self.truth.where(condition), requests)

    def features_and_truth(self, contract: Contract) -> tuple[DataFrame, DataFrame | None]:
        """One row of features a key, and the truth; None where it stands in the same rows as the features."""
        if contract.truth_table == contract.feature_source:
            return self.delivered, None
        return feature_rows(self.delivered, self.requests, contract), self.truth


def feature_rows(delivered: DataFrame, requests: DataFrame | None, contract: Contract) -> DataFrame:
    """Key, event time and features, one row a key: as delivered, else of the request with the newest `at`."""
    rows = delivered.select(*_columns(contract))
    if requests is None:
        return rows
    requests = _without_group(requests, contract)
    key = contract.key.column
    return rows.unionByName(
        _newest(requests, [key]).join(delivered.select(quoted(key)), key, "left_anti").select(rows.columns)
    )


def feature_rows_of_periods(delivered: DataFrame, requests: DataFrame | None, contract: Contract) -> DataFrame:
    """The same period by period: a key that was asked about in two periods has a row in each.

    Requests without a key count each for itself. So one period can be computed without reading the others.
    """
    rows = delivered.select(*_columns(contract))
    if requests is None:
        return rows
    requests = _without_group(requests, contract)
    by = [contract.key.column, contract.period_column]
    named = _newest(requests, by).join(delivered.select(*map(quoted, by)), by, "left_anti")
    unnamed = requests.where(sf.col(quoted(by[0])).isNull())
    return rows.unionByName(named.select(rows.columns)).unionByName(unnamed.select(rows.columns))


def _newest(requests: DataFrame, by: list[str]) -> DataFrame:
    newest = Window.partitionBy(*map(quoted, by)).orderBy(sf.desc("at"), sf.desc("answered_at"), "request_id")
    named = requests.where(sf.col(quoted(by[0])).isNotNull())
    return named.withColumn("_newest", sf.row_number().over(newest)).where("_newest = 1").drop("_newest")


def _columns(contract: Contract) -> list[str]:
    group = (contract.group_column,) if contract.group_column else ()
    return [quoted(name) for name in (contract.key.column, contract.period_column, *contract.features, *group)]


def _without_group(requests: DataFrame, contract: Contract) -> DataFrame:
    """Requests do not say the column that rows are split by, where that is nothing else."""
    group = contract.group_column
    return requests.withColumn(group, sf.lit(None).cast("string")) if group else requests
