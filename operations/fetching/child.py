"""The process that a use case's own `fetch` runs in; started as a file, it imports little more than the standard
library.

It reads what to call from standard input as JSON, and writes what went wrong, if anything did, to the file named there.
"""

import inspect
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from lakeloop.exceptions import OwnCodeError
from lakeloop.own_code import failure_of, load_function

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
        function = load_function(script, FUNCTION)
        function(**_wanted(function, offered))
    except BaseException as error:  # noqa: BLE001 - whatever it is, another process tells it in words
        if isinstance(error, SystemExit) and error.code in (None, 0):
            return 0
        failure.write_text(json.dumps(_told(error, script)), encoding="utf-8")
        return FAILED
    return 0


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
    failure = failure_of(error, script)
    details = error.__cause__ if isinstance(error, OwnCodeError) and error.__cause__ else error
    return {
        "file": str(failure.file),
        "line": failure.line,
        "error": failure.problem,
        "traceback": "".join(traceback.format_exception(details)),
    }


if __name__ == "__main__":
    sys.exit(main())
