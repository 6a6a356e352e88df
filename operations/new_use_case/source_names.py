"""What the source of a new use case is called, and the files of its history."""

import re

from lakeloop.contract.file_names import ENDINGS, PLACEHOLDERS
from lakeloop.contract.periods import PeriodKind
from operations.new_use_case.files import COMPRESSIONS, SampleFile
from operations.new_use_case.names import own_name
from operations.new_use_case.tables import TableDraft

UNTIMED = "period"
"""The column that the history gets where no delivered one says when."""


def source_name(table: TableDraft, taken: str = "") -> str:
    """What the files of a table are called together: their common stem without digits, or `rows`.

    Of the parts that Spark and its like write into a folder it is the folder's name.
    """
    stems = [_stem(file) for file in table.sample.files]
    stem = stems[0] if len(set(stems)) == 1 else _common(stems)
    made = own_name("".join(letter if not letter.isdigit() else " " for letter in stem), "rows")
    made = "rows" if made in ("deliveries", "rejects", "requests", "predictions", "data") or len(made) < 2 else made
    return made if made != taken else f"{made}_truth"


def _stem(file: SampleFile) -> str:
    stem = file.path.name.removesuffix(file.ending)
    folders = [folder.name for folder in file.path.parents if "=" not in folder.name]
    return folders[0] if re.match(r"part([-_.]|$)", stem) and folders[0] else stem


def _common(stems: list[str]) -> str:
    first, last = min(stems), max(stems)
    same = next(
        (place for place, letter in enumerate(first) if place >= len(last) or last[place] != letter), len(first)
    )
    return first[:same]


def file_pattern(period: PeriodKind, table: TableDraft) -> str:
    """The pattern of a source's files: one file a period, several where their headers differ."""
    stem = source_name(table).replace("_", "-")
    several = "*" if table.sample.format == "csv" and len(set(table.sample.heads)) > 1 else ""
    return f"{stem}-{{{PLACEHOLDERS[period]}}}{several}{ending_of(table)}"


def ending_of(table: TableDraft) -> str:
    """The ending of files of this table; what has none that the lake knows is CSV."""
    file = table.sample.files[0]
    first = file.ending.lower().partition(".")[2].partition(".")[0]
    if f".{first}" in {ending for endings in ENDINGS.values() for ending in endings}:
        return file.ending.lower()
    packed = {compression: ending for ending, compression in COMPRESSIONS.items()}
    return ENDINGS[file.format][0] + packed.get(file.compression, "")


def joined_names(name: str, table: TableDraft) -> list[str]:
    """What the files of a joined source are called in the history: they say no period, and come first."""
    stem, ending, number = name.replace("_", "-"), ending_of(table), len(table.sample.files)
    return [f"{stem}-{place:03d}{ending}" for place in range(1, number + 1)] if number > 1 else [f"{stem}{ending}"]
