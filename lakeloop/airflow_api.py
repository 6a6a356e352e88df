"""Airflow's REST API, as one of its users: who asks gets JSON, or an error that says what to look at."""

import time
from typing import Any

import httpx

from lakeloop.exceptions import AirflowError, AirflowRefusedError
from lakeloop.settings import Settings

BUSY = (0.2, 0.6, 1.8)
"""Seconds before asking once more: SQLite refuses at once who read, and would write what another has written since."""
PAGE = 100
"""Entries of a list that Airflow gives at once, at most."""


class AirflowApi:
    """One Airflow with one user (role `op` or more). It need not be there yet: each call says if it is not."""

    SECONDS = 10.0
    """How long an answer may take."""

    def __init__(self, settings: Settings) -> None:
        self._url, self._user, self._password = settings.airflow_url, settings.airflow_user, settings.airflow_secret
        self._http = httpx.Client(base_url=self._url, timeout=self.SECONDS, trust_env=False)
        self._token = ""

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._url

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        """Send a request with a token and give the JSON answer; a body and query as httpx takes them.

        Raises:
            AirflowRefusedError: Airflow answered with an error.
            AirflowError: it does not answer, refuses the user, or is something else.
        """
        for attempt in ("with the known token", "with a new one"):
            token = self._token or self._new_token()
            answer = self._send(method, path, headers={"Authorization": f"Bearer {token}"}, **how)
            if answer.status_code != httpx.codes.UNAUTHORIZED or attempt == "with a new one":
                break
            self._token = ""  # it ran out, or Airflow was started anew with another secret
        if answer.status_code == httpx.codes.FORBIDDEN:
            raise AirflowError(f"Airflow's user {self._user} may not {method} {path}; give it the role op")
        return self._json(answer, f"{method} {path}")

    def all(self, path: str, key: str) -> list[dict[str, Any]]:
        """All entries of a list, which Airflow gives in pages; `key` is what it calls them. Raises as `ask` does."""
        found: list[dict[str, Any]] = []
        while True:
            answer = self.ask("GET", path, params={"limit": PAGE, "offset": len(found)})
            found += (page := answer.get(key, []))
            if not page or len(found) >= answer.get("total_entries", 0):
                return found

    def _new_token(self) -> str:
        answer = self._send("POST", "/auth/token", json={"username": self._user, "password": self._password})
        if answer.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.UNAUTHORIZED):  # 400: no password at all
            raise AirflowError(
                f"Airflow at {self._url} refuses user {self._user!r}; set LAKELOOP_AIRFLOW_USER and "
                "LAKELOOP_AIRFLOW_PASSWORD or LAKELOOP_AIRFLOW_PASSWORD_FILE"
            )
        self._token = str(self._json(answer, "POST /auth/token").get("access_token", ""))
        return self._token

    def _send(self, method: str, path: str, **how: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **how)
            for seconds in BUSY:
                if not _database_was_busy(answer):  # nothing was written, so that asking once more is safe
                    break
                time.sleep(seconds)
                answer = self._http.request(method, path, **how)
            return answer
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AirflowError(
                f"Airflow at {self._url} does not answer ({type(error).__name__}: {error}); is its api-server running?"
            ) from error

    def _json(self, answer: httpx.Response, what: str) -> dict[str, Any]:
        if not answer.is_success:
            raise AirflowRefusedError(
                answer.status_code, f"Airflow answered {what} with {answer.status_code}: {_detail(answer)}"
            )
        try:
            content = answer.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise AirflowError(f"what answers {what} at {self._url} is not Airflow's API: {answer.text[:100]!r}")
        return content


def _database_was_busy(answer: httpx.Response) -> bool:
    return answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR and "Database error" in answer.text


def _detail(answer: httpx.Response) -> str:
    """What Airflow says is wrong: its `detail` where there is one."""
    try:
        return str(answer.json()["detail"])[:300]
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]
