"""What people decided of a pushed version, as part of an answer: who had it serve, pinned or retired it, and why."""

from lakeloop.releases import read_entries
from lakeloop.use_case import UseCase
from operations.lineage.graph import LineageDraft
from operations.lineage.pipeline_side import version_item


def add_releases_of(draft: LineageDraft, use_case: UseCase, version: str) -> None:
    """Each release that is about the version, before it; nothing where its push alone had it serve."""
    for entry in read_entries(use_case.settings, use_case.name):
        if entry.version == version:
            facts = {"by": entry.who, "why": entry.why, "at": entry.at}
            item = draft.add("release", f"release {entry.number}", f"release {entry.number}: {entry.action}", facts)
            draft.link(item, version_item(version))
