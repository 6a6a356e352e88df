"""How a pushed version comes to serve: straight away, or first beside the champion, as a challenger."""

import re
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_validator

from lakeloop.contract.features import DriftTest
from lakeloop.contract.section import Section, Share, mistake

Stage = Literal["shadow", "canary"]
"""What a challenger goes through, in this order."""
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?) *(min|h|d|requests?)")
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?) *%")
_SECONDS = {"min": 60.0, "h": 3600.0, "d": 86_400.0}
LASTS = "24 h"
MOST_ERRORS = "1 %"


class Span(NamedTuple):
    """How long a stage lasts: so many seconds, or so many of the challenger's answers; the other one is None."""

    seconds: float | None
    answers: int | None


def read_span(text: str) -> Span | None:
    """What a text such as `24 h` or `500 requests` says; None where it says nothing.

    >>> read_span("30 min"), read_span("500 requests")
    (Span(seconds=1800.0, answers=None), Span(seconds=None, answers=500))
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None or not float(found[1]):
        return None
    if found[2] in _SECONDS:
        return Span(float(found[1]) * _SECONDS[found[2]], None)
    return Span(None, int(found[1])) if found[1].isdigit() else None


def read_percent(text: str) -> float | None:
    """The share, 0 to 1, that a text such as `5 %` says; None where it says none."""
    found = _PERCENT.fullmatch(text.strip())
    return float(found[1]) / 100 if found is not None and float(found[1]) <= 100 else None


def _span(value: Any) -> Any:
    if not isinstance(value, str) or read_span(value) is None:
        raise mistake(f"is {value!r}; write how long, such as `30 min`, `24 h` or `7 d`, or of how many answers, such "
                      "as `500 requests`")  # fmt: skip
    return value


def _percent(value: Any) -> Any:
    if not isinstance(value, str) or read_percent(value) is None:
        raise mistake(f"is {value!r}; write a share with its sign, such as `5 %`")
    return value


def _some_percent(value: Any) -> Any:
    if read_percent(_percent(value)) == 0:
        raise mistake(f"is {value}, of nothing; leave the canary out, or give it a share, such as `5 %`")
    return value


SpanText = Annotated[str, BeforeValidator(_span)]
PercentText = Annotated[str, BeforeValidator(_percent)]


class Canary(Section):
    """Which share of the keys the challenger answers, and for how long, before all are answered by it."""

    share: Annotated[str, BeforeValidator(_some_percent)]
    lasts: SpanText = LASTS

    @property
    def keys(self) -> float:
        """The share of the keys, 0 to 1."""
        return read_percent(self.share) or 0.0


class Agreement(Section):
    """The share of the rows that champion and challenger have to answer alike; numbers no further apart than `within`.

    `within` is in the unit of the number.
    """

    below: Annotated[Share, Field(gt=0)]
    within: Annotated[float, Field(ge=0)] | None = None


class AbortIf(Section):
    """What ends a challenge, so that the champion stays.

    `errors`: the challenger gave no answer to more than this share of the rows it was asked, or none in time.
    `p99_ms`: one in a hundred of its answers took longer than so many milliseconds.
    `agreement`: it answers too few rows as the champion does.
    `drift`: its answers, taken together, lie further from the champion's than the test allows.
    """

    errors: PercentText = MOST_ERRORS
    p99_ms: Annotated[float, Field(gt=0)] | None = None
    agreement: Agreement | None = None
    drift: DriftTest | None = None

    @property
    def most_errors(self) -> float:
        """The share of errors above which a challenge ends."""
        return read_percent(self.errors) or 0.0


class ReleasePlan(Section):
    """The stages of a pushed version before it serves, and what ends them early; both stages, or one of them.

    `shadow`: for so long the challenger is asked beside the champion, and never answers a client. `canary`: then it
    answers a share of the keys.
    """

    shadow: SpanText | None = None
    canary: Canary | None = None
    abort_if: AbortIf = AbortIf()

    @property
    def shadow_span(self) -> Span | None:
        """How long the shadow lasts; None where there is none."""
        return None if self.shadow is None else read_span(self.shadow)

    @property
    def canary_span(self) -> Span | None:
        """How long the canary lasts; None where there is none."""
        return None if self.canary is None else read_span(self.canary.lasts)

    @model_validator(mode="before")
    @classmethod
    def _reads_a_share_as_a_canary(cls, given: Any) -> Any:
        canary = given.get("canary") if isinstance(given, dict) else None
        short = canary is not None and not isinstance(canary, dict | Canary)
        return {**given, "canary": {"share": canary}} if short else given

    @model_validator(mode="after")
    def _has_a_stage(self) -> Self:
        if self.shadow is None and self.canary is None:
            raise mistake("has no stage; say `shadow: 24 h`, `canary: 5 %` or both, or leave `release` out: then a "
                          "pushed version serves at once")  # fmt: skip
        return self

    @model_validator(mode="after")
    def _compares_in_a_shadow(self) -> Self:
        compared = [name for name in ("agreement", "drift") if getattr(self.abort_if, name) is not None]
        if compared and self.shadow is None:
            raise mistake(f"`abort_if.{compared[0]}` compares answers to the same rows, which only a shadow has; say "
                          f"`shadow: {LASTS}`, or leave it out")  # fmt: skip
        return self
