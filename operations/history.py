"""A use case's real history: delivered files of periods long past, which are replayed as if they came in now.

`history` in the contract names a folder with a folder a source in it, and in that the files as they were delivered,
each of one period, as the source's `files` says.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

from lakehouse.read.delivered_rows import LINE, delivered_rows
from lakeloop.clock import period_spans
from lakeloop.contract import Column, Contract
from lakeloop.contract.sources import Read
from lakeloop.exceptions import LakeloopError, WrongUseError
from lakeloop.model_input import as_carried
from lakeloop.row_keys import row_keys
from lakeloop.truth_values import FALSE, TRUE
from lakeloop.use_case import UseCase, with_period

NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
TRUTH_VALUES = dict.fromkeys(TRUE, 1.0) | dict.fromkeys(FALSE, 0.0)


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


def history_files(use_case: UseCase, source: str, number: int) -> list[Path]:
    """The files of one source and period in the order in which they count, corrections last; perhaps none."""
    wanted = use_case.contract.period_name(number)
    return [path for path, name in _files(use_case, source) if name == wanted]


def history_periods(use_case: UseCase) -> tuple[int, ...]:
    """The numbers of the periods whose features the history has, from 0 on.

    Raises:
        WrongUseError: there is no history, or it has no file of the features' source.
    """
    contract = use_case.contract
    source = contract.feature_source
    numbers = {contract.period_number(name) for _, name in _files(use_case, source)}
    found = tuple(sorted(number for number in numbers if number >= 0))
    if not found:
        start, period = contract.event_time.start, contract.period
        raise WrongUseError(
            f"the history of {use_case.name} has no file of any {period} from {start} on in "
            f"{history_folder(use_case) / source}; it should be called as `sources.{source}.files` says, "
            f"{contract.sources[source].files_in_words}"
        )
    return found


def history_rows(use_case: UseCase, number: int) -> pd.DataFrame:
    """The rows of a period that keep the contract: key (a text), event time, features, and the truth where it is known.

    Of two rows with the same key the one delivered later counts, and within a file the first, as in the lake.

    Raises:
        WrongUseError: there is no history, or it has no rows of this period that keep the contract.
    """
    contract = use_case.contract
    key, truth, period = contract.key.column, contract.label.column, contract.period
    name = contract.period_name(number)
    if number not in history_periods(use_case):
        raise WrongUseError(
            f"the history of {use_case.name} has no file of {period} {number} ({name}); it has {period}s "
            f"{period_spans(history_periods(use_case))}"
        )
    rows = source_rows(use_case, contract.feature_source, number)
    if contract.label.source != contract.feature_source:
        known = source_rows(use_case, contract.label.source, number)
        rows = rows.merge(known[[key, *(column for column in known if column not in rows)]], on=key, how="left")
    good = _keeps(rows, contract.features) & _of_period(contract, rows, name)
    kept = rows[good].reset_index(drop=True)
    if kept.empty:
        raise WrongUseError(
            f"none of the {len(rows):,} rows that the history of {use_case.name} has of {period} {number} ({name}) "
            "keeps the contract; `lakeloop lake ingest` says why each is rejected"
        )
    if contract.label.made is None:
        kept[truth] = kept[truth].where(_keeps(kept, {truth: contract.label.truth}))
    whole = [name for name, feature in contract.features.items() if feature.type == "int" and not feature.optional]
    kept = as_carried(contract.features, kept.astype(dict.fromkeys(whole, "int64")))
    return with_period(contract, kept) if contract.event_time.dated else kept


def source_rows(use_case: UseCase, source: str, number: int) -> pd.DataFrame:
    """What one source delivered of a period, in the contract's types; what is none of its type is missing."""
    contract = use_case.contract
    columns, read = contract.columns_of(source), contract.sources[source].read
    key = contract.key.column
    files = history_files(use_case, source, number)
    texts = [_texts(contract, source, path).drop_duplicates(key) for path in files]
    delivered = pd.concat(texts, ignore_index=True) if texts else pd.DataFrame(columns=list(columns), dtype=str)
    typed = {
        name: delivered[name] if name == contract.event_time.column else typed_values(delivered[name], column, read)
        for name, column in columns.items()
    }
    rows = pd.DataFrame(typed)
    return rows.dropna(subset=[key]).drop_duplicates(key, keep="last")


