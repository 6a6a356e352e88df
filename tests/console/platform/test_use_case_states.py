"""What `lakeloop status` says of each use case: what gateway and monitor told, and what nobody answers."""

import shutil
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from console.platform.status import FAILING, HEALTHY, ServiceStatus
from console.platform.use_case_states import use_case_states
from lakeloop.access.generated import PLATFORM, token_file
from lakeloop.settings import Settings
from lakeloop.use_case import open_use_case
from tests.http_answers import JsonHandler
from tests.use_case_copies import USE_CASES, copy_insurance


class Told(ThreadingHTTPServer):
    """A service's health, as both give it."""

    def __init__(self, *use_cases: dict[str, object]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = {"status": "ok", "use_cases": list(use_cases)}
        self.token = ""
        Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def as_service(self, name: str, state: str = HEALTHY) -> ServiceStatus:
        return ServiceStatus(name, state, None, 1, f"http://127.0.0.1:{self.server_port}")


class _Handler(JsonHandler):
    server: Told

    def do_GET(self) -> None:
        wanted = f"Bearer {self.server.token}" if self.server.token else None
        good = self.headers["authorization"] == wanted
        self.answer(*(200, self.server.content) if good else (401, {"detail": "no token"}))


def one(name: str, status: str = "ok", version: str | None = None, problem: str = "") -> dict[str, object]:
    return {"name": name, "status": status, "model_version": version, "problem": problem}


@pytest.fixture
def several(settings: Settings, tmp_path: Path) -> Settings:
    folder = copy_insurance(tmp_path / "data")
    shutil.copytree(USE_CASES["stays"] / "stays", folder / "stays")
    (folder / "half").mkdir()
    (folder / "half" / "contract.yaml").write_text("use_case: half\nfeetures: {}\n")
    return settings.model_copy(update={"use_cases": folder})


@pytest.fixture
def gateway() -> Iterator[Told]:
    with Told(
        one("insurance", version="7"), one("stays", "degraded", None, "no model"), one("half", "refused")
    ) as told:
        yield told
        told.shutdown()


def test_each_has_its_model_and_what_is_wrong(several: Settings, gateway: Told) -> None:
    with Told(one("insurance", version="7", problem="log unreadable"), one("stays", problem="no model")) as monitor:
        found = use_case_states(several, [gateway.as_service("gateway"), monitor.as_service("monitor")])
        monitor.shutdown()
    half, insurance, stays = found
    assert (insurance.state, insurance.model_version) == ("ok", "7")
    assert insurance.problem == "monitor: log unreadable; not compiled: `lakeloop pipeline compile -u insurance`"
    assert (stays.state, stays.model_version) == ("no model", None)
    assert stays.problem.startswith("none was pushed yet: `make demo USE_CASE=stays`"), "a new one is not a broken one"
    assert stays.problem.endswith("; not compiled: `lakeloop pipeline compile -u stays`"), "what both say is said once"
    (open_use_case(several, "stays").folder("models") / "1").mkdir(parents=True)
    (open_use_case(several, "stays").folder("models") / "1" / "saved_model.pb").touch()
    *_, stays = use_case_states(several, [gateway.as_service("gateway")])
    assert (stays.state, stays.problem.split(";")[0]) == ("degraded", "no model")
    assert half.state == "refused" and half.problem.endswith("more: `lakeloop contract check -u half`)")


def test_where_nobody_answers_contracts_are_read(several: Settings, gateway: Told) -> None:
    half, insurance, stays = use_case_states(several, [gateway.as_service("gateway", FAILING)])
    assert {half.state, insurance.state, stays.state} == {"stopped"}
    assert half.problem.startswith("line 1, ") and "\n" not in half.problem and insurance.problem == stays.problem == ""


def test_services_that_ask_who_it_is_are_shown_the_platforms_token(several: Settings, gateway: Told) -> None:
    asking = several.model_copy(update={"auth": "on"})
    token = token_file(asking, PLATFORM)
    token.parent.mkdir(parents=True)
    gateway.token = "a-token"
    unread = use_case_states(asking, [gateway.as_service("gateway")])
    assert {one.state for one in unread} == {"stopped"}
    token.write_text("a-token\n")
    told = use_case_states(asking, [gateway.as_service("gateway")])
    assert [one.state for one in told] == ["refused", "ok", "no model"]
