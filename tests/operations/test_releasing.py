"""What is said where a release is not in effect: the model server follows none, or no gateway is there."""

import pytest

from lakeloop.use_case import UseCase
from operations.releasing import why_not_answered
from tests.http_answers import answering


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        (("3",), "does not load version 2: it was started with a folder or a config file of its own"),
        (("3", "2"), "no gateway at http"),
        ((), "no gateway at http"),  # nor a model server
    ],
)
def test_a_server_that_does_not_follow_is_named_with_the_remedy(
    use_case: UseCase, versions: tuple[str, ...], said: str
) -> None:
    states = {"model_version_status": [{"version": one, "state": "LOADING", "status": {}} for one in versions]}
    with answering({f"/v1/models/{use_case.name}": (200, states)}) as url:
        case = UseCase(use_case.settings.model_copy(update={"model_server_url": url}), use_case.contract)
        assert said in why_not_answered(case, "2", seconds=0.0)
