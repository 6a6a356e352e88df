from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.requests.request_ids import SeenIds

HASHES = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40)


@given(st.lists(HASHES, max_size=12), HASHES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_knows_what_was_added_and_nothing_else(tmp_path: Path, batches: list[list[int]], asked: list[int]) -> None:
    index = SeenIds(tmp_path / "ids")
    index.clear()
    added: set[int] = set()
    for batch in batches:
        index.add(np.array(batch, dtype=np.int64))
        added |= set(batch)
        everything = np.array([*added, *asked], dtype=np.int64)
        assert index.known(everything).tolist() == [value in added for value in everything.tolist()]


def test_a_hundred_batches_make_few_files(tmp_path: Path) -> None:
    index = SeenIds(tmp_path / "ids")
    random = np.random.default_rng(1)
    batches = random.integers(-(2**63), 2**63 - 1, (100, 500))
    for batch in batches:
        index.add(batch)
    assert len(list((tmp_path / "ids").glob("*.npy"))) <= 8
    assert index.known(batches.ravel()).all()
    assert not index.known(random.integers(-(2**63), 2**63 - 1, 1000)).any()


def test_a_process_killed_between_writing_and_clearing_leaves_a_larger_index_not_a_smaller_one(tmp_path: Path) -> None:
    index = SeenIds(tmp_path / "ids")
    first, second = np.arange(10), np.arange(10, 20)
    index.add(first)
    old = next((tmp_path / "ids").glob("*.npy"))
    content = old.read_bytes()
    index.add(second)
    old.write_bytes(content)
    (tmp_path / "ids" / "00000009.part").write_bytes(b"half")
    assert index.known(np.arange(20)).all()
    index.add(np.array([99]))
    assert index.known(np.array([*range(20), 99])).all()
