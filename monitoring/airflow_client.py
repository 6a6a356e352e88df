"""What the platform asks of Airflow's REST API: post an asset event, and look whether one was posted."""

from typing import Any

import httpx

from lakeloop.errors import LakeloopError
from lakeloop.events import Event
from lakeloop.settings import Settings

SECONDS = 10.0
_AS_MANY = 100


class AirflowFailure(LakeloopError):
    """Airflow did not do what it was asked; the text says what to look at. It is asked again later."""


class AirflowClient:
    """One Airflow with one user (role `op` or more). It need not be there yet: each call says if it is not."""

    def __init__(self, settings: Settings) -> None:
        self._url, self._user, self._password = settings.airflow_url, settings.airflow_user, settings.airflow_secret
        self._http = httpx.Client(base_url=self._url, timeout=SECONDS, trust_env=False)
        self._token = ""

    def post(self, event: Event) -> None:
        """Post the event as an asset event, its number and payload as `extra`. Raises AirflowFailure."""
        body = {"asset_id": self._asset_id(event.asset), "extra": extra_of(event)}
        self._ask("POST", "/api/v2/assets/events", json=body)

    def was_posted(self, event: Event) -> bool:
        """Whether Airflow has the event already. Raises AirflowFailure."""
        query = {"asset_id": self._asset_id(event.asset), "order_by": "-timestamp", "limit": _AS_MANY}
        offset = 0
        while True:
            page = self._ask("GET", "/api/v2/assets/events", params={**query, "offset": offset})
            found = page["asset_events"]
            if any(_is(posted, event) for posted in found):
                return True
            offset += len(found)
            if not found or offset >= page["total_entries"]:
                return False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _asset_id(self, name: str) -> int:
        page = self._ask("GET", "/api/v2/assets", params={"name_pattern": name, "limit": _AS_MANY})
        for asset in page["assets"]:  # the pattern also finds names that contain it
            if asset["name"] == name:
                return int(asset["id"])
        raise AirflowFailure(
            f"Airflow at {self._url} knows no asset {name}; its DAGs folder must hold dags/assets.py, and the "
            "contract must be one Airflow's processes can read"
        )

    def _ask(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        for attempt in ("with the known token", "with a new one"):
            token = self._token or self._new_token()
            answer = self._send(method, path, headers={"Authorization": f"Bearer {token}"}, **how)
            if answer.status_code != httpx.codes.UNAUTHORIZED or attempt == "with a new one":
                break
            self._token = ""  # it ran out, or Airflow was started anew with another secret
        if answer.status_code == httpx.codes.FORBIDDEN:
            raise AirflowFailure(f"Airflow's user {self._user} may not {method} {path}; give it the role op")
        return self._json(answer, f"{method} {path}")

    def _new_token(self) -> str:
        answer = self._send("POST", "/auth/token", json={"username": self._user, "password": self._password})
        if answer.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.UNAUTHORIZED):  # 400: no password at all
            raise AirflowFailure(
                f"Airflow at {self._url} refuses user {self._user!r}; set LAKELOOP_AIRFLOW_USER and "
                "LAKELOOP_AIRFLOW_PASSWORD or LAKELOOP_AIRFLOW_PASSWORD_FILE"
            )
        self._token = str(self._json(answer, "POST /auth/token").get("access_token", ""))
        return self._token

    def _send(self, method: str, path: str, **how: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **how)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AirflowFailure(
                f"Airflow at {self._url} does not answer ({type(error).__name__}: {error}); is its api-server running?"
            ) from error

    def _json(self, answer: httpx.Response, what: str) -> dict[str, Any]:
        if not answer.is_success:
            raise AirflowFailure(f"Airflow answered {what} with {answer.status_code}: {answer.text[:300]}")
        try:
            content = answer.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise AirflowFailure(f"what answers {what} at {self._url} is not Airflow's API: {answer.text[:100]!r}")
        return content


def extra_of(event: Event) -> dict[str, Any]:
    """What travels with the asset event: the ledger's number, kind and key, and the payload."""
    return {"event_id": event.id, "kind": event.kind, "key": event.key, "payload": dict(event.payload)}


def _is(posted: dict[str, Any], event: Event) -> bool:
    extra = posted.get("extra") or {}
    return (extra.get("event_id"), extra.get("kind"), extra.get("key")) == (event.id, event.kind, event.key)
