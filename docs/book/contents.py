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
        found.append(str(chapter["file"]))
        sections = chapter.get("sections", [])
        assert isinstance(sections, list)
        found += _below(sections)
    return found


def written_pages(docs: Path = DOCS) -> tuple[str, ...]:
    """Every page that somebody wrote, without its ending; decisions are one page, with their index."""
    files = (file for file in docs.rglob("*.md") if BUILD not in file.parents and file not in decision_files(docs))
    return tuple(sorted(str(file.relative_to(docs).with_suffix("")) for file in files))


def decision_files(docs: Path = DOCS) -> list[Path]:
    """The decisions, in the order of their numbers."""
    return sorted((docs / "decisions").glob("[0-9]*.md"))


def notebooks(toc: Path = TOC) -> tuple[str, ...]:
    """The workshop's chapters, which are run in this order: each stands on what the ones before it left."""
    return tuple(page for page in pages(toc) if page.startswith(f"{WORKSHOP}/") and page != f"{WORKSHOP}/index")
