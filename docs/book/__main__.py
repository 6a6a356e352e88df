"""`python -m docs.book`: run the notebooks, write the reference, build the HTML, check that it needs no network."""

import argparse
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from plotly.offline import get_plotlyjs

from docs.book.contents import BUILD, DOCS, decision_files, notebooks
from docs.book.execution import ChapterError, run_chapters
from docs.book.offline import problems, without_font_preloads
from docs.book.reference_pages import reference_pages

CHAPTER = re.compile(r"(\]\((?:[^)\s]*/)?\d\d-[a-z-]+)\.md\b")
"""A link to a chapter of the workshop, which is a notebook in what Jupyter Book reads."""
DECISION = re.compile(r"^- \[\d+\]\((\d+-[a-z0-9-]+\.md)\).*$", re.MULTILINE)
"""A decision's line in the index."""
DECISION_LINK = re.compile(r"\]\((?:[^)\s]*/)?(\d{4})-[a-z0-9-]+\.md\)")
"""A link to a decision from any page, another decision among them: in the book all stand on one page."""
SOURCE, HTML, MADE, PAGES, HOME = (BUILD / name for name in ("source", "html", "notebooks", "pages", "home"))


def main() -> int:
    """Build the book; 0 if it is whole."""
    parser = argparse.ArgumentParser(prog="python -m docs.book", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="take the notebooks as they were run last, for prose")
    keep = parser.parse_args().keep and MADE.is_dir()
    began = time.monotonic()
    if not keep:
        for folder in (HOME, MADE, PAGES):
            shutil.rmtree(folder, ignore_errors=True)
        try:
            run_chapters(notebooks(), DOCS, MADE, HOME, PAGES, _tell)
        except ChapterError as failed:
            _tell(str(failed), sys.stderr)
            return 1
    gather(SOURCE)
    _tell("writing the pages …")
    if not _build():
        return 1
    without_font_preloads(HTML)
    shutil.copytree(PAGES, HTML / "pages", dirs_exist_ok=True)
    found = problems(HTML)
    for problem in found:
        _tell(problem, sys.stderr)
    if found:
        return 1
    _tell(f"The book is at {HTML / 'index.html'} ({time.monotonic() - began:.0f} s)")
    return 0


def gather(source: Path) -> None:
    """Put together what Jupyter Book reads: the written pages, notebooks with their outputs, the reference."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns("_build", "__pycache__", "book"))
    join_decisions(source)
    for notebook in MADE.rglob("*.ipynb"):
        page = source / notebook.relative_to(MADE)
        page.with_suffix(".md").unlink()
        shutil.copy2(notebook, page)
    for page in (*source.rglob("*.md"), *source.rglob("*.ipynb")):
        page.write_text(with_book_links(page.read_text(encoding="utf-8")), encoding="utf-8")
    for name, text in reference_pages().items():
        page = source / f"{name}.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")
    (source / "_static" / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")


def with_book_links(text: str) -> str:
    """Let a page's links lead to what the book has: a chapter is a notebook, a decision a heading on one page."""
    return DECISION_LINK.sub(r"](#decision-\1)", CHAPTER.sub(r"\1.ipynb", text))


def join_decisions(source: Path) -> None:
    """Put each decision where the index names it: hundreds of pages of some lines would be most of the book."""
    index = source / "decisions" / "index.md"
    files = {file.name: file for file in decision_files(source)}

    def text(line: re.Match[str]) -> str:
        title, _, _, *body = files[line[1]].read_text(encoding="utf-8").splitlines()
        return "\n".join([f"(decision-{line[1][:4]})=", f"##{title}", *body, ""])

    index.write_text(DECISION.sub(text, index.read_text(encoding="utf-8")), encoding="utf-8")
    for file in files.values():
        file.unlink()


def _build() -> bool:
    """Whether Jupyter Book made the HTML without a warning; what it says is in the log, its end is told."""
    shutil.rmtree(HTML, ignore_errors=True)
    log = BUILD / "jupyter-book.log"
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", "-W", "--keep-going", "--all"]
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            [*command, str(SOURCE), "--path-output", str(DOCS)], stdout=output, stderr=output, check=False
        )
    if done.returncode:
        lines = [line for line in log.read_text(encoding="utf-8").splitlines() if "WARNING" in line or "ERROR" in line]
        _tell("\n".join([*lines, f"Jupyter Book failed; {log} has all it said"]), sys.stderr)
    return done.returncode == 0


def _tell(text: str, to: object = None) -> None:
    print(text, file=to or sys.stdout, flush=True)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
