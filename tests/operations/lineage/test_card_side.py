"""Lineage knows the card that lies with a model."""

from lakeloop.model_card import CARD_PAGE
from lakeloop.use_case import UseCase
from operations.lineage.card_side import add_cards
from operations.lineage.graph import LineageDraft
from operations.lineage.pipeline_side import version_item


def test_a_version_that_has_a_card_leads_to_it(use_case: UseCase) -> None:
    draft = LineageDraft()
    for version in ("16", "17", "?"):
        draft.add("version", version_item(version))
        folder = use_case.folder("models") / version
        (folder / CARD_PAGE).parent.mkdir(parents=True)
        (folder / "saved_model.pb").touch()
    page = use_case.folder("models") / "17" / CARD_PAGE
    page.write_text("the card")
    add_cards(draft, use_case)
    found = draft.finish(version_item("17"))
    (card,) = [item for item in found.items if item.kind == "card"]
    assert [(link.source, link.target) for link in found.links] == [("version 17", card.id)]
    assert card.title == "model card 17" and card.facts["where"] == str(page.absolute())
