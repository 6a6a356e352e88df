"""docker-compose.yml, read once."""

import copy
from typing import Any

import pytest

from tests.deploy.compose_file import TOOLS, read_compose


@pytest.fixture(scope="session")
def compose_as_read() -> dict[str, Any]:
    if not TOOLS.is_dir():
        pytest.skip("the tools that check container files are not there (`make compose-tools`)")
    return read_compose()


@pytest.fixture
def compose(compose_as_read: dict[str, Any]) -> dict[str, Any]:
    """A copy the test may change."""
    return copy.deepcopy(compose_as_read)
