"""Time is simulated: features come when asked for, the truth when the clock says so."""

from pathlib import Path

import pandas as pd
import pytest

from lakeloop.clock import read_clock, set_clock
from lakeloop.contract import Contract
from lakeloop.exceptions import WrongUseError
from lakeloop.settings import Settings
from lakeloop.use_case import sample_month
from operations.delivery import HELD, generate, release


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.glob("*"))


def test_the_clock_starts_at_0_and_never_runs_backwards(settings: Settings) -> None:
    assert read_clock(settings) == 0
    set_clock(settings, 12)
    set_clock(settings, 12)
    assert read_clock(settings) == 12
    with pytest.raises(WrongUseError, match="more than two centuries ahead; the clock goes to 2400"):
        set_clock(settings, 2401)  # a month without a name, from which nobody could go back
    with pytest.raises(WrongUseError, match="does not run backwards"):
        set_clock(settings, 11)
    assert read_clock(settings) == 12


def test_each_use_case_has_its_own_clock(settings: Settings) -> None:
    set_clock(settings, 5)
    assert read_clock(settings.model_copy(update={"use_case": "other"})) == 0


def test_truth_is_held_back_until_its_clock(settings: Settings, contract: Contract) -> None:
    generate(contract, settings, range(3))
    landing = settings.folder("landing")
    assert files(landing / "policies") == [
        "policies-2023-01.csv",
        "policies-2023-02.csv",
        "policies-2023-03.csv",
    ]
    assert files(landing / "claims") == ["claims-2023-01.csv"]
    set_clock(settings, 24)
    assert release(contract, settings) == []
    set_clock(settings, 25)
    assert [p.name for p in release(contract, settings)] == ["claims-2023-02.csv"]
    assert files(landing / HELD / "claims") == ["claims-2023-03.csv"]
    assert release(contract, settings) == []


def test_delivered_files_hold_every_digit(settings: Settings, contract: Contract) -> None:
    generate(contract, settings, [0])
    landing = settings.folder("landing")
    policies = pd.read_csv(landing / "policies" / "policies-2023-01.csv", sep=";", float_precision="round_trip")
    claims = pd.read_csv(landing / "claims" / "claims-2023-01.csv", sep=";", float_precision="round_trip")
    expected = sample_month(contract, settings, 0)
    assert list(policies) == ["policy_id", "month", *contract.features]
    assert list(claims) == ["policy_id", "risk"]
    pd.testing.assert_frame_equal(policies.merge(claims, on="policy_id"), expected, check_exact=True)


def test_out_gets_everything_and_the_landing_folder_nothing(
    settings: Settings, contract: Contract, tmp_path: Path
) -> None:
    generate(contract, settings, [0, 1], rows=10, seed=3, out=tmp_path / "out")
    assert files(tmp_path / "out" / "claims") == ["claims-2023-01.csv", "claims-2023-02.csv"]
    assert len(pd.read_csv(tmp_path / "out" / "claims" / "claims-2023-02.csv")) == 10
    assert not settings.folder("landing").exists()
