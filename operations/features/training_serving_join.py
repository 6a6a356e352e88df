"""What training saw of the rows the gateway served: the same key in the same period, from where it can be had.

Delivered rows and a simulation's own rows came another way than through the gateway, so they show a skew at its door.
Rows of gold/training that were made of the very requests show only what happens after it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lakehouse.exceptions import VersionVacuumedError
from lakehouse.read.provenance import silver_of, table_versions
from lakehouse.storage.layout import PREDICTIONS_TABLE, TRAINING_TABLE
from lakehouse.storage.table_rows import rows_at
from lakeloop.contract import Contract
from lakeloop.contract.columns import DECIMAL_DIGITS, DECIMAL_PLACES
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import open_lake_table, read_lake_table
from lakeloop.use_case import UseCase
from operations.period_rows import period_rows
from operations.simulation import request_id_of

TYPES = {
    "double": "float", "long": "int", "boolean": "bool", "string": "string", "date": "date", "timestamp": "timestamp",
    f"decimal({DECIMAL_DIGITS},{DECIMAL_PLACES})": "decimal",
}  # fmt: skip
TRAINED = "_trained"
"""What training's columns end in beside the served ones."""


@dataclass(frozen=True)
class Joined:
    """Served rows beside training's. `rows` has the served columns and `<feature>_trained`; `source` says from where.

    `independent`: the values did not come through the gateway.
    """

    source: str
    independent: bool
    rows: pd.DataFrame


@dataclass(frozen=True)
class TrainingServingJoins:
    """All joins, and what could not be joined, in words."""

    joined: tuple[Joined, ...]
    gaps: tuple[str, ...]


def training_serving_joins(use_case: UseCase, served: pd.DataFrame) -> TrainingServingJoins:
    """Training's row for every served one that has any."""
    contract = use_case.contract
    key, period = contract.key.column, contract.period_column
    gaps: list[str] = []
    named = served[served[key].notna()]
    if len(named) < len(served):
        gaps.append(
            f"{len(served) - len(named):,} of {len(served):,} requests have no {key}: no row of training is theirs"
        )
    periods = sorted(named[period].unique())
    delivered = _rows(use_case, f"silver/{contract.feature_source}", periods)
    gold = _rows(use_case, TRAINING_TABLE, periods)
    joined = []
    by_file = _beside(contract, named, delivered)
    # What is in gold is what training saw; silver has besides what it will see once its truth comes.
    in_gold = by_file[key].isin(gold[key])
    joined.append(Joined(TRAINING_TABLE, True, _beside(contract, by_file[in_gold], gold, again=True)))
    joined.append(Joined(f"silver/{contract.feature_source}", True, by_file[~in_gold]))
    rest = named[~named["request_id"].isin(by_file["request_id"])]
    made_of = rest[rest["request_id"].isin(_requests_in_gold(use_case, gaps))]
    through = _beside(contract, made_of, gold)
    simulated = _simulated(use_case, rest)
    joined.append(Joined("the simulation's own rows", True, simulated))
    joined.append(Joined(f"{TRAINING_TABLE}, made of the requests", False, through))
    alone = rest[~rest["request_id"].isin(simulated["request_id"]) & ~rest["request_id"].isin(through["request_id"])]
    if len(alone):
        elsewhere = int(alone[key].isin(_keys(use_case)).sum())
        if elsewhere:
            gaps.append(f"{elsewhere:,} requests are about a key that was delivered for another {contract.period}")
        if elsewhere < len(alone):
            gaps.append(
                f"{len(alone) - elsewhere:,} requests are about a key that nobody delivered and no simulation drew"
            )
    if len(served) and not any(one.independent and len(one.rows) for one in joined):
        gaps.append(
            "no served row has values that came another way than through the gateway: whether they are changed at its "
            "door is not known"
        )
    return TrainingServingJoins(tuple(one for one in joined if len(one.rows)), tuple(gaps))


