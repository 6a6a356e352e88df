"""A model card lies with its model as a page and as Markdown; neither needs a network or believes what it quotes."""

import re
from pathlib import Path

import pytest

from console.report.model_card_page import card_markdown, pushing_run, write_card
from lakeloop.contract import Contract
from lakeloop.exceptions import NotFoundError
from lakeloop.model_card import CARD_PAGE, CARD_TEXT
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from operations.model_card.document import HEADINGS, CardDocument, CardList, CardSection, CardTable
from tests.console.report.test_report import record
from tfx_pipeline.runs.run_record import save_run


@pytest.fixture
def folder(contract: Contract, settings: Settings) -> Path:
    made = UseCase(settings, contract).folder("models") / "17"
    made.mkdir(parents=True)
    (made / "saved_model.pb").touch()
    return made


def test_both_are_written_into_the_versions_folder(contract: Contract, settings: Settings, folder: Path) -> None:
    use_case, run = UseCase(settings, contract), record(contract, 100, "17")
    assert write_card(use_case, run).samefile(folder / CARD_PAGE)
    page, text = ((folder / name).read_text(encoding="utf-8") for name in (CARD_PAGE, CARD_TEXT))
    assert re.findall(r"<h2>(.*?)</h2>", page) == list(HEADINGS) == re.findall(r"^## (.*)$", text, flags=re.M)
    assert not re.findall(r"""(?:src|href)=["'](?!data:)[^"']+""", page) and len(page) < 100_000
    assert "(<code>gap_below</code>)" in page and "(`gap_below`)" in text, "what is typed is code in both"
    assert "accuracy_eval" in page and "| accuracy\\_eval | 0.9000 | 0.861 to 0.929 |" in text


def test_it_is_written_by_the_versions_number(contract: Contract, settings: Settings, folder: Path) -> None:
    use_case = UseCase(settings, contract)
    with pytest.raises(NotFoundError, match="no run's record tells of version 17 of insurance"):
        pushing_run(use_case, "17")
    save_run(use_case, record(contract, 100, "17"))
    assert write_card(use_case, pushing_run(use_case, "17")).is_file()
    (folder / "saved_model.pb").unlink()
    with pytest.raises(NotFoundError):
        write_card(use_case, pushing_run(use_case, "17"))


def test_what_came_from_people_and_data_stays_text(contract: Contract) -> None:
    odd = "<script>alert(1)</script> [a](http://x) | *b*\n# c"
    table = CardTable(("check", "n"), ((odd, "1"),), ("n",))
    text = card_markdown(CardDocument("t", "l", (CardSection("h", (odd, CardList((odd,)), table)),)))
    assert "<script>" not in text.replace("\\<", "").replace("\\>", "") and "](http" not in text.replace("\\]", "")
    assert "\n# c" not in text and "| --- | ---: |" in text
    assert card_markdown(CardDocument("t", "`a|b` ` `", ())).splitlines()[2] == "`a\\|b` \\` \\`"
    row = text.splitlines()[-3] if text.endswith("\n") else text.splitlines()[-2]
    assert len(re.findall(r"(?<!\\)\|", row)) == 3, row
