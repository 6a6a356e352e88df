"""Every golden case, sent to a real server over HTTP.

A case names its `source`, the `request` (method, path, body), the `status` and one match rule:
`json`: the answer is this JSON value (numbers equal, object keys in any order);
`json_words`: the same, but numbers are compared as they are written (NaN, Infinity, 3.0 against 3);
`error`: the answer is exactly {"error": <text>};
`error_contains`: the answer is {"error": <text that contains this>}: all that TensorFlow Serving's own test
    asserts, or where the rest of the text depends on a C++ library;
`text_contains`: the body, which is not JSON, contains this.
"""

import json
from typing import Any

import httpx


def _words(text: str) -> Any:
    return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)


def test_answer_is_tensorflow_servings(golden_case: dict[str, Any], client: httpx.Client) -> None:
    request, expected = golden_case["request"], golden_case["response"]
    body = request.get("body")
    answer = client.request(request["method"], request["path"], content=None if body is None else body.encode())
    assert answer.status_code == golden_case["status"], answer.text
    if "text_contains" in expected:
        assert expected["text_contains"] in answer.text
        return
    assert answer.headers["content-type"] == "application/json"
    if "json" in expected:
        assert answer.json() == expected["json"]
    elif "json_words" in expected:
        assert _words(answer.text) == _words(expected["json_words"])
    elif "error" in expected:
        assert answer.json() == {"error": expected["error"]}
    else:
        assert list(answer.json()) == ["error"]
        assert expected["error_contains"] in answer.json()["error"]


def test_every_case_says_where_it_comes_from(golden_case: dict[str, Any]) -> None:
    assert golden_case["source"].startswith("tensorflow/serving tensorflow_serving/")
    assert golden_case["source"].endswith("@ 9d981c5")
    assert len(golden_case["response"]) == 1
