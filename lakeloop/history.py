"""A use case's real history: delivered files of periods long past, which are replayed as if they came in now.

`history` in the contract names a folder with a folder a source in it, and in that the files as they were delivered,
each of one period, as the source's `files` says.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lakeloop.clock import month_spans
from lakeloop.contract import Column, Contract, Source
from lakeloop.exceptions import WrongUseError
from lakeloop.made_truth import made_truth
from lakeloop.model_input import as_carried
from lakeloop.row_keys import row_keys
from lakeloop.truth_values import FALSE, TRUE
from lakeloop.use_case import UseCase, with_period

if TYPE_CHECKING:
    import pandas as pd

NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"


def history_folder(use_case: UseCase) -> Path:
    """The folder that `history` names, beside the contract unless it is a whole path.

    Raises:
        WrongUseError: the contract names none, or it is not there.
    """
    named = use_case.contract.history
    if named is None:
        raise WrongUseError(f"use case {use_case.name} has no `history` in its contract; name a folder of old files")
    folder = use_case.contract_path.parent / named
    if not folder.is_dir():
        raise WrongUseError(
            f"the history of {use_case.name} should be in {folder}, and there is no such folder; put the files there, "
            "a folder a source, or mend `history` in the contract"
        )
    return folder


def history_files(use_case: UseCase, source: str, month: int) -> list[Path]:
    """The files of one source and month in the order in which they count, corrections last; perhaps none."""
    wanted = use_case.contract.period_name(month)
    return [path for path, name in _files(use_case, source) if name == wanted]


def history_months(use_case: UseCase) -> tuple[int, ...]:
    """The month numbers whose features the history has, from 0 on.

    Raises:
        WrongUseError: there is no history, or it has no file of the features' source.
    """
    contract = use_case.contract
    source = contract.feature_source
    numbers = {contract.period_number(name) for _, name in _files(use_case, source)}
    found = tuple(sorted(number for number in numbers if number >= 0))
    if not found:
        folder = history_folder(use_case) / source
        raise WrongUseError(
            f"the history of {use_case.name} has no file of any {contract.period} from {contract.event_time.start} "
            f"on in {folder}; it should be called as `sources.{source}.files` says, "
            f"{contract.sources[source].files_in_words}"
        )
    return found


def history_rows(use_case: UseCase, month: int) -> "pd.DataFrame":
    """The rows of a month that keep the contract: key (a text), event time, features, and the truth where it is known.

    Of two rows with the same key the one delivered later counts, as in the lake.

    Raises:
        WrongUseError: there is no history, or it has no rows of this month that keep the contract.
    """
    contract = use_case.contract
    key, truth = contract.key.column, contract.label.column
    if month not in history_months(use_case):
        raise WrongUseError(
            f"the history of {use_case.name} has no file of {contract.period} {month} ({contract.period_name(month)}); "
            f"it has {contract.period}s {month_spans(history_months(use_case))}"
        )
    rows = source_rows(use_case, contract.feature_source, month)
    if contract.label.source != contract.feature_source:
        known = source_rows(use_case, contract.label.source, month)
        rows = rows.merge(known[[key, truth]], on=key, how="left")
    kept = rows[_keeps(rows, contract, [contract.event_time.column, *contract.features])]
    if contract.event_time.dated:
        moments = kept[contract.event_time.column].map(contract.event_time.moment)
        kept = kept[moments.notna()]
    if kept.empty:
        raise WrongUseError(
            f"none of the {len(rows):,} rows that the history of {use_case.name} has of {contract.period} {month} "
            f"({contract.period_name(month)}) keeps the contract; `lakeloop lake ingest` says why each is rejected"
        )
    known_truth = kept[truth].where(_keeps(kept, contract, [truth]))
    whole = [n for n, feature in contract.features.items() if feature.carried_as == "int" and not feature.optional]
    typed = kept.assign(**{truth: known_truth}).astype(dict.fromkeys(whole, "int64")).reset_index(drop=True)
    carried = as_carried(contract.features, typed)
    return with_period(contract, carried) if contract.event_time.dated else carried


def source_rows(use_case: UseCase, source: str, month: int) -> "pd.DataFrame":
    """What one source delivered of a month, in the contract's types; a value that is none of its type is missing."""
    import pandas as pd

    contract = use_case.contract
    columns = contract.columns_of(source)
    delivered = [_with_key(contract, source, path) for path in history_files(use_case, source, month)]
    texts = pd.concat(delivered, ignore_index=True) if delivered else pd.DataFrame(columns=list(columns), dtype=str)
    time = contract.event_time.column if contract.event_time.dated else ""  # stays as it is delivered
    typed = pd.DataFrame({n: texts[n] if n == time else _typed(texts[n], column) for n, column in columns.items()})
    if contract.label.made is not None and source == contract.label.source:
        typed[contract.label.column] = made_truth(contract, typed)
    return typed.dropna(subset=[contract.key.column]).drop_duplicates(contract.key.column, keep="last")


def _with_key(contract: Contract, source: str, path: Path) -> "pd.DataFrame":
    """The texts of one file, and the key that bronze makes of them."""
    import pyarrow as pa

    texts = delivered_texts(path, contract.sources[source])
    if contract.key.delivered:
        return texts
    arrays = {str(name): pa.array(values.where(values != "", None), pa.string()) for name, values in texts.items()}
    lines = pa.array(range(2, len(texts) + 2))
    keys = row_keys(contract, source, arrays, pa.scalar(path.name), lines)
    return texts.assign(**{contract.key.column: keys.to_pandas()})


def _files(use_case: UseCase, source: str) -> Iterable[tuple[Path, str]]:
    """A source's files and the name of each one's month."""
    contract, folder = use_case.contract, history_folder(use_case) / source
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (period := contract.period_of_file(source, path.relative_to(folder).as_posix())):
            yield path, period


def delivered_texts(path: Path, spec: Source) -> "pd.DataFrame":
    """The contract's columns of a delivered file, as texts."""
    import pandas as pd

    try:
        return pd.read_csv(path, sep=spec.separator, usecols=list(spec.columns), dtype=str, keep_default_na=False)
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise WrongUseError(f"{path} cannot be read as a file of its source: {error}") from None


def _typed(texts: "pd.Series", column: Column) -> "pd.Series":
    """Texts as the contract's type, as silver has them; missing where a text is empty or none of that type."""
    import pyarrow as pa

    if column.type == "string":
        return texts.where(texts != "")
    bare = texts.str.strip()
    if column.type == "bool":
        return bare.str.lower().map({**dict.fromkeys(TRUE, 1.0), **dict.fromkeys(FALSE, 0.0)})
    # Arrow's reading is exact to the last digit; that of pandas is not.
    numbers = pa.array(bare.where(bare.str.fullmatch(NUMBER)), pa.string()).cast(pa.float64()).to_pandas()
    if column.type == "float":
        return numbers.set_axis(texts.index)
    return numbers.where(numbers % 1 == 0).astype("Int64").set_axis(texts.index)


def _keeps(rows: "pd.DataFrame", contract: Contract, names: list[str]) -> "pd.Series":
    """Whether each row has values that the contract allows in these columns."""
    import pandas as pd

    described = {**contract.features, contract.label.column: contract.label.truth}
    kept = pd.Series(True, index=rows.index)
    for name in names:
        column, there = described.get(name), rows[name].notna()
        fits = there
        if column is not None and column.values is not None:
            fits = rows[name].isin(column.values)
        elif column is not None and column.limits is not None:
            fits = rows[name].between(*column.limits).fillna(False).astype(bool)
        kept &= fits | ~there if column is not None and column.optional else fits
    return kept
