"""Requests put together: `--enable_batching` with a parameters file, on a model that tells how many rows it got."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from lakeloop.exceptions import LakeloopError
from serving.model_server.batching_parameters import BatchingParameters, read_batching_parameters
from serving.model_server.process import RunningServer
from tests.warm_programs import running_server

PARAMETERS = """
max_batch_size { value: 8 }
batch_timeout_micros { value: 3000000 }
num_batch_threads { value: 1 }
max_enqueued_batches { value: 2 }
thread_pool_name { value: "ours" }
allowed_batch_sizes: 4
allowed_batch_sizes: 8
"""


@pytest.fixture(scope="module")
def batching(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    file = tmp_path_factory.mktemp("batching") / "parameters"
    file.write_text(PARAMETERS)
    flags = ("--enable_batching", f"--batching_parameters_file={file}", "--rest_api_num_threads=16")
    models = {name: saved_models / name for name in ("batch_size", "uneven")}
    with running_server(models, flags=flags) as running:
        yield running


def ask(server: RunningServer, instances: list[Any], model: str = "batch_size") -> httpx.Response:
    return httpx.post(f"{server.url}/v1/models/{model}:predict", json={"instances": instances}, timeout=60)


def test_requests_that_fill_a_batch_are_answered_by_one_run(batching: RunningServer) -> None:
    with ThreadPoolExecutor(8) as clients:
        answers = [clients.submit(ask, batching, [float(number)]) for number in range(8)]
        found = [answer.result().json()["predictions"] for answer in answers]
    assert found == [[{"rows": 8, "x": float(number)}] for number in range(8)], "and each has its own row"


def test_a_batch_that_is_not_filled_runs_after_its_time_filled_up_to_an_allowed_size(batching: RunningServer) -> None:
    assert ask(batching, [1.0, 2.0]).json()["predictions"] == [{"rows": 4, "x": 1.0}, {"rows": 4, "x": 2.0}]


def test_rows_of_another_shape_are_no_part_of_a_batch(batching: RunningServer) -> None:
    with ThreadPoolExecutor(2) as clients:
        flat = clients.submit(ask, batching, [1.0] * 8)
        wide = clients.submit(ask, batching, [[1.0, 2.0]] * 8)
        assert flat.result().json()["predictions"] == [{"rows": 8, "x": 1.0}] * 8
        assert wide.result().json()["predictions"] == [{"rows": 8, "x": [1.0, 2.0]}] * 8


def test_a_request_larger_than_a_batch_is_refused(batching: RunningServer) -> None:
    answer = ask(batching, [1.0] * 9)
    assert answer.status_code == 400
    assert answer.json() == {"error": "Task size 9 is larger than maximum input batch size 8"}


def test_more_waiting_batches_than_allowed_are_refused(batching: RunningServer) -> None:
    with ThreadPoolExecutor(3) as clients:
        answers = [clients.submit(ask, batching, [[1.0] * width]) for width in (1, 2, 3)]
        codes = sorted(answer.result().status_code for answer in answers)
    assert codes == [200, 200, 503]


def test_an_output_that_has_no_row_for_each_of_the_batch_is_refused(batching: RunningServer) -> None:
    answer = ask(batching, [1.0], "uneven")
    assert answer.status_code == 400
    assert "0th dimension does not equal the sum of the 0th dimension sizes" in answer.json()["error"]


@pytest.fixture(scope="module")
def splitting(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Requests have ten rows at most, and four are run at a time."""
    file = tmp_path_factory.mktemp("splitting") / "parameters"
    file.write_text(
        "max_batch_size { value: 10 } enable_large_batch_splitting { value: true } "
        "max_execution_batch_size { value: 4 }"
    )
    flags = ("--enable_batching", f"--batching_parameters_file={file}")
    models = {name: saved_models / name for name in ("batch_size", "uneven")}
    with running_server(models, flags=flags) as running:
        yield running


def test_a_large_request_is_split_where_the_parameters_say_so(splitting: RunningServer) -> None:
    found = ask(splitting, [float(number) for number in range(10)]).json()["predictions"]
    assert [row["x"] for row in found] == list(range(10)), "in their order"
    assert [row["rows"] for row in found] == [4] * 8 + [2] * 2
    assert ask(splitting, [1.0] * 11).json() == {"error": "Task size 11 is larger than maximum input batch size 10"}


def test_a_split_request_whose_outputs_have_no_row_each_is_refused(splitting: RunningServer) -> None:
    answer = ask(splitting, [1.0] * 9, "uneven")
    assert answer.status_code == 400
    assert "0th dimension does not equal the sum of the 0th dimension sizes" in answer.json()["error"]


def test_what_a_file_leaves_out_has_its_default(tmp_path: Path) -> None:
    file = tmp_path / "parameters"
    file.write_text("pad_variable_length_inputs: true")
    assert read_batching_parameters(file) == BatchingParameters(pad=True)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("max_batch: 3", 'no field named "max_batch"'),
        ("max_batch_size { value: 0 }", "max_batch_size must be positive, not 0"),
        ("allowed_batch_sizes: 4 allowed_batch_sizes: 2", "allowed_batch_sizes must rise and end with max_batch_size"),
        (
            "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 1001 }",
            "max_execution_batch_size, 1001, is larger than max_batch_size, 1000",
        ),
    ],
)
def test_a_file_that_cannot_be_is_wrong_use(tmp_path: Path, text: str, error: str) -> None:
    file = tmp_path / "parameters"
    file.write_text(text)
    with pytest.raises(LakeloopError, match=error) as caught:
        read_batching_parameters(file)
    assert caught.value.exit_code == 2
