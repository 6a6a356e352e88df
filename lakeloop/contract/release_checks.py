"""Mistakes of a release that span sections of a contract; as `cross_checks`, from the raw document."""

from typing import Any

from lakeloop.contract.production import Requests
from lakeloop.contract.raw_document import Found, mapping_at, task_of, value_at
from lakeloop.contract.yaml_document import Location


def release_checks(raw: dict[str, Any]) -> Found:
    """Each mistake and where it is."""
    yield from _agreement(raw)
    yield from _slowest_answer(raw)


def _agreement(raw: dict[str, Any]) -> Found:
    """How near two numbers are to be the same answer; classes are the same or not."""
    agreement = value_at(raw, "release", "abort_if", "agreement")
    if not isinstance(agreement, dict):
        return
    at: Location = ("release", "abort_if", "agreement")
    if task_of(raw) == "regression" and "within" not in agreement:
        yield at, "two models hardly ever answer the same number; say `within: …`, how far apart they may be"
    if task_of(raw) != "regression" and "within" in agreement:
        yield (*at, "within"), "is for numbers, and classes are the same or not; leave it out"


def _slowest_answer(raw: dict[str, Any]) -> Found:
    """How slow a challenger may be; above the budget of a request there is no answer that could be."""
    requests, p99_ms = mapping_at(raw, "requests"), value_at(raw, "release", "abort_if", "p99_ms")
    budget_ms = requests.get("budget_ms", Requests.model_fields["budget_ms"].default)
    if requests and _is_number(p99_ms) and _is_number(budget_ms) and p99_ms >= budget_ms:
        yield (
            ("release", "abort_if", "p99_ms"),
            f"is {p99_ms:g}, and no answer within `requests.budget_ms`, {budget_ms}, is an error already; take less, "
            "or leave it out",
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
