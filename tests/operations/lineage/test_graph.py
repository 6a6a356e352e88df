"""An answer of lineage as such: what is near what, and where it is drawn."""

from pathlib import Path

from console.report.lineage_page import GAP_Y, HEIGHT, depths, draw, write_lineage
from lakeloop.contract import Contract
from operations.lineage.graph import Lineage, LineageDraft


def diamond() -> Lineage:
    """A file goes two ways into a model, which answers a request."""
    draft = LineageDraft()
    for kind, name in (("request", "r"), ("model", "m"), ("gold", "g"), ("export", "e"), ("file", "f")):
        draft.add(kind, name, f"the {name}", {"rows": 1500, "none": None, "empty": ""})  # type: ignore[arg-type]
    for source, target in (("f", "g"), ("f", "e"), ("g", "e"), ("e", "m"), ("g", "m"), ("m", "r"), ("m", "nowhere")):
        draft.link(source, target)
    draft.gap("who knows")
    draft.gap("who knows")
    return draft.finish("r")


def test_items_stand_in_the_order_of_the_flow_and_links_lead_to_items() -> None:
    found = diamond()
    assert [item.id for item in found.items] == ["f", "g", "e", "m", "r"]
    assert ("m", "nowhere") not in {(link.source, link.target) for link in found.links}
    assert found.item("g").facts == {"rows": "1,500"}
    assert found.gaps == ("who knows",)


def test_what_is_told_twice_is_there_once_with_all_that_was_told() -> None:
    draft = LineageDraft()
    draft.add("file", "f", "the file", {"rows": 1, "sha256": "a"})
    draft.add("file", "f", "the file", {"rows": 2})
    assert draft.finish("f").item("f").facts == {"rows": "2", "sha256": "a"}


def test_each_item_stands_once_in_the_tree_on_the_shortest_way() -> None:
    below = {name: [item.id for item in items] for name, items in diamond().nearest_sources().items()}
    assert below == {"r": ["m"], "m": ["g", "e"], "g": ["f"]}
    assert diamond().nearest_targets() == {}


def test_what_was_made_is_drawn_below_what_it_was_made_from() -> None:
    found = diamond()
    picture = draw(found)
    y = {box.id: box.y for box in picture.boxes}
    assert all(y[link.target] >= y[link.source] + HEIGHT + GAP_Y for link in found.links)
    assert all(box.x + 10 < picture.width and box.y + HEIGHT <= picture.height for box in picture.boxes)
    assert len({(box.x, box.y) for box in picture.boxes}) == len(found.items)


def test_a_source_without_sources_stands_just_above_its_first_user() -> None:
    assert depths({"a": [], "b": ["a"], "c": ["b"], "d": ["c", "late"], "late": []})["late"] == 2


def test_the_page_escapes_what_files_and_people_wrote(contract: Contract, tmp_path: Path) -> None:
    draft = LineageDraft()
    draft.add("file", "f", "<script>alert(1)</script>.csv", {"reason": "</script><b>"})
    page = write_lineage(draft.finish("f"), contract, tmp_path / "p.html").read_text()
    assert "<script>alert(1)" not in page and "</script><b>" not in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
