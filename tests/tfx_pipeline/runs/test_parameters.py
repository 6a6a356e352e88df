"""What the command line may change, and what it is told when it may not."""

import json
from pathlib import Path

import pytest

from lakeloop.contract import Contract, TreesSettings
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import WrongUseError
from tests.use_case_copies import USE_CASES
from tfx_pipeline.runs import parameters
from tfx_pipeline.runs.parameters import RunParameters, bindings, run_parameters


def test_texts_become_typed_hyper_parameters(contract: Contract) -> None:
    chosen = run_parameters(contract, Path("m.json"), {"units": "50", "dropout": "0.5"})
    assert (chosen.model.units, chosen.model.dropout, chosen.model.epochs) == (50, 0.5, 50)
    assert chosen.manifest.is_absolute()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unit": "50"}, r"`unit` is not .* of `kind=network`; did you mean `units`\? allowed: kind, layers, units"),
        ({"units": "many"}, "`units` is 'many': a whole number is needed"),
        ({"dropout": "1"}, "`dropout` is '1': it should be less than 1"),
        ({"leaves": "15"}, "`leaves` is not a hyper-parameter of `kind=network`; it is one of `kind=trees`"),
        ({"kind": "trees", "units": "50"}, "of `kind=trees`; it is one of `kind=network`"),
        ({"kind": "trees", "leafs": "15"}, "did you mean `leaves`"),
        ({"kind": "trees", "leaves": "1"}, "`leaves` is '1'"),
        ({"kind": "tree"}, "no kind of model 'tree'; did you mean `trees`\\?"),
        ({"balance": "smoot"}, "no balance 'smoot'; did you mean `smote`\\?"),
        ({"kind": "forest"}, "no kind of model 'forest'; there are: network, trees"),
    ],
)
def test_a_wrong_hyper_parameter_is_named(contract: Contract, changes: dict[str, str], words: str) -> None:
    with pytest.raises(WrongUseError, match=words):
        run_parameters(contract, Path("m.json"), changes)


def test_another_kind_begins_with_what_is_usual_for_it_and_the_seed_there_is(contract: Contract) -> None:
    seeded = contract.model_copy(update={"model": contract.model.model_copy(update={"seed": 7})})
    chosen = run_parameters(seeded, Path("m.json"), {"kind": "trees", "leaves": "7", "learning_rate": "0.3"})
    assert chosen.model == TreesSettings(leaves=7, learning_rate=0.3, seed=7)
    again = seeded.model_copy(update={"model": chosen.model})
    assert run_parameters(again, Path("m.json"), {"iterations": "9"}).model == TreesSettings(
        iterations=9, leaves=7, learning_rate=0.3, seed=7
    )
    assert RunParameters.model_validate_json(chosen.model_dump_json()) == chosen


def test_a_run_may_even_out_classes_in_its_own_way(contract: Contract) -> None:
    chosen = run_parameters(contract, Path("m.json"), {"balance": "smote", "units": "50"})
    assert (chosen.balance, chosen.model.units) == ("smote", 50)
    assert bindings(chosen, "0" * 64)["balance"] == "smote"
    assert run_parameters(contract, Path("m.json")).balance is None
    with pytest.raises(WrongUseError, match="no balance 'all'; there are: none, weights, smote, downsample"):
        run_parameters(contract, Path("m.json"), {"balance": "all"})


def test_numbers_have_no_classes_to_even_out() -> None:
    rentals = load_contract(USE_CASES["rentals"] / "rentals" / "contract.yaml")
    with pytest.raises(WrongUseError, match="`balance=weights` evens out classes, and the label is a number"):
        run_parameters(rentals, Path("m.json"), {"balance": "weights"})


def test_a_networks_record_is_written_as_before_there_were_kinds(contract: Contract) -> None:
    written = bindings(run_parameters(contract, Path("m.json"), {"kind": "network"}), "0" * 64)["model"]
    assert list(json.loads(written)) == ["layers", "units", "dropout", "epochs", "batch", "learning_rate", "seed"]


def test_dropped_features_are_checked_and_keep_the_contracts_order(contract: Contract) -> None:
    assert run_parameters(contract, Path("m"), drop=("miles", "age")).drop == ("age", "miles")
    with pytest.raises(WrongUseError, match="cannot drop speed"):
        run_parameters(contract, Path("m"), drop=("speed",))
    with pytest.raises(WrongUseError, match="every feature"):
        run_parameters(contract, Path("m"), drop=tuple(contract.features))


def test_weighing_needs_weights_and_trials_have_a_limit(contract: Contract) -> None:
    with pytest.raises(WrongUseError, match="`reweight` needs row weights"):
        run_parameters(contract, Path("m"), weighting="reweight")
    with pytest.raises(WrongUseError, match=r"0 \(no tuning\) to 100"):
        run_parameters(contract, Path("m"), trials=101)
    chosen = run_parameters(contract, Path("m"), weighting="resample", weights=Path("w.csv"), trials=3)
    assert chosen.weights is not None and chosen.weights.is_absolute()
    assert bindings(chosen, "0" * 64)["weights"] == str(chosen.weights)


def test_every_runtime_parameter_is_bound_to_a_text(contract: Contract) -> None:
    values = bindings(run_parameters(contract, Path("m.json")), "0" * 64)
    assert set(values) == set(parameters.NAMES)
    assert all(isinstance(value, str) for value in values.values())
