"""What browsers keep is compressed for those that take it, and not sent again to those that have it."""

import gzip
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from lakeloop.static_files import add_static_files


def test_a_file_is_compressed_once_sent_and_not_sent_again_until_it_changes(tmp_path: Path) -> None:
    path, router, app = tmp_path / "long.js", APIRouter(), FastAPI()
    path.write_text("draw();\n" * 1000)
    add_static_files(
        router, "/static", {"long.js": (path, "text/javascript"), "short.css": (tmp_path / "a", "text/css")}
    )
    (tmp_path / "a").write_text("p {}")
    app.include_router(router)
    with TestClient(app) as client:
        raw = client.get("/static/long.js", headers={"accept-encoding": "identity"})
        packed = client.get("/static/long.js", headers={"accept-encoding": "gzip"})
        assert raw.content == packed.content == path.read_bytes()
        assert "content-encoding" not in raw.headers and packed.headers["content-encoding"] == "gzip"
        assert int(packed.headers["content-length"]) == len(gzip.compress(path.read_bytes(), 6, mtime=0))
        assert "content-encoding" not in client.get("/static/short.css").headers
        known = {"if-none-match": raw.headers["etag"]}
        assert packed.headers["etag"] == raw.headers["etag"]
        assert client.get("/static/long.js", headers=known).status_code == 304
        path.write_text("draw(2);\n" * 1000)
        assert client.get("/static/long.js", headers=known).status_code == 200
