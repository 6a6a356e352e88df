"""The check of the built book finds what would need a network, and what is not there."""

from pathlib import Path

from docs.book.offline import problems, without_font_preloads


def book(folder: Path, page: str, css: str = "") -> list[str]:
    folder.mkdir(exist_ok=True)
    (folder / "here.png").write_bytes(b"")
    (folder / "style.css").write_text(css)
    (folder / "index.html").write_text(f"<html><body>{page}</body></html>")
    return problems(folder)


def test_a_whole_book_has_no_problems(tmp_path: Path) -> None:
    page = (
        '<link rel="stylesheet" href="style.css?v=1"><img src="here.png"><a href="https://example.org">away</a>'
        '<a href="#top">up</a><img src="data:image/png;base64,AA"><link rel="canonical" href="https://example.org/">'
        '<iframe src="here.png"></iframe>'
    )
    assert book(tmp_path, page, "a { background: url(here.png) } b { background: url('data:image/svg+xml,x') }") == []


def test_what_is_loaded_from_elsewhere_is_named(tmp_path: Path) -> None:
    found = book(
        tmp_path,
        '<script src="https://cdn.example/require.js"></script><link rel="stylesheet" href="//fonts.example/a.css">'
        '<div style="background: url(https://x.example/a.png)"></div><style>@import "https://x.example/b.css";</style>',
        "@font-face { src: url(https://fonts.example/f.woff2) }",
    )
    assert [problem.split(" loads ")[1].split(";")[0] for problem in found] == [
        "https://cdn.example/require.js", "//fonts.example/a.css", "https://x.example/a.png", "https://x.example/b.css",
        "https://fonts.example/f.woff2",
    ]  # fmt: skip


def test_the_hint_that_browsers_refuse_on_a_disk_is_taken_out(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text(
        '<link rel="preload" as="font" crossorigin href="a.woff2" />\n<link rel="preload" as="script" href="b">'
    )
    without_font_preloads(tmp_path)
    assert page.read_text() == '<link rel="preload" as="script" href="b">'


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    found = book(tmp_path, '<a href="gone.html#part">x</a><script src="_static/plotly.min.js"></script>')
    assert found == [
        "index.html names gone.html#part, which is not there",
        "index.html names _static/plotly.min.js, which is not there",
    ]
