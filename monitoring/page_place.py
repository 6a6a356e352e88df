"""Where a use case's pages stand in the service, and which others there are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


def _alone() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class PagePlace:
    """`root` is the path that all of its pages begin with, '' for the use case whose pages stand at the service's own
    root; `others` gives the titles of all use cases by the path of their start page, for the chooser. `problems` tells
    by name why its newest contract is not in force, and why others have no pages at all.
    """

    root: str = ""
    others: Callable[[], Mapping[str, str]] = _alone
    problems: Callable[[], Mapping[str, str]] = _alone


ALONE = PagePlace()
