"""Files that pages load, served by name from a list: nothing else of a folder can be asked for."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from lakeloop.kept_content import kept_content

SECONDS = 3600


def add_static_files(router: APIRouter, prefix: str, files: Mapping[str, tuple[Path, str]]) -> None:
    """GET `prefix`/NAME for each of the files, name -> (path, media type); another name is 404 and told the others."""

    @router.get(f"{prefix}/{{name}}")
    def static(name: str, request: Request) -> Response:
        if name not in files:
            raise HTTPException(404, f"there is no {name} here; there are {', '.join(files)}")
        path, kind = files[name]
        return kept_content(request, path.read_bytes(), kind, f"max-age={SECONDS}")
