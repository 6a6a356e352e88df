"""Crosses: what two or more features are together, for the model alone."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from lakeloop.contract.features import LARGEST_VOCABULARY
from lakeloop.contract.section import Name, Section, mistake


class Cross(Section):
    """The values of several features taken together as one category, in one of `hash_buckets` places by its hash."""

    columns: Annotated[tuple[Name, ...], Field(min_length=2)]
    hash_buckets: Annotated[int, Field(ge=2, le=LARGEST_VOCABULARY)] = 100

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.columns)) < len(self.columns):
            raise mistake(f"`columns` names a feature twice: {', '.join(self.columns)}")
        return self

    @property
    def name(self) -> str:
        """What it is called: `hour_by_zone`."""
        return "_by_".join(self.columns)


def why_not_crossed(role: str, transform: str | None) -> str:
    """Why a feature cannot be part of a cross; '' if it can."""
    if role in ("categorical", "binary") or transform == "buckets":
        return ""
    if role == "numeric":
        return "is a number, whose values are too many to be taken together; give it `transform: buckets`"
    return f"is a {role} feature, which is no single category; cross categorical, binary and bucketed features"
