"""`lakeloop contract`: what a change does is told before anybody runs anything; contracts are exchanged as files."""

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from console.cli.app import app
from lakeloop.contract_file import load_contract
from lakeloop.exceptions import WrongUseError
from lakeloop.settings import PROJECT
from tests.use_case_copies import copy_insurance

ORDERS = PROJECT / "tests" / "operations" / "open_data_contract" / "orders.odcs.yaml"


@pytest.fixture
def contract_file(tmp_path: Path) -> Path:
    """In a repository of its own, committed."""
    path = copy_insurance(tmp_path) / "insurance" / "contract.yaml"
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return path


def check(path: Path, against: str) -> Result:
    return CliRunner().invoke(app, ["contract", "check", str(path), "--against", against])


def test_a_commit_is_compared_with(contract_file: Path) -> None:
    text = contract_file.read_text()
    contract_file.write_text(text.replace("units: 100", "units: 64").replace("valid: [0, 500]", "valid: [0, 300]"))
    done = check(contract_file, "HEAD")
    assert done.exit_code == 0
    assert "model.units: 100 -> 64\n          the next model\n" in done.output
    assert "features.miles.valid: (0.0, 500.0) -> (0.0, 300.0)\n          narrower: rows outside" in done.output
    assert done.output.endswith("1 breaks, 1 retrain, 1 safe\n")


def test_a_file_is_compared_with_wherever_it_lies(contract_file: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.yaml"
    earlier.write_text(contract_file.read_text())
    assert check(contract_file, str(earlier)).output.endswith(
        f"nothing that has an effect is different from {earlier}\n"
    )


def test_mistakes_of_the_earlier_one_are_told_with_its_name(contract_file: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.yaml"
    earlier.write_text(contract_file.read_text().replace("units: 100", "units: none"))
    done = check(contract_file, str(earlier))
    assert done.exit_code != 0 and str(done.exception).startswith(f"{earlier}: 1 mistake in the contract")


def test_what_is_neither_file_nor_commit_is_told(contract_file: Path) -> None:
    done = check(contract_file, "no-such-commit")
    assert done.exit_code != 0 and "'no-such-commit' is neither a file nor a commit that has" in str(done.exception)


def test_own_code_is_imported_and_every_file_of_it_that_cannot_be_used_is_told(contract_file: Path) -> None:
    folder = contract_file.parent
    run = partial(CliRunner().invoke, app, ["contract", "check", str(contract_file)])
    good = " ".join(run().output.split())
    assert "3 classes of `group`. Its own code can be used: rules.py, generator.py." in good
    (folder / "checks.py").write_text("def check(model):\n    pass\n")
    (folder / "preprocessing.py").write_text("import nowhere\n")
    (folder / "rules.py").write_text("def risk_group(row)\n    return 'low'\n")
    done = run()
    assert done.output == "" and isinstance(done.exception, WrongUseError) and done.exception.exit_code == 2
    told = str(done.exception).splitlines()
    assert [line.removeprefix(f"{folder}/").partition(": ")[0] for line in told] == [
        "preprocessing.py, line 1",
        "checks.py",
        "rules.py, line 1",
    ]
    assert "write `def checks(model):` in it" in told[1]


def test_a_network_of_ones_own_is_built_and_told_with_its_place_where_that_fails(contract_file: Path) -> None:
    run, model = partial(CliRunner().invoke, app, ["contract", "check", str(contract_file)]), contract_file.parent
    head = "import keras\n\n\ndef build_model(columns, settings):\n"
    three = "    layers = [keras.layers.Dense(3, activation='softmax')]\n"
    ends = "    return keras.Sequential([keras.Input((columns.width,)), *layers])\n"
    names = f"    assert columns.names == {tuple(load_contract(contract_file).features)}, columns\n"
    (model / "model.py").write_text(head + names + three + ends)
    done = run()
    assert done.exit_code == 0 and "Its own code can be used: model.py, rules.py, generator.py." in " ".join(
        done.output.split()
    )
    for text, told in (
        (three.replace("3", "2") + ends, ", line 4: `build_model` gave a model that answers (30, 6) with (30, 2), wan"),
        (three + ends.replace("width", "wide"), ", line 6: AttributeError: 'ModelColumns' object has no attribute"),
    ):
        (model / "model.py").write_text(head + text)
        done = run()
        assert done.output == "" and isinstance(done.exception, WrongUseError) and done.exception.exit_code == 2
        assert str(done.exception).startswith(f"{model / 'model.py'}{told}")


def test_without_a_network_of_ones_own_no_tensorflow_is_waited_for(contract_file: Path) -> None:
    code = (
        "import sys\nfrom console.cli.contract import check_command\n"
        f"from pathlib import Path\ncheck_command(Path({str(contract_file)!r}))\nassert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=PROJECT)


def test_trees_beside_a_network_of_ones_own_are_told(contract_file: Path) -> None:
    run = partial(CliRunner().invoke, app, ["contract", "check", str(contract_file)])
    (contract_file.parent / "model.py").write_text("def build_model(columns, settings):\n    return None\n")
    told = "model.py: its `build_model` makes networks, and is not called"
    assert told not in run().output
    text = contract_file.read_text()
    contract_file.write_text(re.sub(r"^model:\n(?:  .*\n)+", "model: {kind: trees}\n", text, flags=re.MULTILINE))
    assert told in " ".join(run().output.split())
    (contract_file.parent / "model.py").write_text("def run_fn(fn_args):\n    pass\n")
    assert told not in run().output


def test_an_exported_contract_is_imported_and_somebody_else_s_is_a_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKELOOP_USE_CASES", str(copy_insurance(tmp_path / "use_cases")))
    run, file = CliRunner().invoke, tmp_path / "insurance.odcs.yaml"
    assert run(app, ["contract", "export", "-u", "insurance", "--out", str(file)]).exit_code == 0
    printed = run(app, ["contract", "export", "-u", "insurance"])
    assert printed.output == file.read_text() and "kind: DataContract" in printed.output
    again = run(app, ["contract", "import", str(file), "--force"])
    assert (again.exit_code, again.output.splitlines()[-1]) == (0, "Next: lakeloop contract check -u insurance")
    elsewhere = run(app, ["contract", "import", str(file), "--name", "other"])
    assert elsewhere.exit_code == 0 and "to do: " in elsewhere.output and "rules.py does not exist" in elsewhere.output
    drafted = run(app, ["contract", "import", str(ORDERS), "--name", "orders", "--label", "status"])
    assert drafted.exit_code == 0 and "to know: gate: every accuracy passes" in drafted.output
    checked = run(app, ["contract", "check", "-u", "orders"]).output
    assert " ".join(checked.split()).endswith("2 classes of `status_class`.")
