"""Files that pages load, served by name from a list: nothing else of a folder can be asked for."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse

SECONDS = 3600


def add_static_files(router: APIRouter, prefix: str, files: Mapping[str, tuple[Path, str]]) -> None:
    """GET `prefix`/NAME for each of the files, name -> (path, media type); another name is 404 and told the others."""

    @router.get(f"{prefix}/{{name}}")
    def static(name: str) -> FileResponse:
        if name not in files:
            raise HTTPException(404, f"there is no {name} here; there are {', '.join(files)}")
        path, kind = files[name]
        return FileResponse(path, media_type=kind, headers={"cache-control": f"max-age={SECONDS}"})