def _rows(use_case: UseCase, table: str, periods: Sequence[str]) -> pd.DataFrame:
    contract = use_case.contract
    columns = [contract.key.column, contract.period_column, *contract.features]
    found = (
        read_lake_table(use_case, table, columns, [(contract.period_column, "in", list(periods))]) if periods else None
    )
    return pd.DataFrame(columns=columns) if found is None else found


def _keys(use_case: UseCase) -> pd.Series:
    contract = use_case.contract
    found = read_lake_table(use_case, f"silver/{contract.feature_source}", [contract.key.column])
    return pd.Series(dtype=str) if found is None else found[contract.key.column]


def _requests_in_gold(use_case: UseCase, gaps: list[str]) -> pd.Series:
    """Ids of the newest request of each key when gold was last made: of them are its rows that nobody delivered."""
    key = use_case.contract.key.column
    try:
        versions = table_versions(use_case, TRAINING_TABLE)
        version = silver_of(versions, versions[-1].version).get("predictions")
        if version is None:
            return pd.Series(dtype=str)
        rows = rows_at(use_case, PREDICTIONS_TABLE, version, ["request_id", key, "at", "answered_at"]).to_pandas()
    except VersionVacuumedError as gone:
        gaps.append(f"which requests gold's rows are made of is not known: {gone}")
        return pd.Series(dtype=str)
    except NotFoundError:  # no gold yet
        return pd.Series(dtype=str)
    newest_last = rows.sort_values(["at", "answered_at", "request_id"], ascending=[True, True, False])
    return newest_last.drop_duplicates(key, keep="last")["request_id"]


def _beside(contract: Contract, served: pd.DataFrame, trained: pd.DataFrame, again: bool = False) -> pd.DataFrame:
    """Served rows with training's values of the same key and period beside them; `again`: in place of others."""
    by = [contract.key.column, contract.period_column]
    if again:
        served = served.drop(columns=[f"{name}{TRAINED}" for name in contract.features])
    renamed = trained.rename(columns={name: f"{name}{TRAINED}" for name in contract.features})
    return served.merge(renamed, on=by, how="inner")


def trained_types(use_case: UseCase) -> dict[str, str]:
    """Feature -> its type in gold/training, else in silver, in the contract's words; {} while there is neither."""
    contract = use_case.contract
    found = open_lake_table(use_case, TRAINING_TABLE) or open_lake_table(use_case, f"silver/{contract.feature_source}")
    if found is None:
        return {}
    stored = {field.name: str(getattr(field.type, "type", field.type)) for field in found.schema().fields}
    return {name: TYPES.get(stored[name], stored[name]) for name in contract.features if name in stored}


def _simulated(use_case: UseCase, served: pd.DataFrame) -> pd.DataFrame:
    """Requests of simulations, beside the rows that were drawn or replayed: their ids are made of key and label."""
    contract = use_case.contract
    key, period = contract.key.column, contract.period_column
    labels = _simulations(use_case)
    parts = [served.iloc[:0].assign(**{f"{name}{TRAINED}": None for name in contract.features})]
    if contract.plays_periods and labels:
        for name, rows in served.groupby(period):
            number = contract.period_number(str(name))
            sent = [
                any(request_id == request_id_of(contract, one, label) for label in labels)
                for request_id, one in zip(rows["request_id"], rows[key], strict=True)
            ]
            if number >= 0 and any(sent):
                drawn = period_rows(use_case, number)
                parts.append(_beside(contract, rows[sent], drawn[[key, period, *contract.features]]))
    return parts[0] if len(parts) == 1 else pd.concat(parts[1:], ignore_index=True)


def _simulations(use_case: UseCase) -> tuple[str, ...]:
    """Labels of the simulations that were run on this home."""
    folder = Path(use_case.settings.area("logs")) / "simulations" / use_case.name
    return tuple(_labels(folder)) if folder.is_dir() else ()


def _labels(folder: Path) -> Iterator[str]:
    return (path.stem for path in sorted(folder.glob("*.json")))
