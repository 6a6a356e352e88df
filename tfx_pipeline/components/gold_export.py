"""GoldExport: takes an export over the cut, as an artifact that carries where the rows come from."""

import shutil
from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import Artifact, Channel, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from lakeloop.exceptions import WrongUseError
from lakeloop.manifest import FILE_NAME, Manifest, file_sha256, read_manifest
from tfx_pipeline.metadata.provenance import provenance_of, write_own_code, write_provenance
from tfx_pipeline.runs import parameters as p

EXPORT_KEY = "export"


class GoldExportArtifact(Artifact):
    """One export of one Delta version: `manifest.json`, `train/*.csv`, `eval/*.csv`."""

    TYPE_NAME = "GoldExport"
    TYPE_ANNOTATION = standard_artifacts.Examples.TYPE_ANNOTATION


class GoldExportExecutor(base_executor.BaseExecutor):
    """Checks every file against the manifest and copies it into the artifact: the run stays whole if exports go."""

    def Do(  # noqa: N802 TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Import the export of `exec_properties['manifest']`.

        Raises:
            WrongUseError: the manifest is missing or unreadable, a split is empty, or a file differs from it.
        """
        source = Path(exec_properties[p.MANIFEST])
        manifest = read_manifest(source)
        sha256 = file_sha256(source)
        export = artifact_utils.get_single_instance(output_dict[EXPORT_KEY])
        import_files(source, manifest, Path(export.uri))
        write_provenance(export, provenance_of(manifest, sha256, exec_properties))
        write_own_code(export, manifest.own_code)


def import_files(source: Path, manifest: Manifest, folder: Path) -> None:
    """Copy the manifest and its shards, checked, into `folder` as `<split>/<number>.csv`.

    Raises:
        WrongUseError: nothing is to be trained on or held out, or a shard is missing or another one.
    """
    for split in ("train", "eval"):
        if manifest.rows_of(split) == 0:
            raise WrongUseError(f"{source} has no {split} rows; export more periods or change the contract's `split`")
    for number, file in enumerate(manifest.files):
        shard = source.parent / file.path
        if not shard.is_file():
            raise WrongUseError(f"{shard} is named in {source} but does not exist; export again")
        if file_sha256(shard) != file.sha256:
            raise WrongUseError(f"{shard} is not the file that {source} describes (its sha256 differs); export again")
        if file.rows:
            _copy(shard, folder / file.split / f"{number:05d}.csv")
    _copy(source, folder / FILE_NAME)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


class GoldExportSpec(ComponentSpec):
    """Everything a run is told about its data. The manifest's hash makes a changed export a cache miss."""

    PARAMETERS = {name: ExecutionParameter(type=str) for name in p.STAMPED}
    INPUTS: dict[str, ChannelParameter] = {}
    OUTPUTS = {EXPORT_KEY: ChannelParameter(type=GoldExportArtifact)}


class GoldExport(base_component.BaseComponent):
    """The run's first node."""

    SPEC_CLASS = GoldExportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(GoldExportExecutor)

    def __init__(self, **run_parameters: RuntimeParameter):
        export = Channel(type=GoldExportArtifact)
        super().__init__(spec=GoldExportSpec(**{EXPORT_KEY: export}, **run_parameters))
