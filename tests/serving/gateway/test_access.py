"""A gateway that asks who asks: `ask` for answers, `read` for the rest, and clients of our own with a token."""

from collections.abc import Iterator

import httpx
import pytest

from lakeloop.access.generated import token_file
from lakeloop.exceptions import NotAllowedError
from lakeloop.gateway_client import GatewayClient, Question, check_gateway
from lakeloop.gateway_metrics import read_counts
from lakeloop.settings import Settings
from lakeloop.use_case import open_use_case
from operations.releasing import wait_until_answered_by
from serving.gateway.process import RunningGateway, running_gateway
from tests.serving.gateway.conftest import body


@pytest.fixture
def guarded_settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": "on"})


@pytest.fixture
def gateway(guarded_settings: Settings) -> Iterator[RunningGateway]:
    with running_gateway(guarded_settings) as running:
        yield running


def test_who_may_ask_is_answered_and_who_may_read_sees_the_rest(
    gateway: RunningGateway, guarded_settings: Settings
) -> None:
    read, ask = (token_file(guarded_settings, name).read_text().strip() for name in ("read", "ask"))
    with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as client:
        for path in ("/predict/", "/insurance/predict", "/predict/batch", "/explain/"):
            assert client.post(path, json=body()).status_code == 401
            refused = client.post(path, json=body(), headers={"authorization": f"Bearer {read}"})
            assert refused.status_code == 403 and "needs the role ask" in refused.json()["detail"][0]["msg"]
        answer = client.post("/predict/", json=body(), headers={"authorization": f"Bearer {ask}"})
        assert answer.json()["prediction"] in ("high", "medium", "low")
        for path in ("/health", "/metrics", "/docs", "/insurance/health", "/"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"authorization": f"Bearer {read}"}).status_code == 200
        assert client.get("/ping").status_code == 200
        # its page, as a browser has it
        assert client.get("/", headers={"accept": "text/html"}).headers["location"] == "/login?next=%2F"
        client.post("/login", data={"token": ask})
        own = {"origin": gateway.url}
        assert client.post("/predict/", json=body(), headers=own).status_code == 200

    case = open_use_case(guarded_settings, "insurance")
    contract = case.contract
    flat = {name: value for group in ("driver", "vehicle") for name, value in body()[group].items()}
    question = Question("r-1", "k-1", "2023-02-01T00:00:00+00:00", flat)
    with pytest.raises(NotAllowedError, match="asks for a token"):
        check_gateway(gateway.url, contract)
    check_gateway(gateway.url, contract, ask)
    assert GatewayClient(gateway.url, contract, token=ask).ask([question])[0]["prediction"]
    asking = {"gateway_url": gateway.url, "token_file": token_file(guarded_settings, "read")}
    told = open_use_case(guarded_settings.model_copy(update=asking), "insurance")
    assert wait_until_answered_by(told, "", 30) is not None
    assert wait_until_answered_by(case, "", 30) is None
    counts = read_counts(told)
    assert counts is not None and counts.answers == 3


def test_no_token_is_in_the_log(guarded_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "gateway.log"
    with path.open("w") as log, running_gateway(guarded_settings, log_to=log) as running:
        token = token_file(guarded_settings, "read").read_text().strip()
        httpx.get(f"{running.url}/health", headers={"authorization": f"Bearer {token}"}, timeout=60, trust_env=False)
        httpx.post(f"{running.url}/login", data={"token": token}, timeout=60, trust_env=False)
    written = path.read_text()
    assert token not in written and token[-20:] not in written
