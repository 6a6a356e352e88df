"""The pipeline: its nodes and what flows between them. Every path is an argument; nothing is read or written here."""

from collections.abc import Mapping
from math import log
from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
import tensorflow_model_analysis as tfma
from google.protobuf.wrappers_pb2 import DoubleValue
from ml_metadata.proto import metadata_store_pb2
from tensorflow_metadata.proto.v0 import path_pb2
from tfx.components.evaluator.component import Evaluator
from tfx.components.example_validator.component import ExampleValidator
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.experimental.conditionals.conditional import Cond
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import distribution_validator_pb2, pusher_pb2
from tfx.types import Channel, standard_artifacts

from lakeloop.contract import Between, Contract
from lakeloop.contract.features import MANY_A_ROW
from lakeloop.own_files import CHECKS, MODEL, PREPROCESSING, OwnFile
from tfx_pipeline.components.champion import ChampionModelStrategy, ChampionStatisticsStrategy
from tfx_pipeline.components.data_gate import DataGate
from tfx_pipeline.components.distribution_validator import DistributionValidator
from tfx_pipeline.components.example_gen import ExampleGen
from tfx_pipeline.components.gold_export import EXPORT_KEY, GoldExport
from tfx_pipeline.components.infra_validator import InfraValidator
from tfx_pipeline.components.pusher import StampedPusher
from tfx_pipeline.components.quality_gate import QualityGate
from tfx_pipeline.components.statistics_gen import StatisticsGen
from tfx_pipeline.components.trainer import StampedTrainer
from tfx_pipeline.components.transform import Transform
from tfx_pipeline.components.tuner import SettingsTuner
from tfx_pipeline.data_checks.learnt_limits import without_limits
from tfx_pipeline.runs import parameters as p
from tfx_pipeline.runs.graph import TUNER
from tfx_pipeline.training.columns import custom_config
from tfx_pipeline.training.own_model import OWN_MODEL_KEY
from tfx_pipeline.training.own_preprocessing import OWN_KEY
from tfx_pipeline.training.signature_names import ANSWER, CLASS_ID, EXAMPLES, SET_ID

PREPROCESSING_FN = "tfx_pipeline.training.preprocessing.preprocessing_fn"
# DirectRunner would look for Prism first; one worker in memory is fastest on few cores and stays small.
# Without the image's name TFX would pack its own sources for remote workers, for each node anew: 3 s and 50 MB of /tmp.
BEAM_FLAGS = (
    "--runner=FnApiRunner", "--direct_running_mode=in_memory", "--direct_num_workers=1", "--sdk_container_image=none",
)  # fmt: skip
MEAN_ABSOLUTE_ERROR = "mean_absolute_error"
# A Jensen–Shannon distance of 0.1 (nats), as TFDV's divergence, which is its square in bits.
NOTEWORTHY_DIVERGENCE = 0.1**2 / log(2)


