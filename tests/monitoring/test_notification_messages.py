"""Few notifications are a message each, many are one digest, and a full window waits."""

from lakeloop.notifications import Notification
from monitoring.notification_messages import MOST_LINES, digest, messages_due, single


def some(count: int, use_case: str = "insurance") -> list[Notification]:
    return [
        Notification(number, use_case, "alarm", f"text {number}\nmore", f"http://l/{number}", "2026-01-01T10:00:00.000")
        for number in range(count)
    ]


def test_as_many_as_fit_go_by_themselves_and_more_in_one() -> None:
    assert messages_due([], 0, 300) == []
    assert [message.numbers for message in messages_due(some(3), 0, 300)] == [(0,), (1,), (2,)]
    assert [message.numbers for message in messages_due(some(4), 0, 300)] == [(0, 1, 2, 3)]
    assert [message.numbers for message in messages_due(some(2), 2, 300)] == [(0, 1)]
    assert messages_due(some(1), 3, 300) == messages_due(some(9), 3, 300) == []
    assert len(messages_due(some(9), 9, 0)) == 9


def test_each_message_has_its_use_case() -> None:
    assert single(some(1)[0]).title == "[insurance] alarm"
    assert single(some(1)[0]).body == "insurance, alarm: text 0\nmore\n\nhttp://l/0\n\n2026-01-01 10:00 UTC"
    assert single(some(1, "")[0]).title == "[platform] alarm"


def test_a_digest_is_no_longer_than_people_read() -> None:
    made = digest(some(MOST_LINES + 7))
    lines = made.body.splitlines()
    assert lines[0] == "- 2026-01-01 10:00 insurance, alarm: text 0 more http://l/0"
    assert lines[-1] == "and 7 more: `lakeloop notify list --all`" and len(lines) == MOST_LINES + 1
    assert len(made.numbers) == MOST_LINES + 7
