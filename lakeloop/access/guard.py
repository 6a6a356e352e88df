"""The guard in front of a service's HTTP: nobody gets further without a token whose role is enough.

Programs send `Authorization: Bearer TOKEN`. Browsers log in once, at /login, and have a signed cookie then.
"""

import ipaddress
import json
import logging
import threading
from urllib.parse import quote

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lakeloop.access.acting import not_enough
from lakeloop.access.generated import cookie_key, ensure_tokens
from lakeloop.access.login import COOKIE, Login, is_own_page
from lakeloop.access.roles import Role
from lakeloop.access.tokens import token_hash, users_by_hash
from lakeloop.exceptions import LakeloopError
from lakeloop.settings import Settings

log = logging.getLogger(__name__)

READ_SECONDS = 0.8
"""Short enough that a token is good, or refused, within a second of being made or revoked."""
SAFE = ("GET", "HEAD", "OPTIONS")
OPEN = ("/ping",)
"""Says only that the service runs: for whoever starts it anew when it does not."""
_BEARER = b"bearer "


def guarded(app: ASGIApp, settings: Settings, host: str, name: str, writes: Role) -> ASGIApp:
    """The application of a service behind the guard, or, with LAKELOOP_AUTH=off, as it is; `writes` is the role that
    whatever is no GET needs. A service that listens beyond loopback (`host`) without a guard says so.

    Raises:
        WrongUseError: a token's file cannot be read, or the key of LAKELOOP_TOKENS is not there.
        LakeloopError: the operational database cannot be opened.
    """
    if settings.asks_who:
        ensure_tokens(settings)
        return Guard(app, KnownTokens(settings), cookie_key(settings), writes)
    if not _is_loopback(host):
        log.error(
            "event=open_to_everybody service=%s host=%s what=%r", name, host,
            "whoever reaches it may do everything; LAKELOOP_AUTH=on asks for tokens",
        )  # fmt: skip
    return app


class KnownTokens:
    """Whose token is good, by the token's hash: read again each second, never while somebody waits.

    While the database cannot be read, those last known are good. Raises LakeloopError if it never could.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._end = threading.Event()
        self._problem = False
        self.users = users_by_hash(settings)

    def start(self) -> None:
        """Go on reading, in a thread."""
        threading.Thread(target=self._watch, name="tokens", daemon=True).start()

    def stop(self) -> None:
        """End the thread."""
        self._end.set()

    def _watch(self) -> None:
        while not self._end.wait(READ_SECONDS):
            try:
                self.users = users_by_hash(self._settings)
                self._problem = False
            except (LakeloopError, SQLAlchemyError, OSError) as error:
                if not self._problem:
                    log.error("event=tokens_unreadable error=%r", str(error))
                self._problem = True


class Guard:
    """An ASGI application in front of another. Who asks stands in the request's state (`lakeloop.access.acting`)."""

    def __init__(self, app: ASGIApp, known: KnownTokens, key: str, writes: Role) -> None:
        self._app, self._known, self._writes = app, known, writes
        self._login = Login(key, lambda: known.users)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._known.start()
            try:
                await self._app(scope, receive, send)
            finally:
                self._known.stop()
            return
        if scope["type"] != "http":  # no service has another way in
            await send({"type": "websocket.close", "code": 1008})
            return
        path, safe = scope["path"], scope["method"] in SAFE
        token, cookie = _shown(scope)
        user = self._known.users.get(token_hash(token)) if token else self._login.user(cookie)
        if path in self._login.paths:
            answer = await self._login.answer(scope, receive, None if token else user)
        elif path in OPEN:
            answer = None
        elif user is None:
            answer = _unknown(scope, bool(token), "read" if safe else self._writes)
        elif not safe and not token and not is_own_page(scope):
            answer = _refusal(
                403, "this comes from a page of another site, which may not act for who is logged in here"
            )
        elif not user.may(needed := "read" if safe else self._writes):
            answer = _refusal(403, not_enough(user, needed, f"{scope['method']} {path}"))
        else:
            answer = None
        if answer is None:
            if user is not None:
                scope.setdefault("state", {})["user"] = user
            await self._app(scope, receive, send)
            return
        await answer(scope, receive, send)


def _shown(scope: Scope) -> tuple[bytes, str]:
    """The token of a request, or else the cookie of who is logged in; empty where there is none."""
    cookies = b""
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == _BEARER:
            return value[7:].strip(), ""
        if name == b"cookie":
            cookies = value
    return b"", cookie_parser(cookies.decode("latin-1")).get(COOKIE, "") if cookies else ""


def _unknown(scope: Scope, has_token: bool, needed: Role) -> Response:
    headers = dict(scope["headers"])
    if not has_token and scope["method"] == "GET" and b"text/html" in headers.get(b"accept", b""):
        query = scope["query_string"].decode("latin-1")
        to = quote(scope["path"] + (f"?{query}" if query else ""), safe="")
        return Response(status_code=303, headers={"location": f"/login?next={to}", "cache-control": "no-store"})
    if has_token:
        return _refusal(
            401,
            "this token is not known here, its time is over, or it was revoked: ask whoever administers for a new one",
        )
    return _refusal(
        401,
        f"who asks? {scope['method']} {scope['path']} needs a token with the role {needed}, as the header "
        f"`Authorization: Bearer TOKEN`; `lakeloop token create --name NAME --role {needed}` makes one",
    )


def _refusal(status: int, problem: str) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"} | (
        {"www-authenticate": 'Bearer realm="lakeloop"'} if status == 401 else {}
    )
    content = json.dumps({"detail": [{"field": "", "msg": problem}]})
    return Response(content, status, headers, media_type="application/json")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
