"""Staged lines -> rows as bronze keeps them: plain parts are split by Arrow, the others by Spark's parser.

What is split waits on disk beside what was staged, so one commit can bring both.
"""

from collections.abc import Iterator
from functools import reduce
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow.dataset import dataset
from pyspark.sql import DataFrame, SparkSession

from lakehouse.bronze.admission import Admission, Layout
from lakehouse.bronze.delivered_columns import extra_columns
from lakehouse.bronze.extra_values import extra_values
from lakehouse.bronze.odd_lines import odd_rows, read_lines
from lakehouse.bronze.plain_lines import plain_fields
from lakeloop.contract import Source

OUTPUT_BYTES = 64 << 20
ODD = "odd"


def split(spark: SparkSession, spec: Source, admission: Admission) -> Path:
    """A folder with everything staged, split into fields; the parts that were plain are deleted.

    In it an Arrow file for each plain part or part of rows, under the part's name, and the folder `odd` with what Spark
    read.
    """
    folder = next(iter(admission.layouts.values())).parent / "split"
    folder.mkdir()
    odd = []
    for layout, staged in admission.layouts.items():
        for part in parts_of(staged):
            if layout.split:
                part.rename(folder / part.name)
            elif _split_plain(part, layout, spec, folder):
                part.unlink()
        odd += [(layout, part) for part in parts_of(staged)]
    if odd:
        rows = [odd_part_rows(spark, spec, admission, layout, str(admission.layouts[layout]))
                for layout in dict(odd)]  # fmt: skip
        tasks = min(len(odd), sum(part.stat().st_size for _, part in odd) // OUTPUT_BYTES + 1)
        reduce(DataFrame.unionByName, rows).coalesce(tasks).write.parquet(str(folder / ODD))
    return folder


def parts_of(folder: Path, pattern: str = "*") -> list[Path]:
    """Staged parts that hold anything, in order."""
    return sorted(p for p in folder.glob(pattern) if p.stat().st_size)


def odd_part_rows(spark: SparkSession, spec: Source, admission: Admission, layout: Layout, *paths: str) -> DataFrame:
    """Rows of the staged parts of one layout, or of folders of them, by Spark."""
    files = [r.file for r in admission.taken]
    return odd_rows(read_lines(spark, paths), layout, spec.columns, spec.separator, files, admission.first)


def split_rows(admission: Admission, folder: Path) -> Iterator[pa.RecordBatch]:
    """Everything in the folder that `split` made: the contract's columns and the row's origin, batch by batch."""
    if (folder / ODD).is_dir():
        yield from dataset(folder / ODD, format="parquet").to_batches()
    files = [r.file for r in admission.taken]
    for path in sorted(path for path in folder.iterdir() if path.name != ODD):
        line, number = (int(text) for text in path.name.split(".")[:2])
        with pa.memory_map(str(path)) as mapped:
            reader = pa.ipc.open_file(mapped)
            for index in range(reader.num_record_batches):
                batch = reader.get_batch(index)
                yield _with_origin(batch, files[number - admission.first], number, line)
                line += batch.num_rows


def _split_plain(part: Path, layout: Layout, spec: Source, folder: Path) -> bool:
    """Whether the part's lines are plain; then their fields are in `folder`, those of other columns in `_extra`."""
    if layout.quoted:
        return False
    fields = plain_fields(part.read_bytes(), spec.separator, len(layout.header))
    if fields is None:
        return False
    given = fields.rename_columns(list(layout.header))
    nothing = pa.nulls(given.num_rows, pa.string())
    named = pa.table({name: given[name] if name in layout.header else nothing for name in spec.columns})
    extra = extra_values({name: given[name] for name in extra_columns(layout.header, spec)})
    if extra is not None:
        named = named.append_column("_extra", extra)
    with pa.OSFile(str(folder / part.name), "wb") as sink, pa.ipc.new_file(sink, named.schema) as writer:
        writer.write_table(named)
    return True


def _with_origin(fields: pa.RecordBatch, file: str, number: int, line: int) -> pa.RecordBatch:
    """The same rows with what says where they come from; what they have of it already stays."""
    rows = fields.num_rows
    nothing = pa.nulls(rows, pa.string())
    origin = {
        "_rescued": nothing,
        "_flaw": nothing,
        "_extra": nothing,
        "_source_file": pa.repeat(file, rows),
        "_delivery": pa.repeat(pa.scalar(number, pa.int64()), rows),
        "_line": pa.array(np.arange(line, line + rows)),
    }
    return pa.RecordBatch.from_pydict(origin | dict(zip(fields.schema.names, fields.columns, strict=True)))
