"""Vocabularies learnt from the training rows: the commonest values of each feature whose contract lists none.

They are counted before the rest of Transform and stand in its graph as constants, so a model's width is that of the
values there are. Memory stays bounded: beyond `MOST_COUNTED` different values the rarest are forgotten on the way
(Misra and Gries 1982), which the commonest survive.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf
from tfx_bsl.sketches import MisraGriesSketch

from lakeloop.contract import Feature
from lakeloop.exceptions import LakeloopError
from lakeloop.frozen_model import FrozenModel
from tfx_pipeline.example_files import READ_BATCH, batches
from tfx_pipeline.training.columns import Columns
from tfx_pipeline.training.encoding import tokens_of, width
from tfx_pipeline.training.raw_features import example_spec

VOCABULARIES_KEY = "vocabularies"
FILE_NAME = "vocabularies.json"
MOST_COUNTED = 1_000_000
Vocabularies = Mapping[str, Sequence[str]]
"""Values by feature, the commonest first."""


class LearntVocabulary(FrozenModel):
    """What was learnt of one feature; `different`: how many values there are, of which `MOST_COUNTED` are counted."""

    values: tuple[str, ...]
    different: int

    def __str__(self) -> str:
        more = " or more" if self.different >= MOST_COUNTED else ""
        return f"{len(self.values):,} of {self.different:,}{more}"


def features_to_learn(columns: Columns) -> dict[str, Feature]:
    """The features that have a vocabulary of their own; one that is hashed alone has none."""
    return {
        name: feature
        for name, feature in columns.features.items()
        if feature.vocabulary is not None and feature.vocabulary.hash_buckets is None
    }


def learn_in_process(columns: Columns, train: Sequence[str]) -> dict[str, LearntVocabulary]:
    """The vocabularies of the training examples, counted here.

    Raises:
        LakeloopError: a feature has no value that is common enough.
    """
    features = features_to_learn(columns)
    if not features:
        return {}
    counter = ValueCounter(features)
    counts = counter.create_accumulator()
    for batch in batches(train):
        counts = counter.add_input(counts, batch.numpy())
    return checked(features, counter.extract_output(counts))


def learn_on_beam(columns: Columns, train: Sequence[str], pipeline: beam.Pipeline, folder: Path) -> None:
    """The same on Beam, for tables of any size; `learnt_in` reads what it leaves in `folder`."""
    (
        pipeline
        | beam.Create(list(train))
        | beam.io.ReadAllFromTFRecord()
        | beam.BatchElements(min_batch_size=READ_BATCH // 10, max_batch_size=READ_BATCH)
        | beam.CombineGlobally(ValueCounter(features_to_learn(columns)))
        | beam.Map(_write, str(folder))
    )


def learnt_in(columns: Columns, folder: Path) -> dict[str, LearntVocabulary]:
    """What `learn_on_beam` wrote. Raises LakeloopError as `learn_in_process` does."""
    (file,) = folder.iterdir()
    found = json.loads(file.read_text(encoding="utf-8"))
    features = features_to_learn(columns)
    return checked(features, {name: LearntVocabulary.model_validate(found[name]) for name in features})


def write_vocabularies(vocabularies: Vocabularies, graph: Path) -> None:
    """Keep them beside the transform graph, which has only their hashes."""
    (graph / FILE_NAME).write_text(json.dumps(vocabularies), encoding="utf-8")


def read_vocabularies(graph: Path) -> Vocabularies:
    """Those of a transform graph; none where it was made before they were kept."""
    file = graph / FILE_NAME
    found: Vocabularies = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found


def vocabularies_from(config: Mapping[str, Any]) -> Vocabularies:
    """The vocabularies of a `custom_config`."""
    found: Vocabularies = json.loads(config.get(VOCABULARIES_KEY, "{}"))
    return found


def checked(features: Mapping[str, Feature], learnt: dict[str, LearntVocabulary]) -> dict[str, LearntVocabulary]:
    """The vocabularies, if each gives the model something to see.

    Raises:
        LakeloopError: a feature would have no column at all.
    """
    for name, feature in features.items():
        if not width(feature, learnt[name].values):
            assert feature.vocabulary is not None
            raise LakeloopError(
                f"no value of `{name}` stands in {feature.vocabulary.min_count} training rows, so its vocabulary is "
                "empty; lower `vocabulary.min_count` in the contract, or set `out_of_vocabulary`"
            )
    return learnt


Counts = dict[str, MisraGriesSketch]


class ValueCounter(beam.CombineFn):
    """Batches of serialised tf.Examples -> vocabularies by feature; equally common values are in their own order."""

    def __init__(self, features: Mapping[str, Feature]) -> None:
        super().__init__()
        self._features = dict(features)

    def create_accumulator(self) -> Counts:
        """Nothing counted."""
        return {name: MisraGriesSketch(MOST_COUNTED) for name in self._features}

    def add_input(self, counts: Counts, records: Sequence[bytes]) -> Counts:
        """Count the values of some rows; missing ones are none."""
        for name, values in tf.io.parse_example(records, example_spec(self._features)).items():
            tokens = tokens_of(self._features[name], values).numpy()
            counts[name].AddValues(pa.array(tokens[tokens != b""], pa.binary()))
        return counts

    def merge_accumulators(self, several: Iterable[Counts]) -> Counts:
        """Count together."""
        merged = self.create_accumulator()
        for counts in several:
            for name, sketch in counts.items():
                merged[name].Merge(sketch)
        return merged

    def extract_output(self, counts: Counts) -> dict[str, LearntVocabulary]:
        """The commonest values by the contract's bounds."""
        return {name: _commonest(feature, counts[name]) for name, feature in self._features.items()}


def _commonest(feature: Feature, sketch: MisraGriesSketch) -> LearntVocabulary:
    assert feature.vocabulary is not None
    counted = sketch.Estimate()  # the commonest first
    enough = int((counted.field("counts").to_numpy() >= feature.vocabulary.min_count).sum())
    kept = counted.field("values").slice(0, min(enough, feature.vocabulary.top)).to_pylist()
    return LearntVocabulary(values=tuple(value.decode() for value in kept), different=len(counted))


def _write(learnt: Mapping[str, LearntVocabulary], folder: str) -> None:
    text = json.dumps({name: vocabulary.model_dump() for name, vocabulary in learnt.items()})
    (Path(folder) / FILE_NAME).write_text(text, encoding="utf-8")
