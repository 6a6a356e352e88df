"""54,000 requests through a real gateway, a real broker and real streams, each of which is killed on the way."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from deltalake import DeltaTable

from lakehouse.requests.arrivals import arrivals
from lakehouse.storage.layout import table_exists
from lakeloop.gateway_client import GatewayClient
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.simulation import questions_of
from serving.gateway.process import RunningGateway
from tests.brokers import Broker, needs_broker, running_broker
from tests.lakehouse import killing
from tests.ports import free_port
from tests.waiting import eventually
from tests.warm_programs import running_gateway

pytestmark = [pytest.mark.long, needs_broker]
MONTHS = range(1, 37)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running_broker(tmp_path / "broker") as broker:
        yield broker


def bronze_grows(use_case: UseCase) -> Callable[[], bool]:
    """Whether bronze/requests has had rows added since this was made."""
    table = use_case.table("bronze/requests")

    def rows() -> int:
        return DeltaTable(table).to_pyarrow_dataset().count_rows() if table_exists(table) else 0

    before = rows()
    return lambda: rows() > before


def test_54_000_requests_are_in_the_lake_once_each_whoever_is_killed(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("LAKELOOP_BROKER", f"kafka://{broker.servers}")
    settings = load_settings(home=home, use_case="insurance", model_server_url="http://127.0.0.1:9")
    use_case = open_use_case(settings)
    port = free_port()

    with ExitStack() as running:

        def start() -> RunningGateway:
            return running.enter_context(running_gateway(settings, port=port))

        def ask(months: range) -> None:
            client = GatewayClient(gateway.url, use_case.contract, batch=50, patience=900)
            client.ask([one for month in months for one in questions_of(use_case, month, "all")])

        def asking(months: range) -> threading.Thread:
            """Ask these months, in the background; some of it has arrived when this returns."""
            before = arrivals(use_case)
            thread = threading.Thread(target=ask, args=(months,))
            thread.start()
            eventually(lambda: arrivals(use_case) != before)
            return thread

        gateway = start()
        asked = asking(MONTHS[:12])
        broker.kill()
        broker.start()
        asked.join()
        killing.kill_when(bronze_grows(use_case), home, "lake", "stream")
        asked = asking(MONTHS[12:24])
        gateway.process.send_signal(signal.SIGKILL)
        gateway.process.wait()
        gateway = start()
        killing.kill_when(bronze_grows(use_case), home, "lake", "stream")
        asked.join()
        ask(MONTHS[24:])
        ask(MONTHS)  # what the killed gateway had answered and not sent is new; all else is known by its id
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(240) == 0
    assert killing.start(home, "lake", "stream").wait() == 0, (home / "killed.log").read_text()

    silver = DeltaTable(use_case.table("silver/predictions")).to_pandas()
    assert (len(silver), silver["request_id"].nunique()) == (54_000, 54_000)
    bronze = DeltaTable(use_case.table("bronze/requests")).to_pandas()
    assert not bronze.duplicated(["_source_file", "_line"]).any()
    assert len(bronze) - len(silver) < 1_000, "a gateway that starts remembers what was answered"
    assert not arrivals(use_case)