def create_pipeline(
    contract: Contract,
    pipeline_root: Path,
    schema_path: Path,
    models_folder: Path,
    metadata_connection: metadata_store_pb2.ConnectionConfig,
    own: Mapping[str, OwnFile],
) -> Pipeline:
    """One use case's pipeline; what differs from run to run are its runtime parameters (`parameters.NAMES`).

    `own`: the use case's own code, by the names of its files.
    """
    parameter = {name: RuntimeParameter(name=name, ptype=str) for name in p.NAMES}
    columns = [*contract.features, contract.label.name]
    config = custom_config(contract)
    of_model = config | _own_config(OWN_MODEL_KEY, own.get(MODEL))

    export = GoldExport(**{name: parameter[name] for name in p.STAMPED})
    examples = ExampleGen(contract, export.outputs[EXPORT_KEY])
    statistics = StatisticsGen(
        examples=examples.outputs["examples"], stats_options=tfdv.StatsOptions(feature_allowlist=columns)
    )
    schema = ImportSchemaGen(schema_file=str(schema_path))
    validator = ExampleValidator(statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"])
    data_gate = DataGate(anomalies=validator.outputs["anomalies"])
    champion_statistics = Resolver(
        strategy_class=ChampionStatisticsStrategy,
        **_pushed_so_far(),
        statistics=Channel(type=standard_artifacts.ExampleStatistics),
        current_statistics=statistics.outputs["statistics"],
    ).with_id("ChampionStatistics")
    distribution = DistributionValidator(
        statistics=statistics.outputs["statistics"],
        baseline_statistics=champion_statistics.outputs["statistics"],
        config=_distribution_config(contract),
        unlimited=without_limits(contract),
    )
    transform = Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn=PREPROCESSING_FN,
        custom_config=config | _own_config(OWN_KEY, own.get(PREPROCESSING)),
        disable_analyzer_cache=True,
        disable_statistics=True,
    )
    transform.add_upstream_node(data_gate)
    tuner = SettingsTuner(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        model_settings=parameter[p.MODEL],
        drop=parameter[p.DROP],
        balance=parameter[p.BALANCE],
        trials=parameter[p.TRIALS],
        decides=contract.gate.decides,
        custom_config=of_model,
    ).with_id(TUNER)
    trainer = StampedTrainer(
        export=export.outputs[EXPORT_KEY],
        examples=transform.outputs["transformed_examples"],
        raw_examples=examples.outputs["examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        statistics=statistics.outputs["statistics"],
        hyperparameters=tuner.outputs["best_hyperparameters"],
        model_settings=parameter[p.MODEL],
        drop=parameter[p.DROP],
        balance=parameter[p.BALANCE],
        weighting=parameter[p.WEIGHTING],
        weights=parameter[p.WEIGHTS],
        custom_config=of_model,
    ).with_id("Trainer")
    champion = Resolver(strategy_class=ChampionModelStrategy, **_pushed_so_far()).with_id("Champion")
    champion.add_upstream_node(trainer)
    evaluator = Evaluator(
        examples=examples.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=champion.outputs["model"],
        eval_config=_eval_config(contract),
    )
    quality_gate = QualityGate(
        contract,
        examples=examples.outputs["examples"],
        model=trainer.outputs["model"],
        champion=champion.outputs["model"],
        evaluation=evaluator.outputs["evaluation"],
        weights=parameter[p.WEIGHTS],
        own=own.get(CHECKS),
    )
    nodes: list[BaseNode] = [export, examples, statistics, schema, validator, data_gate, champion_statistics]
    nodes += [distribution, transform, tuner, trainer, champion, evaluator, quality_gate]
    with Cond(quality_gate.outputs["blessing"].future()[0].custom_property("blessed") == 1):
        infra_validator = InfraValidator(
            contract,
            examples=examples.outputs["examples"],
            model=trainer.outputs["model"],
            model_blessing=quality_gate.outputs["blessing"],
        )
        pusher = StampedPusher(
            model=trainer.outputs["model"],
            model_blessing=quality_gate.outputs["blessing"],
            infra_blessing=infra_validator.outputs["blessing"],
            push_destination=pusher_pb2.PushDestination(
                filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(models_folder))
            ),
            use_case=contract.use_case,
            **{name: parameter[name] for name in (p.MANIFEST, p.MANIFEST_SHA256, p.DROP)},
        ).with_id("Pusher")
        nodes += [infra_validator, pusher]
    return Pipeline(
        pipeline_name=contract.use_case,
        pipeline_root=str(pipeline_root),
        components=nodes,
        enable_cache=True,
        metadata_connection_config=metadata_connection,
        beam_pipeline_args=list(BEAM_FLAGS),
    )


def _own_config(key: str, file: OwnFile | None) -> dict[str, str]:
    return {} if file is None else {key: file.model_dump_json()}


