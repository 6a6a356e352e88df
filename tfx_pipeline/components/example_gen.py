"""ExampleGen: an export's CSV as tf.Examples, in the contract's types.

TFX's CsvExampleGen guesses a column's type from its values: text codes such as `01` become numbers and lose their
zero, and so do keys, by which rows find their weights. What is written here is what it would write otherwise.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
from pyarrow import csv
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.proto import example_gen_pb2
from tfx.types import Artifact, BaseChannel, Channel, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from lakeloop.contract import Contract
from lakeloop.exceptions import LakeloopError
from lakeloop.exported import column_types
from tfx_pipeline.components.gold_export import EXPORT_KEY, GoldExportArtifact
from tfx_pipeline.evaluation.answers import EVAL, TRAIN

EXAMPLES_KEY, TYPES_KEY = "examples", "types"
FILE_FORMAT = "tfrecords_gzip"
READ_AS = {"float": pa.float64(), "int": pa.int64(), "string": pa.string()}
WRITTEN_AS = {"float": pa.float32(), "int": pa.int64(), "string": pa.string()}
"""tf.Example knows 32-bit floats, 64-bit whole numbers and bytes."""


class ExampleGenExecutor(base_executor.BaseExecutor):
    """Writes a file of examples for each shard of the export; what the export lacks is left to the DataGate."""

    def Do(  # noqa: N802 TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write both splits.

        Raises:
            LakeloopError: a value is not of its column's type; the text names file, row and column.
        """
        export = artifact_utils.get_single_instance(input_dict[EXPORT_KEY])
        examples = artifact_utils.get_single_instance(output_dict[EXAMPLES_KEY])
        types: dict[str, str] = json.loads(exec_properties[TYPES_KEY])
        examples.split_names = artifact_utils.encode_split_names([TRAIN, EVAL])
        examples.span = 0
        examples_utils.set_payload_format(examples, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(examples, FILE_FORMAT)
        for split in (TRAIN, EVAL):
            shards, rows = sorted((Path(export.uri) / split).glob("*.csv")), 0
            for number, shard in enumerate(shards):
                name = f"data_tfrecord-{number:05d}-of-{len(shards):05d}.gz"
                target = Path(artifact_utils.get_split_uri([examples], split)) / name
                rows += write_examples(shard, target, types, number)
            examples.set_int_custom_property(rows_property(split), rows)


def rows_property(split: str) -> str:
    """The custom property of the examples that says how many rows a split has."""
    return f"{split}_rows"


def write_examples(shard: Path, target: Path, types: Mapping[str, str], seed: int = 0) -> int:
    """One CSV shard -> gzipped TFRecord, its rows in an order that tells nothing: they are sorted by key before.

    Gives how many there are.
    """
    rows = read_rows(shard, types)
    batch = rows.take(pa.array(np.random.default_rng(seed).permutation(rows.num_rows))).combine_chunks()
    target.parent.mkdir(parents=True, exist_ok=True)
    encoder = RecordBatchToExamplesEncoder()
    with tf.io.TFRecordWriter(str(target), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for part in batch.to_batches():
            for example in encoder.encode(_one_value_a_list(part)):
                writer.write(example)
    return int(batch.num_rows)


def read_rows(shard: Path, types: Mapping[str, str]) -> pa.Table:
    """The shard's columns that `types` names, in its types; an empty field is no value, `""` an empty text.

    Raises:
        LakeloopError: a value is not of its column's type.
    """
    convert = csv.ConvertOptions(
        column_types={name: READ_AS[kind] for name, kind in types.items()},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    parse = csv.ParseOptions(newlines_in_values=True)
    try:
        # In one thread the error names the row.
        rows = csv.read_csv(shard, csv.ReadOptions(use_threads=False), parse, convert)
    except pa.ArrowInvalid as error:
        raise LakeloopError(f"{shard} does not hold what the contract says: {error}; export again") from error
    kept = [name for name in rows.column_names if name in types]
    return rows.select(kept).cast(pa.schema([(name, WRITTEN_AS[types[name]]) for name in kept]))


def _one_value_a_list(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Each column as lists of its one value, or no list where it is missing: a parser then takes its default."""
    return pa.RecordBatch.from_arrays(list(_lists(batch)), names=batch.schema.names)


def _lists(batch: pa.RecordBatch) -> Iterator[pa.Array]:
    for column in batch.columns:
        present = np.asarray(column.is_valid())
        offsets = np.concatenate([[0], np.cumsum(present)])
        values = column.drop_null()
        if pa.types.is_string(values.type):
            values = values.cast(pa.binary())
        missing = None if present.all() else pa.array(~present)
        yield pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, mask=missing)


class ExampleGenSpec(ComponentSpec):
    """The export's own split; taking its folder from the artifact keeps the lineage whole."""

    PARAMETERS = {TYPES_KEY: ExecutionParameter(type=str)}
    INPUTS = {EXPORT_KEY: ChannelParameter(type=GoldExportArtifact)}
    OUTPUTS = {EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples)}


class ExampleGen(base_component.BaseComponent):
    """After GoldExport; its node id is `ExampleGen`."""

    SPEC_CLASS = ExampleGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ExampleGenExecutor)

    def __init__(self, contract: Contract, export: BaseChannel):
        super().__init__(
            spec=ExampleGenSpec(
                export=export,
                types=json.dumps(column_types(contract)),
                examples=Channel(type=standard_artifacts.Examples),
            )
        )
