"""Which rows a model is trained on, and how they are weighed; the model itself is in `model`."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lakeloop.contract.section import Name, Section, Text, mistake, unless

BY_TIME = "newest"
"""The salt of a split that hashes nothing but the shards of its rows."""
Balance = Literal["none", "weights", "smote", "downsample"]


class Split(Section):
    """Which rows are held out, by a hash or by time.

    By `key` a row is an eval row when the first 8 hex digits of sha256('salt:key') are divisible by `every`. By
    `column` the value of that column takes the key's place, so all rows of a value are on one side. By `time` the
    newest rows of an export are held out, about a share `eval`: newer ones are what a model is asked about.

    `stratify`: each class of a period, its rows in the order of their hashes, has every `every`-th of them held out, so
    a rare one is in both parts by its share and not by luck.
    """

    by: Literal["key", "column", "time"] = "key"
    salt: Text
    every: Annotated[int, Field(ge=2)] = 5
    column: Name | None = None
    eval: Annotated[float, Field(gt=0, lt=1)] = 0.2
    stratify: bool = unless(False)

    @model_validator(mode="before")
    @classmethod
    def _says_what_its_kind_needs(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(given.get("by", "key"), str):
            return given
        by = given.get("by", "key")
        unused = {
            "key": ("column", "eval"),
            "column": ("eval", "stratify"),
            "time": ("salt", "every", "column", "stratify"),
        }.get(by, ())
        as_they_are = {"salt": BY_TIME, "every": 5, "column": None, "eval": 0.2, "stratify": False}
        if found := [name for name in unused if given.get(name, as_they_are[name]) != as_they_are[name]]:
            raise mistake(f"says `{', '.join(found)}`, which means nothing in a split by {by}; leave it out, or say "
                          "another `by`: key, column, time")  # fmt: skip
        if by == "column" and not given.get("column"):
            raise mistake(
                "a split by column needs `column: NAME`: a feature, the event time, or another one of the file"
            )
        return {"salt": BY_TIME, **given} if by == "time" else given

    def first_eval_period(self, rows: Mapping[str, int]) -> str:
        """In a split by time the first period that is held out, of rows by period: those from it on come nearest to
        the share `eval`. At least one is held out and one is not, if there are two."""
        total, newer, shares = sum(rows.values()), 0, {}
        for period in sorted(rows, reverse=True):
            newer += rows[period]
            shares[period] = newer / total
        inner = list(shares)[:-1] or list(shares)
        return min(inner, key=lambda period: abs(shares[period] - self.eval))

    def hash_of(self, text: str) -> int:
        """The first 8 hex digits of sha256('salt:text')."""
        return int(hashlib.sha256(f"{self.salt}:{text}".encode()).hexdigest()[:8], 16)

    def is_eval(self, key: str) -> bool:
        """Whether the row with this key, or with this value of `column`, is held out.

        In a split by time, or by `stratify`, this is nothing that one row tells.
        """
        return self.hash_of(key) % self.every == 0


class Training(Section):
    """How rows are weighed in training.

    `balance` evens out rare classes: by class weights; by SMOTE, which adds rows between neighbours of a class; or by
    leaving out rows of the commoner ones (`downsample`), after which the model's probabilities are set right again.
    """

    balance: Balance = "none"
