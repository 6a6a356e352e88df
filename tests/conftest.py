"""Which tests share a worker: everything on Spark (one session for all), and each other module by itself."""

import pytest

SPARK = "tests/lakehouse/"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        module = item.nodeid.split("::")[0]
        item.add_marker(pytest.mark.xdist_group("spark" if module.startswith(SPARK) else module))
