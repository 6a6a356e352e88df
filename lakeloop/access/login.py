"""Logging in with a token, for browsers: a form, and a signed cookie that names the token by its hash.

The cookie is HttpOnly and SameSite=Lax, and good for half a day, unless the token is revoked before. Browsers do not
tell ports of a host apart, so who is logged in to one service of a home is logged in to all.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jinja2
from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope

from lakeloop.access.roles import User
from lakeloop.access.tokens import token_hash

log = logging.getLogger(__name__)

COOKIE = "lakeloop_login"
SECONDS = 12 * 3600
MOST_BYTES = 8192
LOGIN, LOGOUT = "/login", "/logout"
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "cache-control": "no-store",
    # not "no-referrer": a browser then says nothing of where a form comes from, and without TLS nothing else does
    "referrer-policy": "same-origin",
}


class Login:
    """The form, and who the cookie says is logged in; `users` gives who has a token that is good, by its hash."""

    paths = (LOGIN, LOGOUT)

    def __init__(self, key: str, users: Callable[[], Mapping[str, User]]) -> None:
        self._signer = URLSafeTimedSerializer(
            key, salt="lakeloop login", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._users = users
        page = Path(__file__).with_name("login.html").read_text(encoding="utf-8")
        self._page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(page)

    def user(self, cookie: str) -> User | None:
        """Who is logged in by the cookie, if the token is still good."""
        if not cookie:
            return None
        try:
            hashed = self._signer.loads(cookie, max_age=SECONDS)
        except BadData:
            return None
        return self._users().get(hashed)

    async def answer(self, scope: Scope, receive: Receive, user: User | None) -> Response:
        """What /login and /logout answer; `user` is who is logged in already."""
        request = Request(scope, receive)
        to = _own_path(request.query_params.get("next", "/"))
        if request.method == "GET" and request.url.path == LOGIN:
            return self._form(to, user)
        if request.method != "POST":
            return Response(status_code=405, headers={"allow": "POST" if request.url.path == LOGOUT else "GET, POST"})
        if not is_own_page(scope):
            return self._form(to, user, "This form was sent by another site.", 403)
        if request.url.path == LOGOUT:
            answer = RedirectResponse(LOGIN, 303)
            answer.delete_cookie(COOKIE, httponly=True, samesite="lax")
            return answer
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return self._form(to, user, "That is no token: it is too long.", 413)
        token = parse_qs(body.decode("latin-1")).get("token", [""])[0].strip()
        hashed = token_hash(token)
        found = self._users().get(hashed)
        if found is None:
            log.warning("event=login_refused from=%s", request.client.host if request.client else "")
            return self._form(to, user, "This token is not known here, its time is over, or it was revoked.", 401)
        log.info("event=login name=%s role=%s", found.name, found.role)
        answer = RedirectResponse(to, 303)
        secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
        answer.set_cookie(
            COOKIE, self._signer.dumps(hashed), max_age=SECONDS, httponly=True, samesite="lax", secure=secure
        )  # fmt: skip
        return answer

    def _form(self, to: str, user: User | None, problem: str = "", status: int = 200) -> HTMLResponse:
        return HTMLResponse(self._page.render(to=to, user=user, problem=problem), status, HEADERS)


def is_own_page(scope: Scope) -> bool:
    """Whether a request that changes something comes from a page of this service, as far as its browser says.

    The cookie is not sent with such requests of other sites anyway (SameSite=Lax); to a browser another port of the
    same host is no other site, so this looks at the origin.
    """
    headers = dict(scope["headers"])
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site in (b"same-origin", b"none")
    origin = headers.get(b"origin")
    return origin is None or urlsplit(origin.decode("latin-1")).netloc == headers.get(b"host", b"").decode("latin-1")


def _own_path(text: str) -> str:
    """A path of this service, to go to after the form; `/` for whatever else somebody wrote there."""
    own = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable() and "\\" not in text
    return text if own else "/"
