"""Own names for what others named: lower-case letters, digits and `_`, no two alike, none that the platform keeps."""

import re
import unicodedata
from collections.abc import Iterable

from lakeloop.contract import reserved_names as reserved
from operations.contract_yaml import is_yaml_text

LETTERS = {
    "ä": "ae",
    "ö": "oe",
    "ü": "ue",
    "ß": "ss",
    "æ": "ae",
    "ø": "oe",
    "å": "a",
    "ł": "l",
    "%": " percent ",
    "€": " euro ",
}
COMPARED = {"<=": " up to ", ">=": " from ", "<": " below ", ">": " above ", "+": " plus ", "$": " dollar "}
LONGEST = 60
KEPT = {
    *reserved.REQUEST, *reserved.PREDICTIONS, *reserved.PERFORMANCE, *reserved.PERIOD_SUMMARY, *reserved.SCORES,
    *reserved.POINTS, "period", "row_key",
}  # fmt: skip


def own_name(text: str, otherwise: str) -> str:
    """`Fare Amount ($)` -> `fare_amount_dollar`, `tripMiles` -> `trip_miles`; `otherwise` where nothing is left."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", " ", text).lower()
    for letters, spelled in {**COMPARED, **LETTERS}.items():
        text = text.replace(letters, spelled)
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    made = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:LONGEST].strip("_")
    if not made:
        return otherwise
    return made if made[0].isalpha() else f"{otherwise.partition('_')[0]}_{made}"


def said_name(name: str) -> str:
    """A delivered name as a few words."""
    words = own_name(name, "column").replace("_", " ")
    return words[:1].upper() + words[1:]


def own_names(delivered: Iterable[str], class_names: Iterable[str] = ()) -> dict[str, str]:
    """Delivered name -> own name of every column."""
    classes, taken, found = tuple(class_names), set[str](), dict[str, str]()
    for place, name in enumerate(delivered, 1):
        made = own_name(name, f"column_{place}")
        kept = made in KEPT or made in reserved.SOURCES or not is_yaml_text(made)
        if kept or reserved.of_feature(made, classes, logged=True):
            made = f"{made}_value"
        found[name] = _free(made, taken)
    return found


def class_names(texts: Iterable[str]) -> dict[str, str]:
    """A name for each value of a label: `>50K` -> `above_50k`, `1` -> `class_1`."""
    listed = list(texts)
    bare = {text: text.strip().lower().removesuffix(".0") for text in listed}
    if set(bare.values()) in ({"0", "1"}, {"false", "true"}, {"f", "t"}, {"n", "y"}):
        return {text: "yes" if bare[text] in ("1", "true", "t", "y") else "no" for text in listed}
    taken, found = set[str](), dict[str, str]()
    for place, text in enumerate(listed, 1):
        found[text] = _free(own_name(bare[text] if bare[text].isdecimal() else text, f"class_{place}"), taken)
    return found


def _free(name: str, taken: set[str]) -> str:
    made, number = name, 1
    while made in taken:
        number += 1
        made = f"{name}_{number}"
    taken.add(made)
    return made
