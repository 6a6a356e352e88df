"""The JSON of requests and answers: RapidJSON's dialect, the same whatever the size, and about as quick."""

import json
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from serving.exceptions import RequestError
from serving.model_server import json_reader
from serving.model_server.json_parser import parse
from serving.model_server.signatures import NamedTensor, Signature
from serving.model_server.status import Code
from serving.model_server.tensor_input import read_predict_request
from serving.model_server.tensor_output import to_json

LARGE = 200_000
"""Numbers in a body of 1.4 MB."""


def padded(text: bytes) -> bytes:
    """The members of an object, with a large plain member before them."""
    return b'{"pad":[' + b"0.1234," * LARGE + b"0]," + text[1:]


def outcome(body: bytes) -> Any:
    """The value without the padding, or the error without the place."""
    try:
        value = parse(body)
    except RequestError as exc:
        return exc.message.split(" at offset")[0]
    if isinstance(value, dict):
        value.pop("pad", None)
        value = {name: depth_or_value(member) for name, member in value.items()}
    return repr(value)


def depth_or_value(value: Any) -> Any:
    """Python cannot write what is nested deeply."""
    depth, inner = 0, value
    while isinstance(inner, list) and len(inner) == 1:
        depth, inner = depth + 1, inner[0]
    return depth if depth > 100 else value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"a":"\\ud800"}', "JSON Parse error: The surrogate pair in string is invalid."),
        (b'{"a":"\\udc00"}', repr({"a": "\udced\udcb0\udc80"})),
        (b'{"a":1e400}', "JSON Parse error: Number too big to be stored in double."),
        (b'{"a":[NaN,Inf,-Infinity,-Inf,Infinity]}', repr({"a": [math.nan, math.inf, -math.inf, -math.inf, math.inf]})),
        (b'{"a":1,"a":2}', repr({"a": 1})),
        (b'{"a":1,"a":NaN}', repr({"a": 1})),
        (b'{"a":NaN,"b":{"c":1,"c":2},"d":"x:y"}', repr({"a": math.nan, "b": {"c": 1}, "d": "x:y"})),
        (b'{"a":"NaN, NaN ,","b":[NaN]}', repr({"a": "NaN, NaN ,", "b": [math.nan]})),
        (b'{"Info":"Inf","b":Inf}', repr({"Info": "Inf", "b": math.inf})),
        (b'{"a":[8.13272650416397e-301,NaN]}', repr({"a": [8.13272650416397e-301, math.nan]})),
        (b'{"a":1} and more', repr({"a": 1})),
        (b'{"a":"\xff"}', repr({"a": "\udcff"})),
        (b'{"a":' + b"[" * 2000 + b"]" * 2000 + b',"b":1}', None),
        (b'{"a":18446744073709551616}', repr({"a": 18446744073709551616.0})),
        (b'{"a":[1,2,3,4,5,6,7,8,9,]}', "JSON Parse error: Invalid value."),
        (b'{"a":[1,2,3,4,5,6,7,8,,9]}', "JSON Parse error: Invalid value."),
        (b'{"a":[1,2,3,4,5,6,7,8,01]}', "JSON Parse error: Missing a comma or ] after an array element."),
        (b'{"a":[{"b":1,"b":2},{},{},{},{},{},{},{},{},{}],"c":NaN,"c":1}', None),
        (b'{"a":nul}', "JSON Parse error: Invalid value."),
    ],
)
def test_a_large_body_is_read_as_a_small_one(text: bytes, expected: str | None) -> None:
    small = outcome(text)
    assert outcome(padded(text)) == small
    assert outcome(b"\xef\xbb\xbf" + text) == small, "a byte order mark is skipped"
    if expected is not None:
        assert small == expected


def test_the_place_of_an_error_is_right_in_a_large_body() -> None:
    body = padded(b'{"a":1e400}')
    with pytest.raises(RequestError) as caught:
        parse(body)
    assert caught.value.message.endswith(f"at offset: {body.index(b'1e400')}")


