"""What a client reads when a request is refused: which field, what was given, what is allowed."""

import json
from typing import Any

from pydantic import ValidationError

from lakeloop.contract import Contract
from lakeloop.contract.columns import DECIMAL_PLACES, TIMES
from lakeloop.contract.reserved_names import REQUEST
from lakeloop.contract.section import some
from lakeloop.contract.time_features import FIRST, LAST, usual_format
from lakeloop.contract.time_formats import meaning
from lakeloop.derived_features import Underived
from lakeloop.request_record import EARLIEST, LATEST
from serving.exceptions import RefusedRequestError

MOST_PROBLEMS = 20
LONGEST_VALUE = 60


def refusal(status: int, text: str) -> RefusedRequestError:
    """A refusal that is about the request as a whole."""
    return RefusedRequestError(status, [{"loc": ["body"], "field": "", "msg": text, "type": "request", "allowed": ""}])


def problems_of(error: ValidationError, contract: Contract, batch: bool = False) -> list[dict[str, Any]]:
    """A validation's mistakes, at most 20, each as a sentence that names the field and what is allowed."""
    found = error.errors(include_url=False, include_context=True)
    problems = [_problem(dict(mistake), contract, batch) for mistake in found[:MOST_PROBLEMS]]
    if len(found) > MOST_PROBLEMS:
        problems[-1]["msg"] += f" (and {len(found) - MOST_PROBLEMS} more mistakes)"
    return problems


def underived(problem: Underived, contract: Contract, where: tuple[str | int, ...] = ()) -> dict[str, Any]:
    """Why a row has no good value of a feature that is made here; the client mends it by what that is made of."""
    return {
        "loc": ["body", *where, problem.feature],
        "field": _path([*where, problem.feature]),
        "msg": problem.text,
        "type": "derived",
        "allowed": contract.features[problem.feature].allowed,
    }


def _problem(mistake: dict[str, Any], contract: Contract, batch: bool) -> dict[str, Any]:
    where = list(mistake["loc"])
    field = _path(where)
    allowed, in_short = _allowed(where, contract)
    kind = mistake["type"]
    if kind == "json_invalid":
        text = f"the body is not JSON: {mistake.get('ctx', {}).get('error', mistake['msg'])}"
    elif kind == "missing":
        text = f"{field} is missing; allowed is {in_short}" if allowed else f"{field} is missing"
    elif kind == "extra_forbidden" and (of := _derived_from(where, contract)):
        text = f"{field} is derived from {', '.join(of)}, and never sent; leave it out"
    elif kind == "extra_forbidden":
        text = f"{field} is not known; fields there are {', '.join(_fields_beside(where, contract, batch))}"
    elif allowed:
        text = f"{field} is {_shown(mistake['input'])}; allowed is {in_short}"
    elif kind == "model_type":
        text = f'{field or "the body"} is {_shown(mistake["input"])}; an object is needed: {{"FIELD": VALUE, …}}'
    elif kind == "too_short":
        text = f"{field} is empty; one or more are needed"
    elif kind == "too_long":
        text = f"{field} are too many; at most {mistake['ctx']['max_length']:,} are answered at once"
    else:
        text = f"{field or 'the body'}: {mistake['msg']}"
    return {"loc": ["body", *where], "field": field, "msg": text, "type": kind, "allowed": allowed}


def _path(where: list[Any]) -> str:
    """('requests', 3, 'group', 'feature') -> `requests[3].group.feature`."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _allowed(where: list[Any], contract: Contract) -> tuple[str, str]:
    """What a feature may be, in words, and the same with the first of many values; '' where it is no feature."""
    feature = contract.features.get(str(where[-1])) if where else None
    if feature is None or (feature.group or "") not in (where[-2:-1] or [""]) + [""]:
        return "", ""
    gap = ", or null where it is not known" if feature.optional else ""
    if feature.values is not None:
        return feature.allowed + gap, f"one of {some(feature.values)}{gap}"
    if feature.type in ("bool", "string"):
        text = "true or false" if feature.type == "bool" else "a text that is not empty and has no NUL character"
        return text + gap, text + gap
    if feature.type in TIMES:
        event = where[-1] == contract.event_time.column
        first, last = (EARLIEST, LATEST) if event else (FIRST, LAST)
        text = f"{meaning(usual_format(feature.type))}, in the years {first.year} to {last.year}{gap}"
        return text, text
    kind = "a whole number" if feature.type == "int" else "a number"
    if feature.type == "decimal":
        kind = f"a number, or one as text, with up to {DECIMAL_PLACES} places behind the point,"
    low, high = feature.limits or (0.0, 0.0)
    text = f"{kind} from {low:g} to {high:g}" + (f" ({feature.unit})" if feature.unit else "") + gap
    return text, text


def _derived_from(where: list[Any], contract: Contract) -> tuple[str, ...]:
    feature = contract.features.get(str(where[-1])) if where else None
    return (feature.derived_from or ()) if feature is not None else ()


def _fields_beside(where: list[Any], contract: Contract, batch: bool) -> list[str]:
    if batch and len(where) == 1:
        return ["requests"]
    group = next((part for part in where[:-1] if isinstance(part, str) and part != "requests"), None)
    inside = [name for name, feature in contract.given_features.items() if feature.group == group]
    if group is not None:
        return inside
    groups = dict.fromkeys(feature.group for feature in contract.given_features.values() if feature.group)
    return [*groups, *inside, *REQUEST]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
