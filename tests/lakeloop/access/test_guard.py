"""The guard in front of a real server: tokens, the login form, other sites' pages."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request

from lakeloop.access.acting import who_acts
from lakeloop.access.generated import token_file
from lakeloop.access.guard import guarded
from lakeloop.access.login import COOKIE
from lakeloop.access.tokens import create_token, revoke_token
from lakeloop.http_server import HttpServer, http_config, listen
from lakeloop.settings import Settings
from tests.waiting import eventually

PAGE = {"accept": "text/html"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", auth="on")


@pytest.fixture
def client(settings: Settings) -> Iterator[httpx.Client]:
    app = FastAPI()

    @app.get("/ping")
    @app.get("/page")
    @app.post("/act")
    def page(request: Request) -> str:
        return who_acts(settings, "read", scope=request.scope) if request.url.path != "/ping" else "pong"

    listener, ready = listen("127.0.0.1", 0, "test"), threading.Event()
    guard = guarded(app, settings, "127.0.0.1", "test", writes="ask")
    server = HttpServer(http_config(guard, lifespan="on", grace_seconds=2), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert ready.wait(60)
    with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30, trust_env=False) as client:
        yield client
    server.should_exit = True
    thread.join(30)
    listener.close()


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def told(answer: httpx.Response) -> str:
    return str(answer.json()["detail"][0]["msg"])


def test_a_role_that_is_enough_gets_through_and_others_are_told_what_is_needed(
    client: httpx.Client, settings: Settings
) -> None:
    read, ask = (token_file(settings, name).read_text().strip() for name in ("read", "ask"))
    nobody = client.post("/act", content=b"x" * 100_000)
    assert nobody.status_code == 401 and "needs a token with the role ask" in told(nobody)
    assert nobody.headers["www-authenticate"].startswith("Bearer")
    wrong = client.get("/page", headers=bearer(read[:-1]))
    assert wrong.status_code == 401 and "not known here" in told(wrong) and read[:-1] not in wrong.text
    less = client.post("/act", headers=bearer(read))
    assert less.status_code == 403 and "`lakeloop token create --name NAME --role ask`" in told(less)
    assert told(less).startswith("POST /act needs the role ask; the token of read has the role read: ")
    assert client.get("/page", headers=bearer(read)).json() == "read"
    assert client.post("/act", headers=bearer(ask)).json() == "ask"
    assert client.get("/ping").json() == "pong"


def test_a_token_is_good_and_refused_while_the_server_runs(client: httpx.Client, settings: Settings) -> None:
    token = create_token(settings, "ann", "read", "me")
    eventually(lambda: client.get("/page", headers=bearer(token)).status_code == 200)
    revoke_token(settings, "ann", "me")
    eventually(lambda: client.get("/page", headers=bearer(token)).status_code == 401)


def test_a_browser_logs_in_goes_where_it_wanted_and_out_again(client: httpx.Client, settings: Settings) -> None:
    sent = client.get("/page?a=1", headers=PAGE)
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=%2Fpage%3Fa%3D1")
    assert "<form" in client.get(sent.headers["location"]).text
    refused = client.post("/login", data={"token": "guessed"})
    assert refused.status_code == 401 and "not known here" in refused.text and "guessed" not in refused.text
    token = token_file(settings, "read").read_text().strip()
    entered = client.post(sent.headers["location"], data={"token": token})
    assert (entered.status_code, entered.headers["location"]) == (303, "/page?a=1")
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and token not in entered.headers["set-cookie"]
    assert client.get("/page", headers=PAGE).json() == "read"
    assert "the role <b>read</b>" in client.get("/login").text
    assert client.post("/act").status_code == 403
    assert client.post("/logout").status_code == 303 and COOKIE not in client.cookies
    assert client.get("/page").status_code == 401


def test_a_cookie_is_nothing_once_it_is_changed_or_its_token_revoked(client: httpx.Client, settings: Settings) -> None:
    client.post("/login", data={"token": token_file(settings, "ask").read_text().strip()})
    good = client.cookies[COOKIE]
    assert client.post("/act").json() == "ask"
    client.cookies.clear()
    assert client.get("/page", headers={"cookie": f"{COOKIE}=x{good}"}).status_code == 401
    assert client.get("/page", headers={"cookie": f"{COOKIE}={good}"}).status_code == 200
    revoke_token(settings, "ask", "me")
    eventually(lambda: client.get("/page", headers={"cookie": f"{COOKIE}={good}"}).status_code == 401)


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}],
)
def test_a_page_of_another_site_or_port_may_not_act_for_who_is_logged_in(
    client: httpx.Client, settings: Settings, headers: dict[str, str]
) -> None:
    token = token_file(settings, "ask").read_text().strip()
    assert client.post("/login", data={"token": token}, headers=headers).status_code == 403
    client.post("/login", data={"token": token})
    assert client.post("/act", headers=headers).status_code == 403
    own = {"origin": str(client.base_url).rstrip("/")}
    assert client.post("/act", headers=own).json() == "ask"
    assert client.post("/act", headers={"sec-fetch-site": "same-origin"}).json() == "ask"


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "/\tx"])
def test_the_form_leads_nowhere_else(client: httpx.Client, settings: Settings, elsewhere: str) -> None:
    token = token_file(settings, "read").read_text().strip()
    assert client.post("/login", params={"next": elsewhere}, data={"token": token}).headers["location"] == "/"


def test_without_a_guard_a_service_beyond_loopback_says_so(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    off, app = settings.model_copy(update={"auth": "off"}), FastAPI()
    with caplog.at_level(logging.ERROR):
        assert guarded(app, off, "127.0.0.1", "gateway", writes="ask") is app
        assert guarded(app, off, "::1", "gateway", writes="ask") is app
        assert not caplog.records
        assert guarded(app, off, "0.0.0.0", "gateway", writes="ask") is app
    assert "open_to_everybody service=gateway" in caplog.text and "LAKELOOP_AUTH=on" in caplog.text
    assert not settings.home.exists()
