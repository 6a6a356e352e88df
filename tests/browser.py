"""A real browser for pages: they must work without a network and complain about nothing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect, sync_playwright

Open = Callable[[str, int], Page]
CHROMIUM = Path("/usr/bin/chromium")
ELSEWHERE = "lakeloop.test"
"""This machine by a name that the browser does not know for it: without TLS it trusts that less than 127.0.0.1."""


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The application on a free port; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window; skips the test where there is none."""
    if not CHROMIUM.exists():
        pytest.skip("no chromium; `make system` installs it")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1"],
            timeout=240_000,
        )  # fmt: skip
        expect.set_options(timeout=60_000)  # 5 s are too few for a browser on a busy machine
        yield found
        found.close()


@contextmanager
def watched(browser: Browser) -> Iterator[Open]:
    """Opens pages (address, width in pixels); at the end none may have complained or asked another host."""
    pages, wrong = [], []

    def opened(url: str, width: int) -> Page:
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(120_000)  # 30 s are too few for a browser on a busy machine
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        own = (f"http://{url.split('/')[2]}/", "data:", "blob:")
        page.on("request", lambda asked: None if asked.url.startswith(own) else wrong.append(asked.url))
        page.goto(url)
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert wrong == []