def file_rows(use_case: UseCase, source: str, path: Path) -> int:
    """How many rows a delivered file of a source has."""
    return len(_texts(use_case.contract, source, path))


def _texts(contract: Contract, source: str, path: Path) -> pd.DataFrame:
    """The texts of one file, and the key that bronze makes of them."""
    spec = contract.sources[source]
    may_lack = {name for name, column in contract.columns_of(source).items() if column.optional}
    try:
        rows = delivered_rows(path, spec, may_lack)
    except LakeloopError as error:
        raise WrongUseError(f"the history of {contract.use_case} cannot be read: {error}") from None
    columns = {name: _array(rows[name]) for name in spec.columns}
    if not contract.key.delivered:
        columns[contract.key.column] = row_keys(contract, source, columns, pa.scalar(path.name), _array(rows[LINE]))
    return pa.table(columns).to_pandas()


def _array(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _files(use_case: UseCase, source: str) -> Iterator[tuple[Path, str]]:
    """A source's files and the name of each one's period."""
    contract, folder = use_case.contract, history_folder(use_case) / source
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (period := contract.period_of_file(source, path.relative_to(folder).as_posix())):
            yield path, period


def typed_values(texts: pd.Series, column: Column, read: Read) -> pd.Series:
    """Texts as the contract's type, as silver has them; missing where a text means nothing or is none of that type."""
    bare = texts.str.strip()
    if read.trim:
        texts = texts.str.strip(" ")
    if read.missing:
        texts, bare = (each.mask(bare.isin(read.missing)) for each in (texts, bare))
    if column.type == "string":
        return texts.where(texts != "")
    if column.type == "bool":
        return bare.str.lower().map(TRUTH_VALUES)
    if read.thousands:
        grouped = bare.str.fullmatch(rf"[+-]?[0-9]{{1,3}}(\{read.thousands}[0-9]{{3}})+(\{read.decimal}[0-9]*)?")
        marked = bare.str.contains(read.thousands, regex=False)
        bare = bare.where(~_true(marked) | _true(grouped)).str.replace(read.thousands, "", regex=False)
    if read.decimal != ".":
        bare = bare.mask(_true(bare.str.contains(".", regex=False))).str.replace(read.decimal, ".", regex=False)
    # Arrow's reading is exact to the last digit; that of pandas is not.
    texts_of_numbers = bare.where(_true(bare.str.fullmatch(NUMBER)))
    numbers = pa.array(texts_of_numbers, pa.string(), from_pandas=True).cast(pa.float64()).to_pandas()
    if column.type == "int":
        numbers = numbers.where(numbers % 1 == 0)
    return numbers.astype(float).set_axis(texts.index)


def _true(found: pd.Series) -> pd.Series:
    """Whether it is so; not where nobody knows."""
    return found.astype("boolean").fillna(False).astype(bool)


def _keeps(rows: pd.DataFrame, columns: Mapping[str, Column]) -> pd.Series:
    """Whether each row has values that the contract allows in these columns."""
    kept = pd.Series(True, rows.index)
    for name, column in columns.items():
        missing = rows[name].isna()
        good = ~missing
        if column.values is not None:
            good &= rows[name].isin(column.values)
        elif column.limits is not None:
            good &= _true(rows[name].between(*column.limits))
        kept &= good | missing if column.optional else good
    return kept


def _of_period(contract: Contract, rows: pd.DataFrame, name: str) -> pd.Series:
    """Whether each row's event time lies in the period of this name."""
    event_time, texts = contract.event_time, rows[contract.event_time.column]
    if not event_time.dated:
        return texts == name
    moments = {text: event_time.moment(text) for text in texts.dropna().unique()}
    inside = {text for text, at in moments.items() if at and event_time.of_kind.of(at, event_time.timezone) == name}
    return texts.isin(inside)
