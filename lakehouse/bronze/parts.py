"""Parts of a staged file: lines that are still to be split, or rows that are split already."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from lakehouse.exceptions import FileRefusedError

PART_BYTES = 32 << 20
LINE_BYTES = 32 << 20
BATCH_ROWS = 20_000
ROWS = ".rows"
ROW_ORIGIN = ("_rescued", "_flaw", "_extra")


class LineParts:
    """Writes lines into parts of about PART_BYTES, named `<line>.<number>.<cut>`; a line never spans two."""

    def __init__(self, folder: Path, number: int, first_line: int) -> None:
        self.folder, self.number = folder, number
        self.line, self.rows = first_line, 0
        self._line_bytes = 0
        self._stream: BinaryIO | None = None
        self._size = self._last_end = 0
        self._at_line_start = True

    def write(self, data: bytes) -> None:
        if self._stream is not None and self._size >= PART_BYTES and (end := data.find(b"\n") + 1):
            self._append(data[:end])
            self._finish()
            data = data[end:]
        if data:
            self._append(data)

    def _append(self, data: bytes) -> None:
        if self._stream is None:
            self._stream = self._open(self.line, cut=False)
            self._size = self._last_end = 0
        self._check_length(data)
        self._stream.write(data)
        lines = data.count(b"\n")
        empty = self._at_line_start and data.startswith(b"\n")
        blanks = int(empty) + (len(re.findall(rb"(?<=\n)\n", data)) if b"\n\n" in data else 0)
        self.line += lines
        self.rows += lines - blanks
        if lines:
            self._last_end = self._size + data.rfind(b"\n") + 1
        self._size += len(data)
        self._at_line_start = data.endswith(b"\n")

    def _check_length(self, data: bytes) -> None:
        first, last = data.find(b"\n"), data.rfind(b"\n")
        if self._line_bytes + (len(data) if first < 0 else first) > LINE_BYTES:
            raise FileRefusedError(
                f"has more than {LINE_BYTES:,} bytes in line {self.line}, more than can be read at once; check where "
                "its lines end"
            )
        self._line_bytes = len(data) - last - 1 if last >= 0 else self._line_bytes + len(data)

    def _open(self, line: int, cut: bool) -> BinaryIO:
        self.folder.mkdir(parents=True, exist_ok=True)
        return (self.folder / f"{line:012d}.{self.number:08d}.{int(cut)}").open("w+b")

    def _finish(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def close(self) -> None:
        """Close the last part; bytes after the last line end move into a part of their own, marked as cut."""
        if self._stream is not None and self._last_end < self._size:
            self._stream.seek(self._last_end)
            with self._open(self.line, cut=True) as tail:
                tail.write(self._stream.read())
            self._stream.truncate(self._last_end)
            self.rows += 1
            if self._last_end == 0:
                Path(self._stream.name).unlink()
        self._finish()


class RowParts:
    """Writes rows as bronze keeps them into an Arrow file named `<line>.<number>.rows`.

    A row has its line (or number) in the delivered file, the texts of the columns, and `_rescued`, `_flaw`, `_extra`.
    """

    def __init__(self, folder: Path, number: int, columns: Sequence[str]) -> None:
        texts = [(name, pa.string()) for name in (*columns, *ROW_ORIGIN)]
        self.schema = pa.schema([*texts, ("_line", pa.int64())])
        self.folder, self.number = folder, number
        self.rows = 0
        self._columns = len(columns)
        self._waiting: list[tuple[str | int | None, ...]] = []
        self._writer: pa.ipc.RecordBatchFileWriter | None = None

    def add(self, line: int, values: Sequence[str | None], extra: str | None = None) -> None:
        """A row with a text or nothing for each column."""
        self._put((*values, None, None, extra, line))

    def add_flawed(self, line: int, rescued: str, flaw: str) -> None:
        """What could not be split into columns, and why."""
        self._put((*[None] * self._columns, rescued, flaw, None, line))

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Rows of this schema."""
        self._flush()
        self._open(batch["_line"][0].as_py()).write_batch(batch)
        self.rows += batch.num_rows

    def close(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _put(self, row: tuple[str | int | None, ...]) -> None:
        self._waiting.append(row)
        if len(self._waiting) >= BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        arrays = [
            pa.array(values, field.type)
            for values, field in zip(zip(*self._waiting, strict=True), self.schema, strict=True)
        ]
        self._open(arrays[-1][0].as_py()).write_batch(pa.RecordBatch.from_arrays(arrays, schema=self.schema))
        self.rows += len(self._waiting)
        self._waiting.clear()

    def _open(self, line: int) -> pa.ipc.RecordBatchFileWriter:
        if self._writer is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{line:012d}.{self.number:08d}{ROWS}"
            self._writer = pa.ipc.new_file(str(path), self.schema)
        return self._writer
