"""A server on loopback that plays Airflow's API: who asks logs in, and what it answers then is the test's to say."""

import json
from http.server import ThreadingHTTPServer
from threading import Thread
from typing import Any

from lakeloop.settings import Settings
from tests.http_answers import JsonHandler


class PlayedAirflow(ThreadingHTTPServer):
    """Answers from when it is made until its block ends."""

    def __init__(self, handler: type["AirflowHandler"]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def __exit__(self, *raised: object) -> None:
        self.shutdown()
        self.server_close()

    def settings(self, **others: Any) -> Settings:
        """Settings that take this for Airflow."""
        return Settings(airflow_url=f"http://127.0.0.1:{self.server_port}", **others)


class AirflowHandler(JsonHandler):
    """Gives anybody a token; a subclass says what else is answered."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/auth/token":
            self.answer(201, {"access_token": "t"})
        else:
            self.posted(body)

    def posted(self, body: dict[str, Any]) -> None:
        """Answer what was sent."""
        raise NotImplementedError
