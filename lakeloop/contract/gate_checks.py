"""What the gate's checks name must be there: the class, the feature they slice by, and its value."""

import difflib
from collections.abc import Iterable
from typing import Any

from lakeloop.contract.raw_document import Found, items_at, names_at, text_at, value_at
from lakeloop.contract.yaml_document import Location

NOT_SLICED_BY = ("text", "time")


def gate_checks(raw: dict[str, Any]) -> Found:
    """Each mistake and where it is."""
    classes = [str(one.get("name")) for one in items_at(raw, "label", "classes") if isinstance(one, dict)]
    features = names_at(raw, "features")
    for position, check in enumerate(items_at(raw, "gate", "checks")):
        at: Location = ("gate", "checks", position)
        if not isinstance(check, dict):
            continue
        of, sliced = check.get("of"), check.get("slice")
        if of is not None and classes and str(of) not in classes:
            yield (*at, "of"), f"'{of}' is not a class of the label; {_near(str(of), classes, 'classes')}"
        names = list(sliced) if isinstance(sliced, dict) else [sliced] if isinstance(sliced, str) else []
        for name in names:
            if name not in features:
                yield (*at, "slice"), f"'{name}' is not a feature; {_near(str(name), features, 'features')}"
            elif (role := text_at(raw, "features", name, "role")) in NOT_SLICED_BY:
                yield (
                    (*at, "slice"),
                    f"`{name}` is a {role}, which nearly every row has its own of; take a category",
                )
            elif isinstance(sliced, dict):
                allowed = value_at(raw, "features", name, "values")
                if isinstance(allowed, list) and sliced[name] not in allowed:
                    wanted = ", ".join(map(str, allowed))
                    yield (*at, "slice", name), f"'{sliced[name]}' is not a value of `{name}`; it has {wanted}"


def _near(name: str, known: Iterable[str], what: str) -> str:
    close = difflib.get_close_matches(name, known := list(known), n=1)
    return f"did you mean `{close[0]}`?" if close else f"{what}: {', '.join(known)}"
