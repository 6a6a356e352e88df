"""Several labels in one: which of them a row has is a set, whose number has a bit for each."""

from typing import Any

from lakeloop.contract.section import mistake

MOST_LABELS = 30
"""Labels of one contract: a set of them is a whole number of so many bits."""
NO_LABEL = "none"
"""The name of the set without any label."""


def set_column(name: str) -> str:
    """The column with the number of the set of several labels that are true, of a label of this name."""
    return f"{name}_set"


def label_of_a_set(given: dict[str, Any]) -> dict[str, Any]:
    """A label of several `columns`, as it is written, with the classes and the truth of their set.

    Raises:
        PydanticCustomError: the columns are not as they should be, or something is said that several labels have not.
    """
    names, said, read = given["columns"], given.get("truth"), set_column(str(given.get("name")))
    if not all(isinstance(name, str) for name in names) or not 2 <= len(names) <= MOST_LABELS:
        raise mistake(f"`columns` is a list of 2 to {MOST_LABELS} names of columns, each yes or no; a single one "
                      "is a label of two classes: `column`, `truth: {type: bool}`, and `classes`")  # fmt: skip
    whole = given.get("column") == read  # as a record of a contract has it
    for name, why in () if whole else _OF_ONE_LABEL.items():
        if name in given:
            raise mistake(f"`columns` are several labels, each yes or no, and `{name}` {why}; leave `{name}` out, "
                          "or `columns`")  # fmt: skip
    said = said if isinstance(said, dict) else {}
    if not whole and (said.get("type", "bool") != "bool" or set(said) - {"type", "description"}):
        raise mistake("each of the `columns` is yes or no, so `truth` says no more than `type: bool` and a "
                      "`description`; a label of something else is a contract of its own")  # fmt: skip
    if len(set(names)) != len(names):
        raise mistake(f"`columns` names a label twice: {', '.join(map(str, names))}")
    if NO_LABEL in names:
        raise mistake(f"`{NO_LABEL}` is what a row without any label is called; give the column another name")
    truth = {"description": said.get("description", given.get("description")), "type": "int",
             "valid": (0, 2 ** len(names) - 1)}  # fmt: skip
    return {**given, "column": read, "truth": truth, "classes": tuple({"name": name} for name in names)}


_OF_ONE_LABEL = {
    "column": "is the column of one",
    "made": "computes one from several columns",
    "classes": "are those of one, of which each row has exactly one",
    "ordered": "is of classes in an order",
    "interval": "is of a number",
    "loss": "is of a number",
    "ahead": "is of one that a later row has",
    "naive": "is what one label is now",
    "decision": "is a threshold between two classes (of several labels each is answered from probability 0.5 on)",
}
"""What a label of several columns cannot have, and why."""
