"""What the book consists of: its pages in order, and where everything lies."""

from pathlib import Path

import yaml

from lakeloop.settings import PROJECT

DOCS = PROJECT / "docs"
BUILD = DOCS / "_build"
TOC = DOCS / "_toc.yml"
WORKSHOP = "workshop"
REFERENCE = "reference"
"""Pages in this folder are written anew by every build."""


def pages(toc: Path = TOC) -> tuple[str, ...]:
    """Every page that a table of contents names, without its ending, in order, the start page first."""
    contents = yaml.safe_load(toc.read_text(encoding="utf-8"))
    found = [contents["root"]]
    for part in contents["parts"]:
        found += _below(part["chapters"])
    return tuple(found)


def _below(chapters: list[dict[str, object]]) -> list[str]:
    found: list[str] = []
    for chapter in chapters:
        if "glob" in chapter:
            found += sorted(str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.glob(f"{chapter['glob']}.md"))
            continue
        found.append(str(chapter["file"]))
        sections = chapter.get("sections", [])
        assert isinstance(sections, list)
        found += _below(sections)
    return found


def written_pages(docs: Path = DOCS) -> tuple[str, ...]:
    """Every page that somebody wrote, without its ending."""
    files = (file.relative_to(docs).with_suffix("") for file in docs.rglob("*.md") if BUILD not in file.parents)
    return tuple(sorted(map(str, files)))


def notebooks(toc: Path = TOC) -> tuple[str, ...]:
    """The workshop's chapters, which are run in this order: each stands on what the ones before it left."""
    return tuple(page for page in pages(toc) if page.startswith(f"{WORKSHOP}/") and page != f"{WORKSHOP}/index")