def test_brackets_alone_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_reader, "MOST_LEVELS", 3000)
    with pytest.raises(RequestError) as caught:
        parse(b"[" * 20_000_000)
    assert caught.value.message == "JSON Parse error: Nested more than 3000 levels deep. at offset: 3001"


@pytest.mark.parametrize("first", [b"[" * 1_000_000, b'{"a":' * 200_000])
def test_a_body_that_takes_long_to_read_is_given_up_at_the_deadline(first: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        parse(first, time.monotonic() - 1)
    assert caught.value.code is Code.DEADLINE_EXCEEDED


def seconds(do: Callable[[], Any]) -> float:
    """CPU time of the quickest of some runs."""
    taken = []
    for _ in range(5):
        began = time.process_time()
        do()
        taken.append(time.process_time() - began)
    return min(taken)


def rows(odd: float) -> list[Any]:
    listed = [{"a": index / 7, "b": 1.5, "name": "Infra"} for index in range(20_000)]
    listed[77]["a"] = odd
    return listed


def numbers(odd: float) -> list[Any]:
    return [*(index / 7 for index in range(LARGE // 2)), odd]


INPUTS = {
    rows: (NamedTensor("a", "float", (None,), ""), NamedTensor("b", "float", (None,), ""),
           NamedTensor("name", "string", (None,), "")),
    numbers: (NamedTensor("x", "float", (None,), ""),),
}  # fmt: skip


@pytest.mark.parametrize("made", [numbers, rows])
def test_one_number_that_is_not_finite_costs_little(made: Callable[[float], list[Any]]) -> None:
    """Reading value by value took sixty times longer."""
    signature = Signature("serving_default", INPUTS[made], (), "")

    def answer(body: bytes) -> bytes:
        return to_json(read_predict_request(parse(body), signature).inputs, "row")

    plain, odd = (json.dumps({"instances": made(value)}).encode() for value in (1.0, math.nan))
    assert b"NaN" in answer(odd)
    assert seconds(lambda: answer(odd)) < 3 * seconds(lambda: answer(plain))


def test_an_answer_with_numbers_that_are_not_finite_is_written_as_quickly() -> None:
    plain = np.linspace(0, 1, 300_000, dtype=np.float32)
    odd = plain.copy()
    odd[77] = np.nan
    assert seconds(lambda: to_json({"y": odd}, "row")) < 3 * seconds(lambda: to_json({"y": plain}, "row"))


@pytest.mark.parametrize("layout", ["row", "columnar"])
def test_an_answer_is_what_python_writes(layout: Any) -> None:
    """Every shape and kind of output at once; only numbers as JSON knows them, so that Python can be asked."""
    outputs = {
        "flat": np.array([1, -2, 3], np.int64),
        "words": np.array([b"x", b'"%s"', b"[1],[2]"], dtype=object),
        "deep": np.arange(12, dtype=np.float32).reshape(3, 2, 2),
        "of_one": np.arange(3, dtype=np.float32).reshape(3, 1, 1),
        "empty": np.zeros((3, 0, 2), np.float32),
        "100 %b": np.array([[True], [False], [True]]),
        "odd": np.array([np.nan, np.inf, -np.inf]),
        "text_bytes": np.array([[b"x"], [b"y"], [b"z"]], dtype=object),
    }
    lists = {
        name: [[{"b64": "eA=="}], [{"b64": "eQ=="}], [{"b64": "eg=="}]] if name == "text_bytes"
        else [word.decode() for word in array] if array.dtype == object
        else array.tolist()
        for name, array in outputs.items()
    }  # fmt: skip
    if layout == "row":
        expected: Any = {"predictions": [{name: values[row] for name, values in lists.items()} for row in range(3)]}
    else:
        expected = {"outputs": lists}
    assert repr(json.loads(to_json(outputs, layout))) == repr(expected)
