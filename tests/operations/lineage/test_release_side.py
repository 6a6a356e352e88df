"""Who had a version serve, and why, is part of its lineage."""

from pathlib import Path

from lakeloop.model_folders import SAVED_MODEL, models_folder
from lakeloop.releases import decide
from lakeloop.settings import Settings
from lakeloop.use_case import open_use_case
from operations.lineage.graph import LineageDraft
from operations.lineage.pipeline_side import version_item
from operations.lineage.release_side import add_releases_of


def test_each_release_of_a_version_stands_before_it_with_who_and_why(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, use_case="insurance", database_url="")
    for version in ("1", "2"):
        folder = models_folder(settings, "insurance") / version
        folder.mkdir(parents=True)
        (folder / SAVED_MODEL).touch()
    decide(settings, "insurance", "promote", "1", "ann", "it is slow")
    decide(settings, "insurance", "retire", "2", "bob", "wrong rows")
    draft = LineageDraft()
    draft.add("version", version_item("1"))
    add_releases_of(draft, open_use_case(settings), "1")
    found = draft.finish(version_item("1"))
    release, version = found.items
    assert (release.title, release.facts["by"], release.facts["why"]) == ("release 1: promote", "ann", "it is slow")
    assert [(link.source, link.target) for link in found.links] == [(release.id, version.id)]
