"""What is new in a source that is somebody else's table or topic, as files in the landing folder."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from lakehouse.bronze.delivery_record import DeliveryRecord
from lakehouse.bronze.foreign_table import deliver_new_versions
from lakeloop.contract import Source
from lakeloop.exceptions import WrongUseError
from lakeloop.use_case import UseCase


class Delivery(Protocol):
    """What was new: `rows` in `files`, up to where it was read in words, and what should be known, a sentence each."""

    @property
    def rows(self) -> int: ...
    @property
    def files(self) -> tuple[Path, ...]: ...
    @property
    def reached(self) -> str: ...
    @property
    def notices(self) -> tuple[str, ...]: ...


def is_foreign(source: Source) -> bool:
    """Whether a source is somebody else's table or topic."""
    return source.delta is not None or source.topic is not None


def deliver_new(use_case: UseCase, source: str, ledger: Iterable[DeliveryRecord], *, whole: bool = False) -> Delivery:
    """Put what is new in a source's table or topic into the landing folder.

    `ledger`: what was delivered before. `whole`: every row that the table has now, those of before too.

    Raises:
        ForeignSourceError: nothing can be taken as it is; the text says why, and what to do.
        WrongUseError: a topic is wanted whole.
    """
    if use_case.contract.sources[source].topic is None:
        return deliver_new_versions(use_case, source, ledger, whole=whole)
    if whole:
        raise WrongUseError(f"{source}: records of a topic come once each; leave --again out")
    from lakehouse.bronze.foreign_topic import deliver_new_records  # the broker's client is loaded for these alone

    return deliver_new_records(use_case, source, ledger)
