"""TFX's Pusher, with the model's provenance and id on what it pushes, and in it what it was made from."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from tfx.components.pusher import executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import pusher_pb2
from tfx.types import (
    Artifact,
    BaseChannel,
    Channel,
    artifact_utils,
    standard_artifacts,
    standard_component_specs,
)
from tfx.types.component_spec import ExecutionParameter
from tfx.utils import proto_utils

from lakeloop.model_card import ModelCard
from tfx_pipeline.components.push_folder import push_folder
from tfx_pipeline.components.quality_gate import read_report
from tfx_pipeline.components.trainer import THRESHOLD, trained_settings, trained_threshold
from tfx_pipeline.metadata.provenance import read_own_code, read_provenance, write_own_code, write_provenance
from tfx_pipeline.metadata.store import (
    DESTINATION_PROPERTY,
    MODEL_ID_PROPERTY,
    PUSHED_PROPERTY,
    VERSION_PROPERTY,
)
from tfx_pipeline.runs import parameters as p

USE_CASE = "use_case"
BeforePush = Callable[[str], object]
_before_push: ContextVar[BeforePush] = ContextVar("before_push")
CARD_PARAMETERS = (p.MANIFEST, p.MANIFEST_SHA256, p.DROP, USE_CASE)


@contextmanager
def told_before_push(tell: BeforePush) -> Iterator[None]:
    """Have the name of a version told, by whoever pushes while the block runs, before any server can see it."""
    token = _before_push.set(tell)
    try:
        yield
    finally:
        _before_push.reset(token)


class StampedPusherExecutor(executor.Executor):
    """Pushes to `<base directory>/<unix time>/`, which is renamed there when it is complete."""

    def Do(  # noqa: N802 TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Push the model with its card, then write its provenance on the pushed model, too."""
        self._card = self._card_of(input_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination)
        folder = Path(destination.filesystem.base_directory)
        with push_folder(folder) as beside:
            destination.filesystem.base_directory = str(beside)
            where = {standard_component_specs.PUSH_DESTINATION_KEY: proto_utils.proto_to_json(destination)}
            super().Do(input_dict, output_dict, {**exec_properties, **where})
            if pushed.get_int_custom_property(PUSHED_PROPERTY) == 1:
                _show(beside, folder, pushed)
        model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
        write_provenance(pushed, read_provenance(model))
        write_own_code(pushed, self._card.own_code)
        if self._card.threshold is not None:
            pushed.set_string_custom_property(THRESHOLD, self._card.threshold.model_dump_json())
        pushed.set_int_custom_property(MODEL_ID_PROPERTY, model.id)

    def GetModelPath(self, input_dict: dict[str, list[Artifact]]) -> str:  # noqa: N802 TFX's name
        """A copy of the model that holds the card too: TFX copies `saved_model.pb` last, so they are there before."""
        copy = Path(self._get_tmp_dir()) / "model"
        shutil.copytree(super().GetModelPath(input_dict), copy, dirs_exist_ok=True)
        self._card.save(copy)
        return str(copy)

    def _card_of(self, input_dict: dict[str, list[Artifact]], exec_properties: dict[str, Any]) -> ModelCard:
        model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
        blessing = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_BLESSING_KEY])
        return ModelCard(
            use_case=exec_properties[USE_CASE],
            run_id=(self._context.pipeline_run_id if self._context else None) or "",
            manifest=Path(exec_properties[p.MANIFEST]),
            manifest_sha256=exec_properties[p.MANIFEST_SHA256],
            model=trained_settings(model),
            drop=tuple(json.loads(exec_properties[p.DROP])),
            threshold=trained_threshold(model),
            checks=read_report(blessing.uri).checks,
            own_code=read_own_code(model) | read_own_code(blessing),
            provenance=read_provenance(model),
        )


def _show(beside: Path, folder: Path, pushed: Artifact) -> None:
    """Tell of the version that was written, then let servers see it; one of the same second that is there stays."""
    version = pushed.get_string_custom_property(VERSION_PROPERTY)
    if not (folder / version).exists():
        _before_push.get(_tell_nobody)(version)
        (beside / version).rename(folder / version)
    pushed.set_string_custom_property(DESTINATION_PROPERTY, str(folder / version))


def _tell_nobody(version: str) -> None:
    """Who pushes without a release."""


class StampedPusherSpec(standard_component_specs.PusherSpec):
    """TFX's, plus the run parameters that the card names."""

    PARAMETERS = {
        **standard_component_specs.PusherSpec.PARAMETERS,
        **{name: ExecutionParameter(type=str) for name in CARD_PARAMETERS},
    }


class StampedPusher(base_component.BaseComponent):
    """The Pusher node; its id is `Pusher`."""

    SPEC_CLASS = StampedPusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(StampedPusherExecutor)

    def __init__(
        self,
        model: BaseChannel,
        model_blessing: BaseChannel,
        infra_blessing: BaseChannel,
        push_destination: pusher_pb2.PushDestination,
        use_case: str,
        **run_parameters: RuntimeParameter,
    ):
        super().__init__(
            spec=StampedPusherSpec(
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                push_destination=push_destination,
                use_case=use_case,
                pushed_model=Channel(type=standard_artifacts.PushedModel),
                **run_parameters,
            )
        )
