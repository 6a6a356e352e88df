"""What the platform asks of Airflow about its events: post an asset event, and look which were posted."""

from collections.abc import Mapping
from typing import Any

from lakeloop.airflow_api import AirflowApi
from lakeloop.events import Event
from lakeloop.exceptions import AirflowError

_AS_MANY = 100


class AirflowClient(AirflowApi):
    """Airflow as who tells it of events sees it."""

    def post(self, event: Event) -> None:
        """Post the event as an asset event, its number and payload as `extra`. Raises AirflowError."""
        self.tell(event.asset, event.extra)

    def tell(self, asset: str, extra: Mapping[str, Any]) -> None:
        """Post an event of an asset. Raises AirflowError."""
        self.ask("POST", "/api/v2/assets/events", json={"asset_id": self._asset_id(asset), "extra": dict(extra)})

    def newest_extra(self, asset: str) -> Mapping[str, Any]:
        """The `extra` of an asset's newest event; empty where it has none. Raises AirflowError."""
        query = {"asset_id": self._asset_id(asset), "order_by": "-timestamp", "limit": 1}
        found = self.ask("GET", "/api/v2/assets/events", params=query)["asset_events"]
        return (found[0].get("extra") or {}) if found else {}

    def was_posted(self, event: Event) -> bool:
        """Whether Airflow has the event already. Raises AirflowError."""
        query = {"asset_id": self._asset_id(event.asset), "order_by": "-timestamp", "limit": _AS_MANY}
        offset = 0
        while True:
            page = self.ask("GET", "/api/v2/assets/events", params={**query, "offset": offset})
            found = page["asset_events"]
            if any(_is(posted, event) for posted in found):
                return True
            offset += len(found)
            if not found or offset >= page["total_entries"]:
                return False

    def _asset_id(self, name: str) -> int:
        page = self.ask("GET", "/api/v2/assets", params={"name_pattern": name, "limit": _AS_MANY})
        for asset in page["assets"]:  # the pattern also finds names that contain it
            if asset["name"] == name:
                return int(asset["id"])
        raise AirflowError(
            f"Airflow at {self.url} knows no asset {name}; its DAGs folder must hold dags/assets.py, and the "
            "contract must be one Airflow's processes can read"
        )


def _is(posted: dict[str, Any], event: Event) -> bool:
    extra = posted.get("extra") or {}
    return (extra.get("event_id"), extra.get("kind"), extra.get("key")) == (event.id, event.kind, event.key)
