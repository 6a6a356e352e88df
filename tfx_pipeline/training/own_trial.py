"""Builds a use case's own network before there is a row to train it on, to tell early what is wrong with it."""

import tensorflow as tf

from lakeloop.contract import Contract, NetworkSettings
from lakeloop.own_files import MODEL, PREPROCESSING, OwnFile
from tfx_pipeline.training import network
from tfx_pipeline.training.analyser import NoRows
from tfx_pipeline.training.columns import ModelInputs, columns_from, custom_config, model_inputs_of
from tfx_pipeline.training.own_model import OWN_MODEL_KEY, own_network
from tfx_pipeline.training.own_preprocessing import own_inputs
from tfx_pipeline.training.preprocessing import model_inputs
from tfx_pipeline.training.raw_features import DTYPES, LABELS

LEARNT = ("one", "two", "three")
"""Stand for the values, or words, that a feature's vocabulary learns."""


def try_own_model(contract: Contract, files: dict[str, OwnFile]) -> None:
    """Build the network of `files` as the Trainer does, for the contract's columns: names and their order are those it
    will be told; where values are learnt, a feature is as wide as with three of them.

    Raises:
        OwnCodeError: it, or preprocessing of the use case's own, fails or makes something else.
    """
    assert isinstance(contract.model, NetworkSettings)
    columns, inputs = columns_from(custom_config(contract)), untrained_inputs(contract, files.get(PREPROCESSING))
    own = own_network({OWN_MODEL_KEY: files[MODEL].model_dump_json()}, columns, inputs)
    network.build_model(contract.model, inputs.width, columns.classes, own=own, loss=columns.loss)


def untrained_inputs(contract: Contract, preprocessing: OwnFile | None) -> ModelInputs:
    """What a model of the contract is told of its inputs, by tracing how they are made; no row is looked at."""
    columns, shapes = columns_from(custom_config(contract)), {}
    vocabularies = {name: LEARNT for name, feature in contract.features.items() if feature.learnt}

    @tf.function(autograph=False)
    def traced(raw: dict[str, tf.Tensor]) -> None:
        for name, values in model_inputs(raw, columns, vocabularies, NoRows(), preprocessing).items():
            shapes[name] = tf.TensorSpec(values.shape[1:])

    types = {name: DTYPES[feature.carried_as] for name, feature in contract.features.items()}
    types[columns.label] = LABELS[columns.task]
    traced.get_concrete_function({name: tf.TensorSpec([None], dtype) for name, dtype in types.items()})
    own = () if preprocessing is None else own_inputs(preprocessing, contract.features)
    return model_inputs_of(columns, (), shapes, own)
