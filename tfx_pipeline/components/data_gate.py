"""DataGate: stops the run when the data breaks the contract. TFX's ExampleValidator only writes anomalies down."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.components.example_validator.executor import DEFAULT_FILE_NAME
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import Artifact, BaseChannel, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec

from lakeloop.errors import LakeloopError

ANOMALIES_KEY = "anomalies"


class DataRefused(LakeloopError):
    """The exported data breaks the contract; `problems` holds one line per feature and split."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        count = "1 anomaly" if len(problems) == 1 else f"{len(problems)} anomalies"
        super().__init__("\n".join([f"the exported data breaks the contract: {count}", *(f"  {p}" for p in problems)]))


class DataGateExecutor(base_executor.BaseExecutor):
    """Reads the anomalies of every split."""

    def Do(  # noqa: N802 TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Do nothing if there are no anomalies.

        Raises:
            DataRefused: naming every feature with its anomaly and split.
        """
        problems = list(problems_in(artifact_utils.get_single_instance(input_dict[ANOMALIES_KEY])))
        if problems:
            raise DataRefused(problems)


def problems_in(anomalies: Artifact) -> Iterator[str]:
    """Every anomaly as a line `feature (split): what is wrong`."""
    for split in artifact_utils.decode_split_names(anomalies.split_names):
        found = load_anomalies(Path(artifact_utils.get_split_uri([anomalies], split)))
        for key, info in sorted(found.anomaly_info.items()):
            feature = ".".join(info.path.step) or key.strip("'")
            yield f"{feature} ({split}): {_what(info)}"
        if found.HasField("dataset_anomaly_info"):
            yield f"all rows ({split}): {_what(found.dataset_anomaly_info)}"


def load_anomalies(split_folder: Path) -> anomalies_pb2.Anomalies:
    """One split's anomalies as written by ExampleValidator or DistributionValidator."""
    return anomalies_pb2.Anomalies.FromString((split_folder / DEFAULT_FILE_NAME).read_bytes())


def _what(info: anomalies_pb2.AnomalyInfo) -> str:
    reasons = [(r.short_description, r.description) for r in info.reason] or [
        (info.short_description, info.description)
    ]
    return "; ".join(f"{short}: {long}" if short else long for short, long in reasons).rstrip(".")


class DataGateSpec(ComponentSpec):
    """It makes nothing; what follows waits for it."""

    PARAMETERS: dict[str, Any] = {}
    INPUTS = {ANOMALIES_KEY: ChannelParameter(type=standard_artifacts.ExampleAnomalies)}
    OUTPUTS: dict[str, ChannelParameter] = {}


class DataGate(base_component.BaseComponent):
    """Between ExampleValidator and Transform."""

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(DataGateExecutor)

    def __init__(self, anomalies: BaseChannel):
        super().__init__(spec=DataGateSpec(anomalies=anomalies))
