"""Delivered texts as they are meant: codes that lost their zeros, codes that became others, lines that are no rows, and
rows that are one since then.

Spark's twin is `lakehouse.silver.mended_rows`; both follow the source's `read` and `summed`.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from lakeloop.contract import Contract, Source
from lakeloop.contract.read import Spelling
from lakeloop.delivered_values import usual_number

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

DELIVERY = "_delivery"
"""The column that tells deliveries apart, where rows of several stand together."""


def mended_column(source: Source, name: str, texts: "pa.Array") -> "pa.Array":
    """The texts of a source's column as they are meant; those that are as they should be stay as they are."""
    import pyarrow as pa

    if not mends(source, name):
        return texts
    encoded = texts.dictionary_encode()
    meant = [None if text is None else mended_text(source, name, text) for text in encoded.dictionary.to_pylist()]
    return pa.array(meant, pa.string()).take(encoded.indices)


def mends(source: Source, name: str) -> bool:
    """Whether texts of a column become others."""
    return name in source.read.columns and source.read.columns[name].mends


def mended_text(source: Source, name: str, text: str) -> str:
    """One text of such a column as it is meant: first zeros are put back, then it is replaced."""
    said, bare = source.read.columns[name], text.strip(" ")
    if said.digits is not None and re.fullmatch(f"[0-9]{{1,{said.digits - 1}}}", bare):
        text = bare = bare.zfill(said.digits)
    return said.replaced.get(bare, text)


def mended_frame(contract: Contract, source: str, texts: "pd.DataFrame") -> "pd.DataFrame":
    """Texts of a source's rows as they are meant, with the index of those rows that are left.

    `texts` has the columns that the source's rows are told apart by, and, where they are of several deliveries, a
    column DELIVERY.
    """
    spec = contract.sources[source]
    for name, pattern in spec.read.rows.items():
        if name in texts:
            texts = texts[texts[name].map(lambda text, of=re.compile(pattern): is_row(text, of)).astype(bool)]
    changed = {name: texts[name] for name in spec.read.columns if name in texts and mends(spec, name)}
    delivered = {name: texts[name].map(_text) for name in spec.replaced_columns if name in texts}
    meant = {
        name: column.map(lambda text, name=name: mended_text(spec, name, text), na_action="ignore")
        for name, column in changed.items()
    }
    texts = texts.assign(**meant)
    return _merged(contract, source, texts, delivered) if delivered else texts


def is_row(text: object, pattern: "re.Pattern[str]") -> bool:
    """Whether a line with this text is a row; one without is looked at by others."""
    return not isinstance(text, str) or text == "" or pattern.fullmatch(text) is not None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _merged(
    contract: Contract, source: str, texts: "pd.DataFrame", delivered: "Mapping[str, pd.Series]"
) -> "pd.DataFrame":
    """One row for those of a delivery that only became the same; each takes the first one's place."""
    spec, told = contract.sources[source], [n for n in contract.identity(source) if n in texts]
    told += [DELIVERY] if DELIVERY in texts else []
    doubled = texts[told].notna().all(axis="columns") & texts.duplicated(told, keep=False)
    drop, texts = list[object](), texts.copy()
    for _, group in texts[doubled].groupby(told, sort=False):
        was = {index: tuple(column[index] for column in delivered.values()) for index in group.index}
        firsts = [i for i, index in enumerate(group.index) if was[index] not in list(was.values())[:i]]
        parts = group.iloc[firsts]
        if len(parts) < 2:
            continue
        for name in (name for name in spec.columns if name not in told and name in texts):
            spelling = spec.read.spelling(name)
            known = [text for text in parts[name] if isinstance(text, str) and text and not spelling.is_missing(text)]
            together = sum_of(known, spelling) if name in spec.summed else _agreed(known)
            texts.loc[parts.index[0], name] = together
        drop += list(parts.index[1:])
    return texts.drop(index=drop)


def _agreed(texts: Sequence[str]) -> str | None:
    return texts[0] if len(set(texts)) == 1 else None


def sum_of(texts: Sequence[str], spelling: Spelling) -> str | None:
    """The sum of numbers as they are written; None for none, and the first one that is no number where one is."""
    numbers = list[Decimal]()
    for text in texts:
        try:
            numbers.append(Decimal(usual_number(text, spelling) or ""))
        except InvalidOperation:
            return text
    if not numbers:
        return None
    written = f"{sum(numbers, Decimal(0)):f}"
    written = written.rstrip("0").rstrip(".") if "." in written else written
    return written.replace(".", spelling.decimal)
