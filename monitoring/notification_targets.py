"""The targets of notifications, by apprise: mail, Slack, webhooks and a hundred more, each known by its URL.

apprise is imported when there is a target. No part of a URL but its scheme and host is in a text from here.
"""

import logging
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from lakeloop.exceptions import BrokenError, WrongUseError
from lakeloop.notifications import target_id, target_name
from lakeloop.settings import Settings
from monitoring.notification_messages import Message

SERVICE_SECONDS, ANSWER_SECONDS = 20.0, 15.0
"""How long one target may take over one message, and over one answer."""
SHORTEST_SECRET = 4
_FORMS = {
    "mailto": "mailto://USER:PASSWORD@SMTP-HOST:25?to=ADDRESS&from=ADDRESS",
    "mailtos": "mailtos://USER:PASSWORD@SMTP-HOST?to=ADDRESS&from=ADDRESS",
    "slack": "https://hooks.slack.com/services/T…/B…/…",
    "json": "json://HOST:PORT/PATH",
    "jsons": "jsons://HOST/PATH",
}
OTHERS = "https://appriseit.com/services"


class NotToldError(BrokenError):
    """A target did not take a message; the text says why, without secrets."""


@dataclass(frozen=True)
class Target:
    """Somewhere messages go to. `id` and `name` hold no secret."""

    id: str
    name: str
    _service: Any = field(repr=False)
    _url: str = field(repr=False)

    def tell(self, message: Message) -> None:
        """Send a message and wait until it was taken, SERVICE_SECONDS at most.

        Raises:
            NotToldError: it was not.
        """
        try:
            result = self._service.notify(title=message.title, body=message.body, body_format="text")
        except Exception as error:  # noqa: BLE001 - a hundred services, each with errors of its own
            raise NotToldError(self._without_secrets(f"{type(error).__name__}: {error}")) from None
        if not result:
            said = " ".join(dict.fromkeys(entry.message for entry in result.logs()))
            raise NotToldError(self._without_secrets(said) or "it did not take the message in time")

    def _without_secrets(self, text: str) -> str:
        """The text's start without any part of the URL but scheme and host."""
        told = self.name.partition(" ")[2]
        for part in sorted(_parts(self._url), key=len, reverse=True):
            if part not in told:
                text = text.replace(part, "…")
        return " ".join(text.split())[:200]


def read_targets(settings: Settings) -> tuple[Target, ...]:
    """The targets of the setting, in its order; none where none are set: then apprise is not imported.

    Raises:
        WrongUseError: one cannot be used; the text names it and the form that it should have.
    """
    urls = tuple(dict.fromkeys(settings.notify_urls))
    setting = "LAKELOOP_NOTIFY_FILE" if settings.notify_file else "LAKELOOP_NOTIFY"
    return tuple(_target(url, number, setting) for number, url in enumerate(urls, 1))


def _target(url: str, number: int, setting: str) -> Target:
    from apprise import Apprise, AppriseAsset
    from apprise.common import PersistentStoreMode

    library = logging.getLogger("apprise")
    library.propagate = False  # what it says may hold more of a URL than we tell
    library.setLevel(logging.WARNING)  # what it says is in a result all the same
    if not library.handlers:
        library.addHandler(logging.NullHandler())
    asset = AppriseAsset(
        app_id="Lakeloop", app_desc="Lakeloop", storage_mode=PersistentStoreMode.MEMORY, pgp_autogen=False,
        pem_autogen=False, interpret_emojis=False, service_timeout=SERVICE_SECONDS,
    )  # fmt: skip
    service, name = Apprise(asset=asset), target_name(url, number)
    if not service.add(url):
        raise WrongUseError(f"{setting}: target {name} cannot be used; {_form(url)}")
    for one in service:  # apprise waits 4 s: a slow target would have taken a message that is then sent again
        one.socket_connect_timeout = max(one.socket_connect_timeout, ANSWER_SECONDS)
        one.socket_read_timeout = max(one.socket_read_timeout, ANSWER_SECONDS)
    return Target(target_id(url), name, service, url)


def _form(url: str) -> str:
    """How such a target is written."""
    scheme = url.partition("://")[0].lower()
    if scheme in _FORMS:
        return f"write it as {_FORMS[scheme]}"
    from apprise.manager_plugins import NotificationManager

    known = NotificationManager()
    if scheme in known and known[scheme].templates:
        return f"write it as {known[scheme].templates[0].format_map(_Named(schema=scheme))}"
    forms = ", ".join(_FORMS[name] for name in ("mailtos", "slack", "jsons"))
    return f"apprise knows no {scheme}:// that looks so; write {forms}, or another of {OTHERS}"


class _Named(dict[str, str]):
    """What a template's fields are called, for those that have no value here."""

    def __missing__(self, key: str) -> str:
        return key.upper()


def _parts(url: str) -> set[str]:
    """Everything in a URL that may be a secret, as it stands there and as it is meant."""
    rest = url.partition("://")[2]
    found = {part for part in re.split(r"[/?&=@:#,]", rest) if len(part) >= SHORTEST_SECRET}
    return found | {unquote(part) for part in found} | {url, unquote(url)}
