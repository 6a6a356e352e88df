"""The cards of pushed versions, which lie with them, as part of an answer."""

from datetime import UTC, datetime

from lakeloop.exceptions import NotFoundError
from lakeloop.model_card import CARD_PAGE, CARD_TEXT
from lakeloop.pushed_models import model_folder
from lakeloop.use_case import UseCase
from operations.lineage.graph import LineageDraft
from operations.lineage.pipeline_side import version_item


def add_cards(draft: LineageDraft, use_case: UseCase) -> None:
    """The model card of every version in an answer that has one; of a version whose folder is gone it went along."""
    for item in draft.of_kind("version"):
        version = item.removeprefix(version_item(""))
        try:
            folder = model_folder(use_case, version)
            written = (folder / CARD_PAGE).stat().st_mtime
        except (NotFoundError, FileNotFoundError):
            continue
        facts = {
            "where": folder / CARD_PAGE,
            "as Markdown": folder / CARD_TEXT,
            "written": f"{datetime.fromtimestamp(written, UTC):%Y-%m-%d %H:%M:%S} UTC",
        }
        draft.link(item, draft.add("card", f"card of version {version}", f"model card {version}", facts))
