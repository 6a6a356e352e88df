"""The book names what there is: pages, files, commands with their options, make's targets. Nothing is run here."""

import re
import shutil
from pathlib import Path

import pytest

from docs.book.__main__ import join_decisions, with_book_links
from docs.book.api_reference import PACKAGES
from docs.book.commands import MAKE, mentions, what_is_wrong
from docs.book.contents import DOCS, decision_files, notebooks, pages, written_pages
from docs.book.reference_pages import reference_names
from lakeloop.settings import PROJECT

LINK = re.compile(r"(?<!`)\]\(([^)\s]+)\)")
PAGES = [*(DOCS / f"{page}.md" for page in written_pages()), *decision_files()]


def test_every_page_is_in_the_table_of_contents_once() -> None:
    named = pages()
    assert len(named) == len(set(named))
    assert set(named) == {*written_pages(), *reference_names()}


def rooms() -> set[str]:
    """Every folder with Python in it, such as `lakehouse/gold`."""
    roots = ("lakeloop", "lakehouse", "tfx_pipeline", "serving", "monitoring", "dags", "operations", "console")
    return {str(path.parent.relative_to(PROJECT)) for root in roots for path in (PROJECT / root).rglob("__init__.py")}


def test_every_package_has_a_page_in_the_api_reference() -> None:
    without = {"console/cli", "serving", "serving/gateway/page"}  # a reference of its own; nothing public in them
    assert set(PACKAGES) == rooms() - without


def test_architecture_names_every_room_where_it_is() -> None:
    told = (DOCS / "architecture.md").read_text(encoding="utf-8").partition("## The rooms")[2]
    named, inside = set[str](), list[str]()
    for indent, name in re.findall(r"^( *)(\w+)/ ", told.split("```")[1], re.MULTILINE):
        inside = [*inside[: len(indent) // 2], name]
        named.add("/".join(inside))
    assert named == rooms() | {"data", "deploy", "bench", "tests", "docs"}


def test_operations_says_who_acts_on_every_alert() -> None:
    rules = (PROJECT / "deploy" / "prometheus" / "rules.yml").read_text(encoding="utf-8")
    told = (DOCS / "operations.md").read_text(encoding="utf-8")
    alerts = re.findall(r"alert: (\w+)", rules)
    assert alerts and [name for name in alerts if f"`{name}`" not in told] == []


def test_the_chapters_of_the_workshop_are_run_in_their_numbers_order() -> None:
    numbers = [int(Path(chapter).name.partition("-")[0]) for chapter in notebooks()]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) >= 9


@pytest.mark.parametrize("page", [*PAGES, PROJECT / "README.md"], ids=lambda page: page.stem)
def test_every_command_exists_with_its_options(page: Path) -> None:
    wrong = [f"{m.page}:{m.line}: {why}" for m in mentions(page) if (why := what_is_wrong(m.text))]
    assert not wrong, "\n".join(wrong)


def test_the_commands_are_found_where_they_stand(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Call `lakeloop retrain --strategy drop` or `.venv/bin/lakeloop up`.\n\n"
        "```console\n$ LAKELOOP_HOME=x lakeloop lake \\\n    show silver/rejects | head\n"
        "$ lakeloop serve models &\n```\n"
    )
    assert [(m.line, m.text) for m in mentions(page)] == [
        (1, "lakeloop retrain --strategy drop"),
        (1, ".venv/bin/lakeloop up"),
        (4, "lakeloop lake show silver/rejects"),
        (6, "lakeloop serve models"),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("lakeloop lake ingest", ""),
        ("lakeloop retrain --strategy drop -p 0-12", ""),
        ("lakeloop --verbose lake show silver/rejects --limit=3", ""),
        ("lakeloop lake inject", "`lakeloop lake` has no command 'inject'"),
        ("lakeloop retrian", "`lakeloop` has no command 'retrian'"),
        ("lakeloop retrain --strategie drop", "`lakeloop retrain` has no option --strategie"),
    ],
)
def test_a_wrong_command_is_named(text: str, why: str) -> None:
    assert what_is_wrong(text) == why


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    made = {f"{name}.md" for name in reference_names()}
    for address in LINK.findall(page.read_text(encoding="utf-8")):
        path = address.partition("#")[0]
        if "://" in address or not path:
            continue
        target = (page.parent / path).resolve()
        assert target.is_file() or str(target.relative_to(DOCS)) in made, f"{page.name} links to {address}"


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in [*PAGES, PROJECT / "README.md"]:
        for mention in mentions(page, MAKE):
            target = mention.text.removeprefix("make ")
            assert target in targets, f"{mention.page}:{mention.line}: make has no target {target}"


@pytest.mark.parametrize("chapter", notebooks())
def test_a_failing_command_fails_its_cell(chapter: str) -> None:
    """Plain `!` and a bash without -e go on after a command that failed."""
    text = (DOCS / f"{chapter}.md").read_text(encoding="utf-8")
    cells = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert cells
    for cell in cells:
        source = re.sub(r"\A(:[^\n]*\n)+", "", cell)
        assert not re.search(r"^!", source, re.MULTILINE), f"{chapter}: use %%bash -e instead of !"
        if source.startswith("%%"):
            assert source.startswith("%%bash -e\n"), f"{chapter}: {source.splitlines()[0]}"
        assert "raises-exception" not in cell


def test_every_decision_has_a_number_of_its_own_and_stands_in_the_index() -> None:
    files = decision_files()
    assert [int(file.name[:4]) for file in files] == list(range(1, len(files) + 1))
    index = (DOCS / "decisions" / "index.md").read_text(encoding="utf-8")
    assert sorted(LINK.findall(index)) == [file.name for file in files]
    for file in files:
        assert file.read_text(encoding="utf-8").startswith(f"# {file.name[:4]}. "), file.name


def test_the_readme_can_be_read_at_one_sitting() -> None:
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


def test_links_lead_to_what_the_book_has() -> None:
    text = "[3](03-serving.md) [3](workshop/03-serving.md) [50](decisions/0050-a-margin-of-01-is.md) [1](0001-one.md)"
    book = "[3](03-serving.ipynb) [3](workshop/03-serving.ipynb) [50](#decision-0050) [1](#decision-0001)"
    assert with_book_links(f"{text} [own](own-use-case.md)") == f"{book} [own](own-use-case.md)"


def test_the_book_has_every_decision_on_one_page(tmp_path: Path) -> None:
    shutil.copytree(DOCS / "decisions", tmp_path / "decisions")
    join_decisions(tmp_path)
    assert [file.name for file in (tmp_path / "decisions").iterdir()] == ["index.md"]
    page = (tmp_path / "decisions" / "index.md").read_text(encoding="utf-8")
    for file in decision_files():
        title, _, area, _, *body = file.read_text(encoding="utf-8").splitlines()
        assert f"##{title}\n" in page and body[0] in page and area not in page.splitlines()
    linked = with_book_links(page)
    links = set(re.findall(r"\]\(#(decision-\d+)\)", linked))
    assert links and links <= set(re.findall(r"^\((decision-\d+)\)=$", linked, re.MULTILINE))
    assert not any(file.name in linked for file in decision_files())
