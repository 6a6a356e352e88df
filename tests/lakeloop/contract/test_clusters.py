"""The contract's section `clusters`: what is clustered, by which columns, and mistakes in it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lakeloop.contract import Clusters, Contract
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import ContractError
from tests.use_case_copies import USE_CASES


def stays_with(folder: Path, section: str) -> Contract:
    copy = shutil.copytree(USE_CASES["stays"] / "stays", folder / "stays")
    with (copy / "contract.yaml").open("a", encoding="utf-8") as contract:
        contract.write(f"\nclusters: {section}\n")
    return load_contract(copy / "contract.yaml")


def test_a_section_says_what_is_clustered_by_what_and_has_a_hash(tmp_path: Path) -> None:
    terms = stays_with(tmp_path, "{of: room, columns: [price_a_night], count: [2, 4]}").clusters
    assert terms is not None and terms.compared == ("price_a_night",) and terms.counts == (2, 3, 4)
    assert (terms.periods, terms.missing, terms.seed) == (1, "leave_out", 0)
    other = Clusters(of="room", columns=("price_a_night",), count=3)
    assert other.counts == (3,) and other.sha256 != terms.sha256


def test_a_contract_without_clusters_hashes_to_what_it_did(contract: Contract) -> None:
    assert contract.clusters is None and "clusters" not in contract.model_dump()


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({"of": "area", "count": 3}, "has nothing to compare things by"),
        ({"of": "area", "columns": ("a", "a"), "count": 3}, "compares by `a` twice"),
        ({"of": "area", "columns": ("a",), "count": 1}, "is 1; take whole numbers from 2 to 50"),
        ({"of": "area", "columns": ("a",), "count": (8, 2)}, "is [8, 2]; take whole numbers from 2 to 50"),
        ({"of": "area", "columns": ("a",), "count": "six"}, "is 'six'; write how many clusters, such as `6`"),
        ({"of": "area", "columns": ("a",), "count": True}, "is True; write how many clusters"),
    ],
)
def test_terms_that_cannot_be_kept_are_refused(terms: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Clusters.model_validate(terms)
    assert text in str(refused.value)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        (
            "{of: romm, columns: [nights], count: 2}",
            "clusters.of: `romm` is no column of bookings; did you mean `room`",
        ),
        ("{of: month, columns: [nights], count: 2}", "clusters.of: `month` is the event time"),
        ("{of: cancelled, columns: [nights], count: 2}", "clusters.of: `cancelled` is the truth"),
        ("{of: price, columns: [nights], count: 2}", "clusters.of: `price` is a float; take a column of texts"),
        ("{of: room, columns: [night], count: 2}", "`night` is not a feature; did you mean `nights`?"),
        ("{of: booking, columns: [room], count: 2}", "`room` is a string, and means are of numbers"),
        (
            "{of: room, pivot: {by: room, columns: [nights]}, count: 2}",
            "clusters.pivot.by: `room` names the things, and each has one value of it",
        ),
        ("{of: room, columns: [nights], count: 2, seeds: 3}", "clusters.seeds: is not a key of a contract"),
    ],
)
def test_what_does_not_fit_the_rest_of_the_contract_is_told_with_its_place(
    tmp_path: Path, section: str, problem: str
) -> None:
    with pytest.raises(ContractError) as refused:
        stays_with(tmp_path, section)
    assert problem in str(refused.value)
