"""What people are told of: written down here by whoever notices it, each thing once, and told by the monitor.

Who calls `notify` waits for nobody and fails of nothing: it is one row of the operational database. Which targets there
are is the setting `LAKELOOP_NOTIFY`; their names here hold no secret.
"""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from sqlalchemy import Row, func, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from lakeloop.events import now
from lakeloop.exceptions import LakeloopError, first_line
from lakeloop.operational_db import engine, notification_deliveries, notification_targets, notifications
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase

log = logging.getLogger(__name__)

NotificationKind = Literal["alarm", "question", "promotion", "rollback", "refused file", "failed run"]
KINDS: tuple[NotificationKind, ...] = get_args(NotificationKind)
LONGEST_TEXT = 1000
OLDEST_SECONDS = 3 * 24 * 3600.0
"""What waited longer until there was a target to tell is history."""
_WITH_HOST = ("mailto", "json", "xml", "form", "http")
"""Schemes, with or without an s, in which the host is a host; in others a token may stand there."""


@dataclass(frozen=True)
class Notification:
    """One thing that people are told of: `use_case` '' is the platform; `link` '' leads nowhere. Times are UTC."""

    id: int
    use_case: str
    kind: str
    text: str
    link: str
    created_at: str


@dataclass(frozen=True)
class TargetState:
    """How one target of the setting is: how many notifications wait for it, and what is wrong with it ('': nothing)."""

    name: str
    waiting: int
    problem: str


@dataclass(frozen=True)
class ToldNotification:
    """A notification with when it was told ('': nobody yet), and the names of the targets that it waits for."""

    notification: Notification
    told_at: str
    waits_for: tuple[str, ...]

    @property
    def in_words(self) -> str:
        """What became of it."""
        if self.waits_for:
            return f"waits for {', '.join(self.waits_for)}"
        if self.told_at:
            return f"told {self.told_at[:19]}"
        old = self.notification.created_at < now(-OLDEST_SECONDS)
        return "told nobody: there was no target" if old else "waits for a monitor with a target"


def notify(use_case: UseCase, kind: NotificationKind, text: str, link: str = "", *, once_by: str) -> bool:
    """Have people told of something, and whether it is new; what has the same kind and `once_by` was told already.

    `text` is a sentence or two for whoever knows nothing of it yet, `link` where to look or answer. It never fails
    what it tells of: what cannot be written down is in the log.

    >>> notify(use_case, "rollback", "version 7 was taken back: …", once_by="7")
    True
    """
    return notify_of(use_case.settings, use_case.name, kind, text, link, once_by=once_by)


def notify_of(
    settings: Settings, use_case: str, kind: NotificationKind, text: str, link: str = "", *, once_by: str
) -> bool:
    """As `notify`, of a use case by its name; '' is the platform itself."""
    values = {
        "use_case": use_case,
        "kind": kind,
        "key": once_by,
        "text": text.strip()[:LONGEST_TEXT],
        "link": link,
        "created_at": now(),
    }
    try:
        with engine(settings.operational_db).begin() as connection:
            connection.execute(insert(notifications).values(**values))
    except IntegrityError:
        return False
    except (LakeloopError, SQLAlchemyError) as error:
        log.warning("event=notification_lost use_case=%s kind=%r why=%r", use_case, kind, first_line(error))
        return False
    return True


def told_notifications(settings: Settings, use_case: str = "", newest: int | None = None) -> list[ToldNotification]:
    """Notifications of a use case, or of all, with what became of each; the oldest first, or the newest so many."""
    query = select(notifications).order_by(notifications.c.id.desc())
    query = query if newest is None else query.limit(newest)
    query = query.where(notifications.c.use_case == use_case) if use_case else query
    names = target_names(settings)
    with engine(settings.operational_db).connect() as connection:
        found = [notification_of(row) for row in reversed(connection.execute(query).all())]
        of_those = notification_deliveries.c.notification_id.in_([one.id for one in found])
        deliveries = connection.execute(select(notification_deliveries).where(of_those)).all()
    told = dict[int, list[str]]()
    waits = dict[int, list[str]]()
    for row in deliveries:
        if row.told_at:
            told.setdefault(row.notification_id, []).append(row.told_at)
        else:
            name = names.get(row.target, "a target that is not set any more")
            waits.setdefault(row.notification_id, []).append(name)
    return [
        ToldNotification(one, min(told.get(one.id, [""])), tuple(sorted(set(waits.get(one.id, []))))) for one in found
    ]


def target_states(settings: Settings) -> tuple[TargetState, ...]:
    """Every target of the setting and how it is. Raises as `Settings.notify_urls`."""
    names = target_names(settings)
    if not names:
        return ()
    waiting = select(notification_deliveries.c.target, func.count()).where(notification_deliveries.c.told_at.is_(None))
    unaddressed = select(func.count()).where(
        notifications.c.addressed.is_(False), notifications.c.created_at > now(-OLDEST_SECONDS)
    )
    with engine(settings.operational_db).connect() as connection:
        counts = {row[0]: row[1] for row in connection.execute(waiting.group_by(notification_deliveries.c.target))}
        problems = {row.id: row.problem for row in connection.execute(select(notification_targets))}
        for_all = connection.scalar(unaddressed) or 0
    return tuple(TargetState(name, counts.get(id_, 0) + for_all, problems.get(id_, "")) for id_, name in names.items())


def target_names(settings: Settings) -> dict[str, str]:
    """The id and the name of every target of the setting, in its order."""
    urls = dict.fromkeys(settings.notify_urls)
    return {target_id(url): target_name(url, number) for number, url in enumerate(urls, 1)}


@cache
def target_id(url: str) -> str:
    """What a target is known by in the database: a slow hash, of which no secret in the URL can be found again."""
    return hashlib.pbkdf2_hmac("sha256", url.encode(), b"lakeloop", 100_000).hex()[:16]


def target_name(url: str, number: int) -> str:
    """What a target is called where people read it: its number in the setting, its scheme, its host if that is one.

    >>> target_name("mailtos://me:secret@smtp.example.com?to=ops@example.com", 2)
    '2 mailtos://smtp.example.com'
    """
    scheme = url.partition("://")[0].lower()
    host = ""
    if scheme.removesuffix("s") in _WITH_HOST:
        try:
            host = urlsplit(url).hostname or ""
        except ValueError:  # apprise may read what urlsplit cannot; the host is not told then
            host = ""
    return f"{number} {scheme}://{host or '…'}"


def notification_of(row: Row[Any]) -> Notification:
    """A row of the table as a notification."""
    return Notification(row.id, row.use_case, row.kind, row.text, row.link, row.created_at)


def problems_of(states: Iterable[TargetState]) -> str:
    """What is wrong with targets, in one line; '' if nothing is."""
    return "; ".join(f"{state.name}: {state.problem}" for state in states if state.problem)
