"""Files of tf.Examples: which a split has, how they are read, and which are few enough for one process.

Beam's fixed cost is seconds for a table that takes milliseconds; what is larger goes through Beam, on whatever runner.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from tfx.types import Artifact

SMALL_BYTES = 16 * 2**20
"""Of compressed examples: some 400,000 rows of six features."""
READ_BATCH = 10_000


def is_small(examples: "Sequence[Artifact]") -> bool:
    """Whether all splits together are small."""
    return sum(path.stat().st_size for artifact in examples for path in Path(artifact.uri).rglob("*.gz")) <= SMALL_BYTES


def files_of(examples: "Sequence[Artifact]", split: str) -> list[str]:
    """The gzipped TFRecords of a split, in order."""
    folders = [Path(artifact.uri) / f"Split-{split}" for artifact in examples]
    return sorted(str(path) for folder in folders for path in folder.iterdir() if path.is_file())


def records(files: Sequence[str]) -> tf.data.Dataset:
    """The serialised examples in their order, one by one."""
    return tf.data.TFRecordDataset(list(files), compression_type="GZIP")


def batches(files: Sequence[str]) -> Iterator[tf.Tensor]:
    """The same in batches (n,) of bytes."""
    yield from records(files).batch(READ_BATCH)
