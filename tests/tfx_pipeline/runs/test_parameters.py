"""What the command line may change, and what it is told when it may not."""

from pathlib import Path

import pytest

from lakeloop.contract import Contract
from lakeloop.exceptions import WrongUseError
from tfx_pipeline.runs import parameters
from tfx_pipeline.runs.parameters import bindings, run_parameters


def test_texts_become_typed_hyper_parameters(contract: Contract) -> None:
    chosen = run_parameters(contract, Path("m.json"), {"units": "50", "dropout": "0.5"})
    assert (chosen.model.units, chosen.model.dropout, chosen.model.epochs) == (50, 0.5, 50)
    assert chosen.manifest.is_absolute()


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"unit": "50"}, "allowed: layers, units"), ({"units": "many"}, "`units`"), ({"dropout": "1"}, "`dropout`")],
)
def test_a_wrong_hyper_parameter_is_named(contract: Contract, changes: dict[str, str], words: str) -> None:
    with pytest.raises(WrongUseError, match=words):
        run_parameters(contract, Path("m.json"), changes)


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
