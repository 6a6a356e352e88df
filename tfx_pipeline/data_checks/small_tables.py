"""Which examples are few enough to be read by one process, and how they are read.

Beam's fixed cost is seconds for a table that takes milliseconds; what is larger goes through Beam, on whatever runner.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow as tf
from tfx.types import Artifact, artifact_utils

SMALL_BYTES = 16 * 2**20
"""Of compressed examples: some 400,000 rows of six features."""
READ_BATCH = 10_000


def is_small(examples: Sequence[Artifact]) -> bool:
    """Whether all splits together are small."""
    return sum(path.stat().st_size for artifact in examples for path in Path(artifact.uri).rglob("*.gz")) <= SMALL_BYTES


def files_of(examples: Sequence[Artifact], split: str) -> list[str]:
    """The gzipped TFRecords of a split, in order."""
    folders = artifact_utils.get_split_uris(list(examples), split)
    return sorted(str(path) for folder in folders for path in Path(folder).iterdir() if path.is_file())


def serialised(files: Sequence[str]) -> Iterator[tf.Tensor]:
    """The examples in their order, in batches (n,) of bytes."""
    yield from tf.data.TFRecordDataset(list(files), compression_type="GZIP").batch(READ_BATCH)
