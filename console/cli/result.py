"""What a command gives the program that started it: JSON in the file `LAKELOOP_RESULT_FILE` names."""

import json
from collections.abc import Mapping
from typing import Any

from lakeloop.atomic_file import write_text
from lakeloop.settings import load_settings


def write_result(result: Mapping[str, Any]) -> None:
    """Add to the command's result, as a whole or not at all; nothing happens where nobody asked for one.

    Values that JSON does not know (paths, times) are written as text.
    """
    path = load_settings().result_file
    if path is None:
        return
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    write_text(path, json.dumps({**known, **result}, default=str))
