"""Makes the built book open from a disk, and checks it: all that is named is there, nothing comes from elsewhere."""

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADING = {
    ("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src"),
    ("audio", "src"), ("embed", "src"), ("object", "data"), ("image", "href"), ("use", "href"),
}  # fmt: skip
"""What a browser fetches without being asked; an `<a href>` it does not."""
NOT_FETCHED = {"canonical", "alternate", "next", "prev", "author", "license", "search"}
CSS_ADDRESS = re.compile(r"(?:@import\s+|url\()\s*['\"]?([^'\")\s]+)")


FONT_PRELOAD = re.compile(r'<link rel="preload" as="font"[^>]*>\s*')
"""The theme's hint to fetch its icons early. Of a page that is opened from a disk browsers refuse it, with an error."""


def without_font_preloads(folder: Path) -> None:
    """Take the hints out of every page; the style sheet loads the icons all the same."""
    for page in folder.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(FONT_PRELOAD.sub("", text), encoding="utf-8")


def problems(folder: Path) -> list[str]:
    """One sentence a mistake; none if the pages open whole without a network."""
    found: list[str] = []
    for file in sorted(folder.rglob("*.html")):
        if file.is_relative_to(folder / "_static"):
            continue  # no page: a template of the theme, which comes along with its files
        found += _problems_of(folder, file, list(_addresses_of_page(file)))
    for file in sorted(folder.rglob("*.css")):
        text = file.read_text(encoding="utf-8", errors="replace")
        loaded = [(address, True) for address in CSS_ADDRESS.findall(text)]
        found += _problems_of(folder, file, loaded)
    return found


def _problems_of(folder: Path, file: Path, addresses: Sequence[tuple[str, bool]]) -> Iterator[str]:
    page = file.relative_to(folder)
    for address, is_loaded in addresses:
        parts = urlsplit(address)
        if parts.scheme == "data" or address.startswith(("about:", "javascript:", "mailto:")):
            continue
        if parts.scheme or parts.netloc:
            if is_loaded:
                yield f"{page} loads {address}; the book must bring it itself"
            continue
        if parts.path and not (file.parent / unquote(parts.path)).exists():
            yield f"{page} names {address}, which is not there"


def _addresses_of_page(file: Path) -> Iterator[tuple[str, bool]]:
    reader = _Reader()
    reader.feed(file.read_text(encoding="utf-8"))
    yield from reader.found


class _Reader(HTMLParser):
    """Collects addresses with whether a browser fetches them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, bool]] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        given = {name: value or "" for name, value in attrs}
        for name, value in given.items():
            if (tag, name) in LOADING:
                relation = set(given.get("rel", "").split())
                self.found.append((value, not (tag == "link" and relation & NOT_FETCHED)))
            elif (tag, name) == ("a", "href") and value:
                self.found.append((value, False))
            elif name == "style":
                self.found += [(address, True) for address in CSS_ADDRESS.findall(value)]

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.found += [(address, True) for address in CSS_ADDRESS.findall(data)]
