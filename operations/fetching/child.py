"""The process that a use case's own `fetch` runs in; started as a file, it imports nothing but the standard library.

It reads what to call from standard input as JSON, and writes what went wrong, if anything did, to the file named there.
"""

import importlib.util
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

FUNCTION = "fetch"
FAILED = 1


def main() -> int:
    """Call the function; FAILED where it cannot be called, or raises."""
    order: dict[str, Any] = json.load(sys.stdin)
    script, failure = Path(order["script"]), Path(order["failure"])
    offered = {
        "source": order["source"],
        "period": order["period"],
        "folder": Path(order["folder"]),
        "begins": datetime.fromisoformat(order["begins"]),
        "ends": datetime.fromisoformat(order["ends"]),
    }
    sys.path.insert(0, str(script.parent))
    try:
        function = getattr(_module(script), FUNCTION)
        function(**_wanted(function, offered))
    except BaseException as error:  # noqa: BLE001 - whatever it is, another process tells it in words
        if isinstance(error, SystemExit) and error.code in (None, 0):
            return 0
        failure.write_text(json.dumps(_told(error, script)), encoding="utf-8")
        return FAILED
    return 0


def _module(script: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"use_case_{script.stem}", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _wanted(function: Callable[..., object], offered: Mapping[str, Any]) -> dict[str, Any]:
    """Of what is offered that which the function has parameters for.

    Raises:
        TypeError: it wants something else.
    """
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return dict(offered)
    named = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    unknown = [one.name for one in parameters if one.name not in offered and one.default is one.empty]
    if unknown:
        raise TypeError(f"{FUNCTION}() has a parameter `{unknown[0]}`; it is given {', '.join(offered)}")
    return {one.name: offered[one.name] for one in named if one.name in offered}


def _told(error: BaseException, script: Path) -> dict[str, Any]:
    """The error with the innermost line of the use case's own code that it came from."""
    file, line = str(script), 0
    if isinstance(error, SyntaxError) and error.filename:
        file, line = error.filename, error.lineno or 0
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(script.parent):
            file, line = frame.filename, frame.lineno or 0
    said = "ended itself" if isinstance(error, SystemExit) else type(error).__name__
    text = str(error.msg if isinstance(error, SyntaxError) else error).strip()
    return {
        "file": file,
        "line": line,
        "error": f"{said}: {text.splitlines()[0]}" if text else said,
        "traceback": "".join(traceback.format_exception(error)),
    }


if __name__ == "__main__":
    sys.exit(main())
