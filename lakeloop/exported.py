"""The columns of an export and their types. The contract decides them; a reader that guessed would take `01` for 1."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lakeloop.contract import Contract

if TYPE_CHECKING:
    import pandas as pd

DTYPES = {"float": "float64", "int": "int64", "string": "str"}


def column_types(contract: Contract) -> dict[str, str]:
    """`float`, `int` or `string` of every column of an export, in its order: key, event time, features, label.

    A bool is 0 or 1 there, and a label its class id, or the number. An optional feature's field may be empty.
    """
    features = {name: str(feature.carried_as) for name, feature in contract.features.items()}
    return {
        contract.key.column: "string",
        contract.period_column: "string",
        **features,
        contract.label.name: contract.label.carried_as,
    }


def read_shards(contract: Contract, shards: Iterable[Path], columns: Iterable[str] | None = None) -> "pd.DataFrame":
    """The rows of an export's CSV shards, all columns or some, each in the contract's type; numbers come bit by bit.

    An empty field is missing: NaN. So an optional whole number is a float, as in a table's rows that are read.
    """
    import pandas as pd

    types = {name: DTYPES[kind] for name, kind in column_types(contract).items()}
    types |= {n: "float64" for n, feature in contract.features.items() if feature.optional and types[n] == "int64"}
    wanted = list(types if columns is None else columns)
    frames = [
        pd.read_csv(
            shard, usecols=wanted, dtype=types, float_precision="round_trip", keep_default_na=False, na_values=[""]
        )[wanted]
        for shard in shards
    ]
    return pd.concat(frames, ignore_index=True)
