"""Where tests have people told: a real mail server and a real webhook, each of which can be down."""

import json
import threading
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.ports import free_port


class Mailbox:
    """A mail server that knows one login and refuses any other; `mails` are (title, text) of what it took."""

    LOGIN = LoginPassword(b"me", b"p4ssw0rd")

    def __init__(self) -> None:
        self.mails: list[tuple[str, str]] = []
        self._controller = Controller(
            self, hostname="127.0.0.1", port=free_port(), auth_require_tls=False,
            authenticator=lambda server, session, envelope, mechanism, data: AuthResult(success=data == self.LOGIN),
        )  # fmt: skip
        self._controller.start()
        self.url = (
            f"mailto://me:p4ssw0rd@127.0.0.1:{self._controller.port}?from=lakeloop@example.com&to=ops@example.com"
        )

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a mail."""
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        body = mail.get_body(("plain", "html"))
        assert body is not None
        self.mails.append((str(mail["Subject"]), body.get_content()))
        return "250 OK"

    def stop(self) -> None:
        """End it."""
        self._controller.stop()


class Hook:
    """A webhook; `posts` are the JSON bodies it took. It answers with `status`, and not at all before `start`."""

    TOKEN = "t0ken-in-the-path"

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.status = 200
        self.port = free_port()
        self.url = f"json://127.0.0.1:{self.port}/{self.TOKEN}?+X-Key=k3y-in-a-header"
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> "Hook":
        """Listen."""
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if hook.status == 200:
                    hook.posts.append(body)
                self.send_response(hook.status)
                self.end_headers()
                self.wfile.write(f"no {hook.TOKEN}".encode())

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        """End it."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