def _pushed_so_far() -> dict[str, Any]:
    return {
        "model": Channel(type=standard_artifacts.Model),
        "model_blessing": Channel(type=standard_artifacts.ModelBlessing),
        "pushed_model": Channel(type=standard_artifacts.PushedModel),
    }


def _distribution_config(contract: Contract) -> distribution_validator_pb2.DistributionValidatorConfig:
    """Every feature is compared by Jensen–Shannon divergence, the one measure TFDV has for all types.

    But no text, of which nearly every one stands there once, and no date or time, which goes on.
    """
    config = distribution_validator_pb2.DistributionValidatorConfig()
    for name in (name for name, feature in contract.features.items() if feature.role not in MANY_A_ROW):
        feature = config.default_slice_config.feature.add(path=path_pb2.Path(step=[name]))
        feature.distribution_comparator.jensen_shannon_divergence.threshold = NOTEWORTHY_DIVERGENCE
    return config


def _eval_config(contract: Contract) -> tfma.EvalConfig:
    """TFMA's view: its metric within the gate's bounds and against the champion, whole and by slice.

    Where there is a threshold it is of the class ids, 0 and 1, that were answered; of several labels of their sets.
    """
    task, decision = contract.label.task, contract.label.decision
    metric = _mean_absolute_error(contract) if task == "regression" else _accuracy(contract)
    key = CLASS_ID if decision is not None else SET_ID if task == "multilabel" else ANSWER[task]
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(
                signature_name=EXAMPLES,
                model_type=tfma.constants.TF_GENERIC,
                label_key=contract.label.name,
                prediction_key=key,
            )
        ],
        slicing_specs=[
            tfma.SlicingSpec(),
            *(tfma.SlicingSpec(feature_keys=[name]) for name in contract.slices),
        ],
        metrics_specs=[tfma.MetricsSpec(metrics=[tfma.MetricConfig(class_name="ExampleCount"), metric])],
    )


def _accuracy(contract: Contract) -> tfma.MetricConfig:
    """A gate that asks for no accuracy is one that every accuracy passes."""
    bounds = contract.gate.accuracy or Between(above=0.0)
    threshold = tfma.MetricThreshold(
        value_threshold=tfma.GenericValueThreshold(
            lower_bound=DoubleValue(value=bounds.above),
            upper_bound=None if bounds.below is None else DoubleValue(value=bounds.below),
        )
    )
    if contract.gate.champion_margin is not None and contract.gate.decides == "accuracy":
        threshold.change_threshold.direction = tfma.MetricDirection.HIGHER_IS_BETTER
        threshold.change_threshold.absolute.value = -contract.gate.champion_margin
    name = "SparseCategoricalAccuracy" if contract.label.decision is None else "BinaryAccuracy"
    return tfma.MetricConfig(class_name="ExactMatch" if contract.label.several else name, threshold=threshold)


def _mean_absolute_error(contract: Contract) -> tfma.MetricConfig:
    """Below what the gate's checks of it on all eval rows allow; without such a check every error passes."""
    allowed = [
        check.below
        for check in contract.gate.checks
        if check.metric == MEAN_ABSOLUTE_ERROR
        and check.on == "eval"
        and not check.sliced_by
        and check.below is not None
    ]
    bound = DoubleValue(value=min(allowed)) if allowed else None
    at_least = DoubleValue(value=-1.0)  # TFMA wants a bound of each metric that is to be told of
    threshold = tfma.MetricThreshold(
        value_threshold=tfma.GenericValueThreshold(lower_bound=at_least, upper_bound=bound)
    )
    if contract.gate.champion_margin is not None and contract.gate.decides == MEAN_ABSOLUTE_ERROR:
        threshold.change_threshold.direction = tfma.MetricDirection.LOWER_IS_BETTER
        threshold.change_threshold.absolute.value = contract.gate.champion_margin
    return tfma.MetricConfig(class_name="MeanAbsoluteError", threshold=threshold)
