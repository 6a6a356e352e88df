"""After a home was moved, artifacts are where they lie now; what did not come along stays as it is on record."""

import shutil
from pathlib import Path

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from tfx_pipeline.metadata.moved_home import follow_moved_home
from tfx_pipeline.metadata.store import DESTINATION_PROPERTY, PIPELINE_CONTEXT, connection_config, open_store

PLACES = ("Trainer/model/10", "Pusher/pushed_model/15", "StatisticsGen/statistics/9")


@pytest.fixture
def home(tmp_path: Path) -> UseCase:
    """A home in `old` with three artifacts, of which one was pushed, and a run's record."""
    use_case = open_use_case(load_settings(home=tmp_path / "old", use_case="insurance"))
    folder = use_case.folder("tfx").absolute()
    store = MetadataStore(connection_config(use_case.settings))
    kind = store.put_artifact_type(
        metadata_store_pb2.ArtifactType(name="Thing"), can_add_fields=True
    )  # fmt: skip
    context_kind = store.put_context_type(metadata_store_pb2.ContextType(name=PIPELINE_CONTEXT))
    (context,) = store.put_contexts([metadata_store_pb2.Context(type_id=context_kind, name="insurance")])
    for place in PLACES:
        (folder / "artifacts" / place).mkdir(parents=True)
        artifact = metadata_store_pb2.Artifact(type_id=kind, uri=str(folder / "artifacts" / place))
        if place.startswith("Pusher"):
            version = use_case.folder("models").absolute() / "17"
            version.mkdir(parents=True)
            artifact.custom_properties[DESTINATION_PROPERTY].string_value = str(version)
        (number,) = store.put_artifacts([artifact])
        attribution = metadata_store_pb2.Attribution(artifact_id=number, context_id=context)
        store.put_attributions_and_associations([attribution], [])
    (folder / "runs" / "1").mkdir(parents=True)
    (folder / "runs" / "1" / "run.json").write_text(f'{{"model_uri": "{folder}/artifacts/{PLACES[0]}"}}')
    return use_case


def artifacts(use_case: UseCase) -> list[metadata_store_pb2.Artifact]:
    with open_store(use_case.settings) as store:
        return sorted(store.get_artifacts(), key=lambda artifact: artifact.id)


def moved(use_case: UseCase) -> UseCase:
    new = use_case.settings.home.rename(use_case.settings.home.with_name("new"))
    return open_use_case(load_settings(home=new, use_case="insurance"))


def test_a_home_that_stands_where_it_stood_is_left_alone(home: UseCase) -> None:
    before = artifacts(home)
    assert follow_moved_home(home) == 0 and artifacts(home) == before


def test_everything_that_came_along_is_found_again(home: UseCase) -> None:
    new = moved(home)
    assert follow_moved_home(new) == 3
    folder = new.folder("tfx").absolute()
    assert [Path(a.uri) for a in artifacts(new)] == [folder / "artifacts" / place for place in PLACES]
    assert all(Path(artifact.uri).is_dir() for artifact in artifacts(new))
    pushed = artifacts(new)[1].custom_properties[DESTINATION_PROPERTY].string_value
    assert Path(pushed) == new.folder("models").absolute() / "17"
    assert f'"{folder}/artifacts/{PLACES[0]}"' in (folder / "runs" / "1" / "run.json").read_text()
    assert follow_moved_home(new) == 0


def test_a_copy_names_what_was_copied_and_the_home_that_stayed_its_own(home: UseCase, tmp_path: Path) -> None:
    shutil.copytree(home.settings.home, tmp_path / "copy")
    copy = open_use_case(load_settings(home=tmp_path / "copy", use_case="insurance"))
    assert follow_moved_home(copy) == 3 and follow_moved_home(home) == 0
    assert all("/copy/" in artifact.uri for artifact in artifacts(copy))
    assert all("/old/" in artifact.uri for artifact in artifacts(home))


def test_what_lies_nowhere_stays_on_record_as_it_was(home: UseCase) -> None:
    new = moved(home)
    for place in PLACES:
        (new.folder("tfx").absolute() / "artifacts" / place).rmdir()
    assert follow_moved_home(new) == 0
    assert all("/old/" in artifact.uri for artifact in artifacts(new))


def test_before_the_first_run_there_is_nothing_to_follow(tmp_path: Path) -> None:
    assert follow_moved_home(open_use_case(load_settings(home=tmp_path, use_case="insurance"))) == 0
