"""A use case's real history: delivered files of periods long past, which are replayed as if they came in now.

`history` in the contract names a folder with a folder a source in it, and in that the files as they were delivered,
each of one period, as the source's `files` says. Where all sources are fetched and none is named, the home has such a
folder once they were (`operations.fetching.fetched_history`).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from lakehouse.read.delivered_rows import LINE, delivered_rows
from lakeloop.added_columns import with_period
from lakeloop.clock import period_spans
from lakeloop.contract import Column, Contract, Source
from lakeloop.derived_features import with_derived
from lakeloop.event_times import with_event_time
from lakeloop.exceptions import LakeloopError, WrongUseError
from lakeloop.made_truth import made_truth
from lakeloop.mended_texts import mended_frame
from lakeloop.model_input import as_carried, read_times
from lakeloop.row_keys import row_keys
from lakeloop.use_case import UseCase
from operations.fetching.fetched_history import fetched_folder, is_to_be_fetched, whole_until
from operations.joined_rows import met_rows
from operations.typed_rows import are_allowed, joinable, rows_with_times, typed_rows


def history_folder(use_case: UseCase) -> Path:
    """The folder that `history` names, beside the contract unless it is a whole path; of a fetched one the home's.

    Raises:
        WrongUseError: the contract names none, or it is not there.
    """
    if use_case.contract.history_is_fetched:
        if is_to_be_fetched(use_case):
            raise WrongUseError(
                f"the history of {use_case.name} is fetched, and was not yet in {use_case.settings.home}; "
                f"`lakeloop data fetch --history --use-case {use_case.name}` fetches it"
            )
        return fetched_folder(use_case)
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
    until = whole_until(use_case) if contract.history_is_fetched else None
    numbers = {contract.period_number(name) for _, name in _files(use_case, source)}
    found = tuple(sorted(number for number in numbers if number >= 0 and (until is None or number <= until)))
    if not found:
        start, period = contract.event_time.start, contract.period
        raise WrongUseError(
            f"the history of {use_case.name} has no file of any {period} from {start} on in "
            f"{history_folder(use_case) / source}; it should be called as `sources.{source}.files` says, "
            f"{contract.sources[source].files_in_words}"
        )
    return found


def check_in_history(use_case: UseCase, number: int) -> None:
    """Raises WrongUseError where there is no history, or it has no file of this period."""
    there = history_periods(use_case)
    if number not in there:
        period, name = use_case.contract.period, use_case.contract.period_name(number)
        raise WrongUseError(
            f"the history of {use_case.name} has no file of {period} {number} ({name}); it has {period}s "
            f"{period_spans(there)}"
        )


def history_rows(use_case: UseCase, number: int) -> pd.DataFrame:
    """The rows of a period that keep the contract: key (a text), event time, features, and the truth where it is known.

    Of two rows with the same key the one delivered later counts, and within a file the first, as in the lake.

    Raises:
        WrongUseError: there is no history, or it has no rows of this period that keep the contract.
    """
    check_in_history(use_case, number)
    contract = use_case.contract
    key, truth, period = contract.key.column, contract.label.truth_column, contract.period
    name = contract.period_name(number)
    rows = with_joined(use_case, source_rows(use_case, contract.feature_source, number), number)
    if contract.ahead:
        rows = rows.merge(_truth_ahead(use_case, number), on=key, how="left")
    elif contract.label.source != contract.feature_source:
        known = source_rows(use_case, contract.label.source, number)
        rows = rows.merge(known[[key, *(column for column in known if column not in rows)]], on=key, how="left")
    checked = {name: f for name, f in contract.given_features.items() if name != contract.event_time.column}
    good = are_allowed(rows, checked) & _of_period(contract, rows, name)
    kept = rows[good].reset_index(drop=True)
    if kept.empty:
        raise WrongUseError(
            f"none of the {len(rows):,} rows that the history of {use_case.name} has of {period} {number} ({name}) "
            "keeps the contract; `lakeloop lake ingest` says why each is rejected"
        )
    if not contract.label.computed and not contract.ahead:
        kept[truth] = kept[truth].where(are_allowed(kept, {truth: contract.label.truth}))
    given = contract.given_features.items()
    whole = [name for name, feature in given if feature.type == "int" and not feature.optional]
    kept = kept.astype(dict.fromkeys(whole, "int64"))
    kept = with_period(contract, kept) if contract.event_time.dated else kept
    at = contract.event_time.column
    carried = as_carried(contract.features, read_times(contract, kept, [at]) if at in contract.features else kept)
    return with_derived(use_case, carried)


def _truth_ahead(use_case: UseCase, number: int) -> pd.DataFrame:
    """Key and truth of a period's rows, as far as the history has their later rows, and these keep the contract."""
    contract, label = use_case.contract, use_case.contract.label
    key, later = contract.key.column, number + contract.ahead
    rows = source_rows(use_case, contract.feature_source, later)
    checked: dict[str, Column] = {
        name: f for name, f in contract.given_features.items() if name in rows and name != contract.event_time.column
    }
    good = rows[are_allowed(rows, checked) & _of_period(contract, rows, contract.period_name(later))]
    good = good.reset_index(drop=True)
    if label.column in contract.derived_features:
        carried = {name: contract.features[name] for name in contract.features if name in good}
        good = with_derived(use_case, as_carried(carried, good))
    if label.computed:
        good = good.assign(**{label.column: made_truth(contract, good)})
    known = good[are_allowed(good, {label.column: label.truth}) & good[label.column].notna()]
    keys = known[key].map(contract.earlier_key)
    return pd.DataFrame({key: keys, label.truth_column: known[label.column]}).reset_index(drop=True)


