"""A model's inputs: typed columns with a role, and what a model gets of them."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lakeloop.contract.columns import LARGEST_FLOAT32, STAND_INS, TIMES, Column
from lakeloop.contract.section import Name, Scalar, Section, Text, mistake, sequences_as_tuples, unless
from lakeloop.contract.time_features import (
    USUAL_PARTS,
    Part,
    parts_problem,
    read_time,
    seconds_of,
    time_format_problem,
    usual_format,
)
from lakeloop.contract.time_formats import meaning

Role = Literal["numeric", "binary", "categorical", "text", "time"]
Missing = Literal["reject", "median", "mean", "zero", "category"]
Transform = Literal["log", "clip", "buckets"]
OPEN = ("categorical", "text")
"""Roles whose categories or words may be learnt."""
MANY_A_ROW = ("text", "time")
"""Roles of which a row has several things to compare: words, or parts."""
DRIFT_TESTS = Literal["wasserstein", "jensenshannon", "psi", "kl_div", "hellinger", "ks"]
NUMERIC_TESTS = ("wasserstein", "ks")
LARGEST_VOCABULARY = 100_000
FEATURES_FILE = "features.py"
"""The file beside the contract whose functions make derived features, each the one of its own name."""


class DriftTest(Section):
    """How a feature's drift is measured; a score at or above `threshold` (p-value tests: below) is drift."""

    test: DRIFT_TESTS
    threshold: Annotated[float, Field(gt=0)]


class Vocabulary(Section):
    """How a categorical feature without `values`, or the words of a text, are learnt from the training rows.

    The `top` most frequent ones that stand there `min_count` times or more have a place each; all others share
    `out_of_vocabulary` places by their hash, with 0 none. With `hash_buckets` nothing is learnt: every value goes to
    one of so many places by its hash.
    """

    top: Annotated[int, Field(ge=1, le=LARGEST_VOCABULARY)] = 1000
    min_count: Annotated[int, Field(ge=1)] = 1
    out_of_vocabulary: Annotated[int, Field(ge=0, le=LARGEST_VOCABULARY)] = 1
    hash_buckets: Annotated[int, Field(ge=2, le=LARGEST_VOCABULARY)] | None = None

    @model_validator(mode="after")
    def _learnt_or_hashed(self) -> Self:
        learnt = Vocabulary.model_construct()
        names = ("top", "min_count", "out_of_vocabulary")
        if self.hash_buckets is not None and any(getattr(self, name) != getattr(learnt, name) for name in names):
            raise mistake(f"`hash_buckets` takes every value there is; leave {', '.join(names)} out, or `hash_buckets`")
        return self


