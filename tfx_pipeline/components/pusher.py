"""TFX's Pusher, with the model's stamps and id on what it pushes."""

from typing import Any

from tfx.components.pusher import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.types import Artifact, artifact_utils, standard_component_specs

from tfx_pipeline.metadata import MODEL_ID_PROPERTY
from tfx_pipeline.stamps import read_stamps, stamp


class StampedPusherExecutor(executor.Executor):
    """Pushes to `<base directory>/<unix time>/`, `saved_model.pb` last: its presence means complete."""

    def Do(  # noqa: N802 TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Push, then stamp the pushed model as its model is stamped."""
        super().Do(input_dict, output_dict, exec_properties)
        model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
        pushed = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        stamp(pushed, read_stamps(model))
        pushed.set_int_custom_property(MODEL_ID_PROPERTY, model.id)


class StampedPusher(component.Pusher):
    """The Pusher node; its id is `Pusher`."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(StampedPusherExecutor)
