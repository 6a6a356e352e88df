"""Which things of a use case are put into clusters of alike ones, and by what: districts by their rates."""

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from lakeloop.contract.section import Name, Section, mistake, unless

MOST_CLUSTERS = 50


def _count(value: Any) -> Any:
    bounds = value if isinstance(value, tuple) else (value, value)
    whole = all(isinstance(bound, int) and not isinstance(bound, bool) for bound in bounds)
    if len(bounds) != 2 or not whole:
        raise mistake(f"is {value!r}; write how many clusters, such as `6`, or from which to which number the best is "
                      "looked for, such as `[2, 8]`")  # fmt: skip
    if not 2 <= bounds[0] <= bounds[1] <= MOST_CLUSTERS:
        raise mistake(f"is {value if isinstance(value, int) else list(bounds)}; take whole numbers from 2 to "
                      f"{MOST_CLUSTERS}, the smaller one first")  # fmt: skip
    return value


class Pivot(Section):
    """Of these columns each value of another one makes a column of its own: the mean of its rows alone."""

    by: Name
    columns: Annotated[tuple[Name, ...], Field(min_length=1)]


class Clusters(Section):
    """What is clustered, k-means on standardised means of its rows.

    `of`: the column that names the things, of the rows that are predicted. `columns`: numeric features whose means over
    a thing's rows are compared; those of `pivot` once for each value of a category. `periods`: so many of the newest
    ones count. `count`: of clusters; two numbers: the best from the one to the other, by silhouette. `missing`: what
    becomes of a thing without a value: it is left out, or gets the mean of the others.
    """

    of: Name
    columns: tuple[Name, ...] = ()
    pivot: Pivot | None = unless(None)
    periods: Annotated[int, Field(ge=1)] = 1
    count: Annotated[int | tuple[int, int], BeforeValidator(_count)]
    missing: Literal["leave_out", "mean"] = "leave_out"
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _compares_something_once(self) -> Self:
        if not self.compared:
            raise mistake("has nothing to compare things by; name numeric features in `columns`, or in `pivot`")
        if twice := sorted({name for name in self.compared if self.compared.count(name) > 1}):
            raise mistake(f"compares by `{twice[0]}` twice; name it once, in `columns` or in `pivot.columns`")
        return self

    @property
    def compared(self) -> tuple[str, ...]:
        """The features that things are compared by."""
        return (*self.columns, *(() if self.pivot is None else self.pivot.columns))

    @property
    def counts(self) -> tuple[int, ...]:
        """The numbers of clusters that are tried; one of them where it is said."""
        first, last = self.count if isinstance(self.count, tuple) else (self.count, self.count)
        return tuple(range(first, last + 1))

    @property
    def sha256(self) -> str:
        """Hash over the section: other words, other clusters."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()