class Feature(Column):
    """A model input. `role`: numeric and binary are scaled, categorical is one-hot, text is the words that are in it,
    time is its parts.

    `source`: the one it comes from, where several have a column of its name. `derived_from`: no file and no request has
    it; the function of its name in the use case's `features.py` makes it of these other features. `missing`: what the
    model gets for a value that is not there; `reject`: a row must have one. `missing_flag`: the model also gets whether
    it was there. `transform`: what is done to a number before it is scaled. `format`: how files write a date or time.
    `parts`: what a model gets of one, `cyclic`: as sine and cosine where it comes round again. `example`: an ordinary
    value, for the client page and the API's examples.
    """

    role: Role
    source: Name | None = unless(None)
    derived_from: Annotated[tuple[Name, ...], Field(min_length=1)] | None = unless(None)
    missing: Missing = unless("reject")
    missing_flag: bool = unless(False)
    vocabulary: Vocabulary | None = unless(None)
    transform: Transform | None = unless(None)
    format: Text | None = unless(None)
    parts: tuple[Part, ...] | None = unless(None)
    cyclic: bool = unless(False)
    example: Scalar | None = unless(None)
    group: Name | None = None
    drift: DriftTest

    @model_validator(mode="before")
    @classmethod
    def _what_is_left_out(cls, written: Any) -> Any:
        """Drift test and vocabulary by role, where the contract says nothing of them."""
        if not isinstance(written, dict):
            return written
        filled = sequences_as_tuples(written)
        role = written.get("role")
        if "drift" not in written:
            filled["drift"] = {"test": "wasserstein" if role == "numeric" else "jensenshannon", "threshold": 0.1}
        if role in OPEN and written.get("values") is None and written.get("vocabulary") is None:
            filled["vocabulary"] = {}
        if role == "time" and written.get("parts") is None and written.get("type") in TIMES:
            filled["parts"] = USUAL_PARTS[written["type"]]
        return filled

    @model_validator(mode="after")
    def _role_fits_type(self) -> Self:
        if self.type in TIMES and self.role != "time":
            raise mistake(f"a {self.type} has `role: time`: a model gets its parts, such as weekday and month")
        if self.role == "numeric" and (self.type not in ("float", "int", "decimal") or self.values is not None):
            raise mistake("a numeric feature is of type float, int or decimal and has no `values`; `valid` may say its "
                          "range")  # fmt: skip
        if self.role == "binary" and self.type != "bool" and (self.type != "int" or set(self.values or ()) != {0, 1}):
            raise mistake("a binary feature needs `type: bool`, or `type: int` and `values: [0, 1]`")
        if self.role == "categorical" and (self.type not in ("string", "int") or self.valid is not None):
            raise mistake("a categorical feature is of type string or int; list its `values`, or leave them out: then "
                          "its vocabulary is learnt")  # fmt: skip
        if self.role == "text" and (self.type != "string" or self.values is not None):
            raise mistake("a text feature is of type string and has no `values`: its words are learnt")
        if self.role == "time" and self.type not in TIMES:
            raise mistake("a time feature is of type date or timestamp; `format` may say how files write it")
        if self.role != "numeric" and self.drift.test in NUMERIC_TESTS:
            raise mistake(f"drift test {self.drift.test} is for numeric features only; take jensenshannon or psi")
        if self.vocabulary is not None and not self.learnt:
            raise mistake("`vocabulary` is for a text, or a categorical feature without `values`; leave it out")
        if self.role != "time" and (self.format is not None or self.parts is not None or self.cyclic):
            raise mistake("`format`, `parts` and `cyclic` are for features of `role: time`; leave them out")
        if self.role == "time" and (problem := parts_problem(self.type, self.parts or (), self.cyclic)):
            raise mistake(problem)
        if self.format is not None and (problem := time_format_problem(self.type, self.format)):
            raise mistake(f"`format` {problem}")
        if self.carried_as == "float" and self.largest > LARGEST_FLOAT32:
            raise mistake(
                f"`valid` reaches to {self.largest:g}; a model's float is one of 32 bits and ends at "
                f"{LARGEST_FLOAT32:.4g}: narrow it, or deliver the number in a larger unit"
            )
        return self

    @model_validator(mode="after")
    def _derived_is_not_delivered(self) -> Self:
        if self.derived_from is None:
            return self
        if said := [word for word in ("source", "format", "example") if getattr(self, word) is not None]:
            raise mistake(f"`{said[0]}` is for a feature that files and requests have; this one is made of others "
                          "(`derived_from`): leave it out")  # fmt: skip
        if len(set(self.derived_from)) < len(self.derived_from):
            raise mistake(f"`derived_from` names a feature twice: {', '.join(self.derived_from)}")
        return self

    @model_validator(mode="after")
    def _example_is_possible(self) -> Self:
        value = self.example
        if value is None:
            return self
        if self.type == "bool":
            raise mistake("a bool is true or false, and needs no `example`")
        if self.type in TIMES:
            if not isinstance(value, str) or self.seconds(value) is None:
                raise mistake(f"`example` is {value!r}; write {meaning(usual_format(self.type))}, in quotes")
            return self
        kinds = (str,) if self.type == "string" else (int, float)
        good = isinstance(value, kinds) and (self.values is None or value in self.values)
        if good and not isinstance(value, str) and self.limits is not None:
            good = self.limits[0] <= value <= self.limits[1] and (self.type != "int" or value == int(value))
        if not good:
            raise mistake(f"`example` is {value!r}, and only {self.allowed} is possible")
        return self

    @model_validator(mode="after")
    def _missing_fits_role(self) -> Self:
        if self.role == "time" and self.missing == "zero":
            raise mistake("a time has no zero; take `missing: category` (the model gets that there is none), median or "
                          "mean")  # fmt: skip
        if self.missing == "category" and self.role not in (*OPEN, "time"):
            raise mistake(f"a {self.role} feature has no categories that a missing value could be one of; take "
                          "`missing: median`, mean or zero, and `missing_flag: true` to tell the model")  # fmt: skip
        if self.role in OPEN and self.missing not in ("reject", "category"):
            raise mistake(f"a {self.role} feature has no {self.missing}; take `missing: category`")
        if self.missing_flag and not self.optional:
            raise mistake("`missing_flag` is for a feature that may be missing; say with `missing` what the model gets "
                          "then: median, mean or zero")  # fmt: skip
        if self.missing_flag and self.missing == "category":
            raise mistake("`missing: category` tells the model already; leave `missing_flag` out")
        if self.transform is not None and self.role != "numeric":
            raise mistake(f"`transform: {self.transform}` is for numeric features only; leave it out")
        if self.transform == "log" and self.valid is not None and self.valid[0] < 0:
            raise mistake(f"`transform: log` is log(1 + value), for values from 0 on; `valid` begins at "
                          f"{self.valid[0]:g}")  # fmt: skip
        return self

    @property
    def may_be_anything(self) -> bool:
        """A feature without `valid` and `values` takes any value of its type."""
        return True

    @property
    def derived(self) -> bool:
        """Whether it is made of other features, and neither files nor requests have it."""
        return self.derived_from is not None

    @property
    def optional(self) -> bool:
        """Whether a row without a value is good: null in tables, an empty field in files, null or absent in JSON."""
        return self.missing != "reject"

    @property
    def learnt(self) -> bool:
        """Whether its categories or words come from the training rows, or by hash, and not from the contract."""
        return self.role in OPEN and self.values is None

    @property
    def written(self) -> str:
        """How files write a date or time: a word or a pattern, as `event_time.format` has it."""
        return self.format or usual_format(self.type)

    def time(self, text: str, given: str | None = None, zone: str = "UTC") -> date | None:
        """A date or moment (UTC) written as `given`, by default in ISO 8601; None where it is none.

        `zone`: of a time that says none.
        """
        return read_time(self.type, text, given or usual_format(self.type), zone)

    def seconds(self, text: str, given: str | None = None, zone: str = "UTC") -> int | None:
        """The same in whole seconds since 1970."""
        found = self.time(text, given, zone)
        return None if found is None else seconds_of(found)

    @property
    def stand_in(self) -> float | int | str:
        """What stands for a missing value in a parsed tf.Example and in the model's signature."""
        return STAND_INS[self.carried_as]

    @property
    def largest(self) -> float:
        """How far from 0 a value of the range can be; 0 without a range."""
        return max(map(abs, self.valid)) if self.valid is not None else 0.0


def notes_on(features: dict[str, Feature]) -> Iterator[str]:
    """What is good but should be known: sentences on features whose values a model cannot tell apart."""
    for name, feature in features.items():
        if feature.carried_as == "float" and feature.largest > 2**24:
            yield (
                f"features.{name}: its `valid` reaches to {feature.largest:,.0f}, and a model's 32-bit float keeps "
                "about seven digits: 123456789 becomes 123456792. `type: int` keeps a whole number as it is in the "
                "lake, in the examples and in statistics"
            )
