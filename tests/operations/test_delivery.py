"""Features come when asked for, the truth when a simulated clock says so; by the wall clock at once."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from lakeloop.clock import read_clock, set_clock
from lakeloop.drawn_rows import sample_period
from lakeloop.exceptions import WrongUseError
from lakeloop.use_case import UseCase
from operations.delivery import HELD, generate, release
from operations.drift.periods import nothing_answered
from operations.evaluation import whose_truth
from operations.simulation import advance, simulate, without_gateway


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.glob("*"))


def test_the_clock_starts_at_0_and_never_runs_backwards(use_case: UseCase) -> None:
    assert read_clock(use_case).period == 0
    set_clock(use_case, 12)
    set_clock(use_case, 12)
    assert read_clock(use_case).period == 12
    with pytest.raises(WrongUseError, match="more than two centuries ahead; the clock goes to 2400"):
        set_clock(use_case, 2401)  # a month without a name, from which nobody could go back
    with pytest.raises(WrongUseError, match="does not run backwards"):
        set_clock(use_case, 11)
    assert read_clock(use_case).period == 12


def test_each_use_case_has_its_own_clock(use_case: UseCase) -> None:
    set_clock(use_case, 5)
    other = UseCase(use_case.settings, use_case.contract.model_copy(update={"use_case": "other"}))
    assert read_clock(other).period == 0


def test_truth_is_held_back_until_its_clock(use_case: UseCase) -> None:
    generate(use_case, range(3))
    landing = use_case.folder("landing")
    assert files(landing / "policies") == [
        "policies-2023-01.csv",
        "policies-2023-02.csv",
        "policies-2023-03.csv",
    ]
    assert files(landing / "claims") == ["claims-2023-01.csv"]
    set_clock(use_case, 24)
    assert release(use_case) == []
    set_clock(use_case, 25)
    assert [p.name for p in release(use_case)] == ["claims-2023-02.csv"]
    assert files(landing / HELD / "claims") == ["claims-2023-03.csv"]
    assert release(use_case) == []


def test_by_the_wall_clock_nothing_is_held_back_and_what_has_not_begun_is_not_delivered(use_case: UseCase) -> None:
    settings = use_case.settings.model_copy(update={"now": datetime(2023, 2, 10, tzinfo=UTC)})
    real = UseCase(settings, use_case.contract.model_copy(update={"clock": "wall"}))
    assert {delivery.due for delivery in generate(real, [0, 1], rows=3)} == {None}
    landing = real.folder("landing")
    assert files(landing / "claims") == ["claims-2023-01.csv", "claims-2023-02.csv"] and not (landing / HELD).exists()
    with pytest.raises(
        WrongUseError, match=r"month 2 .2023-03. has not begun by the wall clock .2023-02-10 00:00 UTC."
    ):
        generate(real, [2], rows=3)
    for moves in (lambda: simulate(real, range(1, 3), without_gateway(real, "a")), lambda: advance(real, 3)):
        with pytest.raises(WrongUseError, match=r"goes by the wall clock .*set LAKELOOP_CLOCK=simulated"):
            moves()
    assert "is due by the wall clock from 2025-02-01" in whose_truth(real, 1, True, 3)
    assert "simulate" in nothing_answered(use_case.contract) and "simulate" not in nothing_answered(real.contract)


def test_delivered_files_hold_every_digit(use_case: UseCase) -> None:
    generate(use_case, [0])
    landing = use_case.folder("landing")
    policies = pd.read_csv(landing / "policies" / "policies-2023-01.csv", sep=";", float_precision="round_trip")
    claims = pd.read_csv(landing / "claims" / "claims-2023-01.csv", sep=";", float_precision="round_trip")
    expected = sample_period(use_case, 0)
    assert list(policies) == ["policy_id", "month", *use_case.contract.features]
    assert list(claims) == ["policy_id", "risk"]
    pd.testing.assert_frame_equal(policies.merge(claims, on="policy_id"), expected, check_exact=True)


def test_out_gets_everything_and_the_landing_folder_nothing(use_case: UseCase, tmp_path: Path) -> None:
    generate(use_case, [0, 1], rows=10, seed=3, out=tmp_path / "out")
    assert files(tmp_path / "out" / "claims") == ["claims-2023-01.csv", "claims-2023-02.csv"]
    assert len(pd.read_csv(tmp_path / "out" / "claims" / "claims-2023-02.csv")) == 10
    assert not use_case.folder("landing").exists()


def test_truth_whose_files_name_no_month_is_held_back_and_released_too(use_case: UseCase) -> None:
    claims = use_case.contract.sources["claims"].model_copy(update={"files": "north/claims.jsonl"})
    contract = use_case.contract.model_copy(update={"sources": {**use_case.contract.sources, "claims": claims}})
    own = UseCase(use_case.settings, contract)
    generate(own, range(2), rows=3)
    landing = own.folder("landing")
    assert files(landing / "claims" / "north") == ["claims.2023-01.jsonl"]
    set_clock(own, 24)
    assert release(own) == []
    set_clock(own, 25)
    assert release(own) == [landing / "claims" / "north" / "claims.2023-02.jsonl"]
