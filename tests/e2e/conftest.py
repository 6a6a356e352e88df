"""Whole commands, run as users run them."""

from collections.abc import Iterator

import pytest

from tests.quick_java import FIRST_COMPILER


@pytest.fixture(scope="package", autouse=True)
def spark_as_users_have_it() -> Iterator[None]:
    """Spark compiles its plans; nothing else of what other tests leave out is seen in what a command does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", FIRST_COMPILER)
        yield
