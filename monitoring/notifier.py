"""Tells people: brings notifications to every target, each once, however long one is down and whoever dies meanwhile.

One process at a time tells a target: it claims the target's row, sends, and notes what was told before it lets go. A
process that is killed between a target's answer and that note leaves a notification that is told once more.
"""

import logging
import secrets
from collections.abc import Sequence

from sqlalchemy import Engine, delete, distinct, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from lakeloop.events import now
from lakeloop.exceptions import LakeloopError
from lakeloop.notifications import OLDEST_SECONDS, notification_of, problems_of, target_states
from lakeloop.operational_db import engine, notification_deliveries, notification_targets, notifications
from lakeloop.settings import Settings
from monitoring.courier import Courier, growing_wait
from monitoring.notification_messages import MOST_SINGLE, Message, messages_due
from monitoring.notification_targets import SERVICE_SECONDS, Target, read_targets

log = logging.getLogger(__name__)

CLAIM_SECONDS = 6 * SERVICE_SECONDS
"""For how long a target belongs to whoever is telling it; longer than the messages of one look may take."""
MOST_AT_ONCE = 1000
"""Notifications of one look; what is more follows with the next one."""
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 5.0, 600.0


class Notifier(Courier):
    """Tells every target of the setting. `waiting` is how many notifications have not reached some target yet."""

    def __init__(self, settings: Settings, targets: Sequence[Target] | None = None) -> None:
        super().__init__("notifier")
        self._settings = settings
        self._targets = read_targets(settings) if targets is None else tuple(targets)
        self.waiting = 0

    @property
    def _engine(self) -> Engine:
        return engine(self._settings.operational_db)

    @property
    def has_targets(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._targets)

    def deliver(self) -> int:
        """Tell every target what is due; gives how many messages arrived."""
        self._address()
        arrived = sum(self._tell(target) for target in self._targets)
        states = target_states(self._settings)
        self.waiting = max((state.waiting for state in states), default=0)
        self.say(problems_of(states))
        return arrived

    def _address(self) -> None:
        """Make what is new wait for every target, and so what waits for targets that are not set any more."""
        ids = [target.id for target in self._targets]
        waits = notification_deliveries.c.told_at.is_(None)
        gone = notification_deliveries.c.target.not_in(ids)
        with self._engine.connect() as connection:
            unaddressed = select(notifications.c.id, notifications.c.created_at).where(
                notifications.c.addressed.is_(False)
            )
            new = connection.execute(unaddressed.limit(MOST_AT_ONCE)).all()
            waiting = select(notification_deliveries.c.notification_id).distinct().where(waits, gone)
            left = set(connection.scalars(waiting.limit(MOST_AT_ONCE)))
        if not new and not left:
            return
        fresh = {row.id for row in new if row.created_at > now(-OLDEST_SECONDS)}
        try:
            with self._engine.begin() as connection:
                known = select(notification_deliveries.c.target, notification_deliveries.c.notification_id)
                of_those = notification_deliveries.c.notification_id.in_(fresh | left)
                there = {(row.target, row.notification_id) for row in connection.execute(known.where(of_those))}
                wanted = [(id_, number) for id_ in ids for number in sorted(fresh | left)]
                rows = [{"target": id_, "notification_id": n} for id_, n in wanted if (id_, n) not in there]
                if rows:
                    connection.execute(insert(notification_deliveries), rows)
                of_left = notification_deliveries.c.notification_id.in_(left)
                connection.execute(delete(notification_deliveries).where(waits, gone, of_left))
                numbers = [row.id for row in new]
                connection.execute(update(notifications).where(notifications.c.id.in_(numbers)).values(addressed=True))
        except IntegrityError:
            log.info("event=addressed_elsewhere")  # another process was faster, and all is as it should be

    def _tell(self, target: Target) -> int:
        """Send a target what is due; how many messages it took."""
        if not self._due(target) or (attempts := self._claim(target)) is None:
            return 0
        told = 0
        try:
            for message in self._due(target)[:MOST_SINGLE]:  # again: another process may just have told it
                if self.stopping:
                    break
                target.tell(message)
                self._note_told(target, message)
                told += 1
        except LakeloopError as failure:
            wait = growing_wait(attempts, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
            self._change(target, attempts=attempts + 1, attempt_after=now(wait), problem=str(failure))
            return told
        self._change(target, attempts=0, attempt_after="", problem="")
        return told

    def _due(self, target: Target) -> list[Message]:
        mine = notification_deliveries.c.target == target.id
        waiting = (
            select(notifications)
            .join(notification_deliveries, notification_deliveries.c.notification_id == notifications.c.id)
            .where(mine, notification_deliveries.c.told_at.is_(None))
            .order_by(notifications.c.id)
            .limit(MOST_AT_ONCE)
        )
        window = self._settings.notify_window_seconds
        recent = select(func.count(distinct(notification_deliveries.c.message))).where(
            mine, notification_deliveries.c.told_at > now(-window)
        )
        with self._engine.connect() as connection:
            found = [notification_of(row) for row in connection.execute(waiting)]
            return messages_due(found, connection.scalar(recent) or 0, window) if found else []

    def _claim(self, target: Target) -> int | None:
        """Make the target ours for a while: how many attempts have failed so far; None where it is not due or ours."""
        with self._engine.connect() as connection:
            row = connection.execute(
                select(notification_targets).where(notification_targets.c.id == target.id)
            ).one_or_none()
        if row is None:
            values = {"id": target.id, "attempts": 0, "attempt_after": now(CLAIM_SECONDS), "problem": ""}
            try:
                with self._engine.begin() as connection:
                    connection.execute(insert(notification_targets).values(**values))
            except IntegrityError:
                return None
            return 0
        mine = (
            update(notification_targets)
            .where(
                notification_targets.c.id == target.id,
                notification_targets.c.attempt_after == row.attempt_after,
                notification_targets.c.attempt_after <= now(),
            )
            .values(attempt_after=now(CLAIM_SECONDS))
        )
        with self._engine.begin() as connection:
            return row.attempts if connection.execute(mine).rowcount == 1 else None

    def _note_told(self, target: Target, message: Message) -> None:
        told = (
            update(notification_deliveries)
            .where(
                notification_deliveries.c.target == target.id,
                notification_deliveries.c.notification_id.in_(message.numbers),
            )
            .values(told_at=now(), message=secrets.token_hex(8))
        )
        with self._engine.begin() as connection:
            connection.execute(told)
        log.info("event=told target=%r notifications=%d", target.name, len(message.numbers))

    def _change(self, target: Target, **values: object) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                update(notification_targets).where(notification_targets.c.id == target.id).values(**values)
            )
