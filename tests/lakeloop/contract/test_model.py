"""The kinds of models: which one settings are of, and what stays as it was before there were kinds."""

from typing import Any

import pytest

from lakeloop.contract import Contract, NetworkSettings, TreesSettings, read_model_settings
from lakeloop.contract.evolution import changes_between


def with_model(contract: Contract, **model: Any) -> Contract:
    return Contract.model_validate(contract.model_dump() | {"model": model})


def test_settings_without_a_kind_are_a_networks(contract: Contract) -> None:
    assert with_model(contract, units=7).model == NetworkSettings(units=7)
    assert with_model(contract, kind="network", units=7) == with_model(contract, units=7)
    assert with_model(contract, kind="trees", leaves=7).model == TreesSettings(leaves=7)


def test_a_networks_record_says_nothing_new_and_trees_say_their_kind(contract: Contract) -> None:
    assert "kind" not in contract.model_dump_json()
    trees = with_model(contract, kind="trees")
    assert Contract.model_validate_json(trees.model_dump_json()) == trees


@pytest.mark.parametrize("settings", [NetworkSettings(units=3, seed=9), TreesSettings(leaves=3, l2=0.5)])
def test_settings_are_read_as_they_were_written(settings: NetworkSettings | TreesSettings) -> None:
    assert read_model_settings(settings.model_dump_json()) == settings


def test_another_kind_of_model_is_one_change_for_the_next_one(contract: Contract) -> None:
    (change,) = changes_between(contract, with_model(contract, kind="trees"))
    assert (change.where, change.before, change.after) == ("model.kind", "network", "trees")
    assert change.weight == "retrain"