def source_rows(use_case: UseCase, source: str, number: int) -> pd.DataFrame:
    """What one source delivered of a period, in the contract's types; what is none of its type is missing."""
    contract = use_case.contract
    key, label = contract.key.column, contract.label
    if label.truth.in_parts and source == label.source:
        parts = _rows_of(contract, source, [path for path, _ in _files(use_case, source)])
        return _together(contract, parts.dropna(subset=[key]))
    return _rows_of(contract, source, history_files(use_case, source, number)).dropna(subset=[key])


def _rows_of(contract: Contract, source: str, files: Sequence[Path]) -> pd.DataFrame:
    """The rows of files in the contract's types, each once: of a file the first, of several files the last."""
    told_by = list(contract.identity(source))
    texts = [_texts(contract, source, path) for path in files]
    texts = texts or [pd.DataFrame(columns=list(contract.columns_of(source)), dtype=str)]
    found = [typed_rows(contract, source, one).drop_duplicates(told_by) for one in texts]
    return pd.concat(found, ignore_index=True).drop_duplicates(told_by, keep="last")


def with_joined(use_case: UseCase, rows: pd.DataFrame, number: int) -> pd.DataFrame:
    """Typed rows of the base with the features of joined sources, of what the history has of these up to a period."""
    contract = use_case.contract
    if not contract.joins:
        return rows
    rows = rows.reset_index(drop=True)
    base = rows_with_times(contract, rows)
    rows = rows.loc[base.index].reset_index(drop=True)
    for source in contract.joins:
        joined = joinable(contract, source, _rows_of(contract, source, joined_files(use_case, source, number)))
        features = contract.joined_features(source)
        met = joined.reset_index(drop=True).reindex(met_rows(contract, source, base, joined))[list(features)]
        rows = rows.assign(**{name: met[name].to_numpy() for name in features})
    return rows


def joined_files(use_case: UseCase, source: str, number: int) -> list[Path]:
    """The files of a joined source up to a period, in the order in which they count; first those of no period."""
    wanted, files = use_case.contract.period_name(number), _files(use_case, source, named=False)
    return [path for path, name in sorted(files, key=lambda found: found[1]) if name <= wanted]


def file_rows(use_case: UseCase, source: str, path: Path) -> int:
    """How many rows a delivered file of a source has."""
    return len(_texts(use_case.contract, source, path))


def _texts(contract: Contract, source: str, path: Path) -> pd.DataFrame:
    """The texts of one file, and the key that bronze makes of them."""
    spec = contract.sources[source]
    try:
        rows = delivered_rows(path, spec, contract.may_lack(source))
    except LakeloopError as error:
        raise WrongUseError(f"the history of {contract.use_case} cannot be read: {error}") from None
    columns = {name: _array(rows[name]) for name in spec.columns}
    columns |= dict.fromkeys(spec.in_file_names, pa.repeat(_named_period(spec, path), rows.num_rows))
    columns |= with_event_time(contract, source, columns)
    if not contract.key.delivered and source not in contract.joins:
        columns[contract.key.column] = row_keys(contract, source, columns, pa.scalar(path.name), _array(rows[LINE]))
    return mended_frame(contract, source, pa.table(columns).to_pandas())


def _named_period(source: Source, path: Path) -> str:
    """The period that a file's name says, or the folders that it lies in."""
    names = ("/".join(path.parts[-depth:]) for depth in range(1, len(path.parts)))
    return next(filter(None, map(source.period_of_file, names)), "")


def _array(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _files(use_case: UseCase, source: str, named: bool = True) -> Iterator[tuple[Path, str]]:
    """A source's files and the name of each one's period, which all must have unless not `named`: then it may be ''."""
    contract, folder = use_case.contract, history_folder(use_case) / source
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        period = contract.period_of_file(source, path.relative_to(folder).as_posix())
        if period or (not named and contract.sources[source].file_pattern.match(path.name)):
            yield path, period


def _together(contract: Contract, parts: pd.DataFrame) -> pd.DataFrame:
    """The truth that the parts of each key make together, a row a key."""
    key, truth = contract.key.column, contract.label.column
    combine = contract.label.truth.combine
    groups = parts.groupby(key, sort=False)
    if combine == "count":
        return groups.size().rename(truth).reset_index()
    known = parts.dropna(subset=[truth]).groupby(key, sort=False)[truth]
    return known.agg("max" if combine == "any" else combine).reset_index()


def _of_period(contract: Contract, rows: pd.DataFrame, name: str) -> pd.Series:
    """Whether each row's event time lies in the period of this name."""
    event_time, texts = contract.event_time, rows[contract.event_time.column]
    if not event_time.dated:
        return texts == name
    moments = {text: event_time.moment(text) for text in texts.dropna().unique()}
    inside = {text for text, at in moments.items() if at and event_time.of_kind.of(at, event_time.timezone) == name}
    return texts.isin(inside)
