"""Alertmanager's webhook: a firing drift alert becomes one event of the ledger; every alert is kept for the pages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field, ValidationError

from lakeloop.frozen_model import FrozenModel
from lakeloop.notifications import notify_of
from lakeloop.settings import Settings
from monitoring.alarm import announce
from monitoring.exceptions import AlertGroupError

DRIFT = "drift"
EVENT_LABEL = "event"
MOST_BYTES = 1_000_000
EXAMPLE = {
    "version": "4",
    "alerts": [
        {"status": "firing", "labels": {"alertname": "LakeloopDrift", EVENT_LABEL: DRIFT, "use_case": "the use case"}}
    ],
}


class Alert(FrozenModel, extra="ignore"):
    """One alert of a group; keys we do not need are passed over, as Alertmanager may add some."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: str = Field("", alias="startsAt")
    fingerprint: str = ""

    @property
    def name(self) -> str:
        """Which rule fired."""
        return self.labels.get("alertname", "")

    @property
    def identity(self) -> str:
        """What is the same when the alert is sent again."""
        return self.fingerprint or repr(sorted(self.labels.items()))


class AlertGroup(FrozenModel, extra="ignore"):
    """What Alertmanager posts, version 4 of its webhook."""

    version: Literal["4"]
    alerts: list[Alert] = Field(max_length=10_000)


@dataclass(frozen=True)
class AlertOutcome:
    """What a group of alerts did: numbers of the events it stands for, and why an alert became none."""

    events: list[int] = field(default_factory=list)
    new: int = 0
    ignored: list[str] = field(default_factory=list)


class CurrentAlerts:
    """The alerts that fire now, by what Alertmanager told last."""

    def __init__(self) -> None:
        self._firing: dict[str, Alert] = {}

    def update(self, alerts: list[Alert]) -> None:
        """Take a group's alerts."""
        for alert in alerts:
            if alert.status == "firing":
                self._firing[alert.identity] = alert
            else:
                self._firing.pop(alert.identity, None)

    def firing(self) -> list[dict[str, Any]]:
        """The firing alerts as they were told, oldest first."""
        ordered = sorted(self._firing.values(), key=lambda alert: alert.starts_at)
        return [alert.model_dump(by_alias=True) for alert in ordered]


def read_alerts(body: bytes) -> AlertGroup:
    """The group in a request's body. Raises AlertGroupError."""
    try:
        return AlertGroup.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False)[:20]
        raise AlertGroupError([_problem(dict(mistake)) for mistake in found]) from None


def handle(group: AlertGroup, settings: Settings) -> AlertOutcome:
    """Write the open episode of each firing drift alert's use case into the ledger, and have people told of the others.

    Told again, nothing changes.
    """
    events: list[int] = []
    new, ignored = 0, []
    for alert in group.alerts:
        if alert.status == "firing" and alert.labels.get(EVENT_LABEL) != DRIFT:
            tell_people(alert, settings)
        why = why_no_event(alert.status, alert.labels)
        if why:
            ignored.append(f"{alert.name}: {why}")
            continue
        use_case = alert.labels["use_case"]
        announced = announce(settings, use_case)
        if announced is None:
            ignored.append(f"{alert.name}: no episode of drift was ever opened for use case {use_case}")
            continue
        event, created = announced
        new += created
        if event.id not in events:
            events.append(event.id)
    return AlertOutcome(events, new, ignored)


def tell_people(alert: Alert, settings: Settings) -> None:
    """Have people told of an alert that fires, once from its start to its end."""
    said = (alert.annotations.get(name, "") for name in ("summary", "description"))
    text = f"{alert.name}: {' '.join(filter(None, said))}".rstrip(": ")
    once = f"{alert.name}/{alert.identity}/{alert.starts_at}"
    use_case = alert.labels.get("use_case", "")
    notify_of(settings, use_case, "alarm", text, f"{settings.pages(use_case)}/dashboard", once_by=once)


def why_no_event(status: str, labels: Mapping[str, str]) -> str:
    """Why an alert becomes no event; '' if it does."""
    if labels.get(EVENT_LABEL) != DRIFT:
        return f"it is not labelled {EVENT_LABEL}={DRIFT}"
    if not labels.get("use_case"):
        return "it has no label use_case"
    return "" if status == "firing" else "it is resolved"


def _problem(mistake: dict[str, Any]) -> dict[str, str]:
    field_name = ""
    for part in mistake["loc"]:
        field_name += f"[{part}]" if isinstance(part, int) else f".{part}" if field_name else str(part)
    if mistake["type"] == "json_invalid":
        return {"field": "", "msg": f"the body is not JSON: {mistake['msg'].removeprefix('Invalid JSON: ')}"}
    where = field_name or "the body"
    text = f"{where} is missing" if mistake["type"] == "missing" else f"{where}: {mistake['msg']}"
    return {"field": field_name, "msg": text}
