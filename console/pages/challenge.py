"""What the page of a challenge shows: a challenger's answers beside the champion's, and what was decided of it."""

from typing import Any

from console.report.challenge_figures import challenge_figures
from lakeloop.releases import read_entries, read_release
from lakeloop.use_case import UseCase
from operations.challenge_comparison import compare_challenge

MOST_PAIRS = 20


def challenge_values(use_case: UseCase, version: str) -> dict[str, Any]:
    """The template's values. Raises NotFoundError where that version was asked nothing as a challenger."""
    found, plan = compare_challenge(use_case, version), use_case.contract.release
    agreement = None if plan is None else plan.abort_if.agreement
    return {
        "found": found,
        "pictures": challenge_figures(found, None if agreement is None else agreement.below),
        "unlike": _unlike(found.answers),
        "entries": [one for one in read_entries(use_case.settings, use_case.name) if one.version == version],
        "state": _state(use_case, version),
    }


def _unlike(answers: Any) -> list[tuple[str, str, int]]:
    """Pairs of answers that are not the same, the most frequent first."""
    if answers is None:
        return []
    counted = answers.stack()
    pairs = [(one, other, int(rows)) for (one, other), rows in counted.items() if one != other and rows]
    return sorted(pairs, key=lambda pair: -pair[2])[:MOST_PAIRS]


def _state(use_case: UseCase, version: str) -> str:
    release = read_release(use_case.settings, use_case.name)
    if release.challenger == version:
        return f"It is {release.stage_words}."
    return "It serves now." if release.champion == version else "The challenge is over."
