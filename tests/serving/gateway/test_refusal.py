"""A refusal is a sentence that can be read, however much a contract allows."""

import asyncio

import pytest

from lakeloop.contract import Contract
from serving.exceptions import RefusedRequestError
from serving.gateway.request_model import RequestModel


def test_of_many_allowed_values_the_sentence_names_some_and_the_list_stands_once(churn: Contract) -> None:
    plans = tuple(f"p{number:02d}" for number in range(62))
    plan = churn.features["plan"].model_copy(update={"values": plans})
    contract = churn.model_copy(update={"features": {**churn.features, "plan": plan}})
    with pytest.raises(RefusedRequestError) as caught:
        RequestModel(contract).read_one(b'{"plan": "gold", "usage": 1.0}')
    problem = caught.value.problems[0]
    assert problem["msg"] == 'plan is "gold"; allowed is one of p00, p01, p02, p03, p04 and 57 more'
    assert problem["allowed"] == "one of " + ", ".join(plans)


def test_what_is_no_request_at_all_is_refused_in_the_same_words(churn: Contract) -> None:
    model = RequestModel(churn)

    def read_batch(body: bytes) -> object:
        return asyncio.run(model.read_batch(body))

    for read, body, told in (
        (model.read_one, b"[1]", 'the body is [1]; an object is needed: {"FIELD": VALUE, …}'),
        (read_batch, b'{"requests": []}', "requests is empty; one or more are needed"),
        (read_batch, b'{"requests": [' + b"{}," * 1000 + b"{}]}", "requests are too many; at most 1,000 are"),
    ):
        with pytest.raises(RefusedRequestError) as caught:
            read(body)
        assert caught.value.problems[-1]["msg"].startswith(told), caught.value.problems
