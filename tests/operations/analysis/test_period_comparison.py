"""`lakeloop analyse` writes one page that opens offline, of any use case, and says what is not known."""

import re
from pathlib import Path

import pandas as pd
import pytest
from deltalake import write_deltalake

from console.report.analysis_page import write_analysis
from lakeloop.added_columns import with_label
from lakeloop.contract import Contract
from lakeloop.drawn_rows import sample_period
from lakeloop.exceptions import NotFoundError
from lakeloop.settings import PROJECT, Settings
from lakeloop.use_case import UseCase, open_use_case
from monitoring.analysis.words import sentences
from operations.analysis.period_comparison import analyse
from operations.analysis.rows import labelled_rows_of, rows_by_period
from tests.monitoring.conftest import NOBODY, push_card


def delta(use_case: UseCase, table: str, rows: pd.DataFrame) -> None:
    layer, name = table.split("/")
    write_deltalake(str(Path(use_case.settings.area("lake")) / layer / use_case.name / name), rows)


def labelled(use_case: UseCase, month: int) -> pd.DataFrame:
    return with_label(use_case.contract, sample_period(use_case, month))


@pytest.fixture
def home(contract: Contract, tmp_path: Path) -> Settings:
    """Version 7 trained on month 0; months 1 and 2 were asked, month 1 has its truth. The model itself is gone."""
    settings = Settings(home=tmp_path, use_case=contract.use_case, model_server_url=NOBODY)
    push_card(contract, settings)
    names = [contract.event_time.column, *contract.features]
    asked = [sample_period(UseCase(settings, contract), month)[names] for month in (1, 2)]
    delta(open_use_case(settings), "silver/predictions", pd.concat(asked, ignore_index=True))
    known = pd.concat([labelled(UseCase(settings, contract), month) for month in (0, 1)], ignore_index=True)
    delta(open_use_case(settings), "gold/training", known)
    return settings


def own_markup(path: Path) -> str:
    return re.sub(r"<script.*?</script>", "", path.read_text(encoding="utf-8"), flags=re.S)


def test_a_month_with_truth_is_shown_whole_and_offline(home: Settings, contract: Contract) -> None:
    path = write_analysis(open_use_case(home), analyse(UseCase(home, contract), 1, "7"))
    assert path == open_use_case(home).folder("reports") / "analysis-001-7.html"
    own = own_markup(path)
    assert not re.findall(r"""(?:src|href)=["'](?!data:)[^"']+""", own)
    assert len(re.findall(r'class="plotly-graph-div"', own)) == 6
    assert path.read_text(encoding="utf-8").count("plotly.js v") == 1
    assert "the answered requests" in own and "risk (target)" in own and "Wasserstein / std" in own
    assert "In month 1 (2023-02) 0 of 6 features have drifted" in own
    assert all(name in own for name in contract.features)


def test_a_month_without_truth_says_when_it_comes(home: Settings, contract: Contract) -> None:
    own = own_markup(write_analysis(open_use_case(home), analyse(UseCase(home, contract), 2, "7")))
    assert "(by the contract it comes 24 months after the month)" in own and "risk (target)" not in own
    assert "Neither truth nor answers of the model are known" in own


def test_a_month_nobody_asked_about_names_those_there_are(home: Settings, contract: Contract) -> None:
    with pytest.raises(NotFoundError, match=r"Months that have: 1, 2\."):
        rows_by_period(UseCase(home, contract), 12, oracle=False)


def test_with_oracle_rows_and_truth_are_the_generators(home: Settings, contract: Contract) -> None:
    rows = rows_by_period(UseCase(home, contract), 5, oracle=True)
    assert list(rows.by_period) == [0, 1, 2, 3, 4, 5] and rows.source == "the generator"
    assert len(labelled_rows_of(UseCase(home, contract), 5, oracle=True)) == 1500


def test_a_use_case_with_categories_and_no_groups_is_analysed_alike(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, use_case="churn", use_cases=PROJECT / "tests" / "use_cases", model_server_url=NOBODY
    )
    contract = open_use_case(settings).contract
    push_card(contract, settings)
    delta(
        open_use_case(settings),
        "silver/customers",
        sample_period(UseCase(settings, contract), 0)[["period", *contract.features]],
    )
    found = analyse(UseCase(settings, contract), 4, "7", oracle=True)
    own = own_markup(write_analysis(open_use_case(settings), found))
    assert "churned (target)" in own and "plan" in own
    assert "cannot be measured: 600 rows" in own and "No month could be measured" in own
    assert sentences(found.comparison)[-1] == "So nothing moved, as far as so few rows can tell."


def test_a_month_of_numbers_is_analysed_alike(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, use_case="rentals", use_cases=PROJECT / "tests" / "use_cases", model_server_url=NOBODY
    )
    use_case = open_use_case(settings)
    contract = use_case.contract
    push_card(contract, settings)
    found = analyse(use_case, 6, "7", oracle=True)
    target = found.comparison.target
    assert target is not None and target.method == "wasserstein" and target.drifted, "it is warmer, so more is rented"
    truth = with_label(contract, sample_period(use_case, 6))["demand"]
    assert target.now == pytest.approx({f"{n}": truth.quantile(q) for n, q in
                                        (("p10", 0.1), ("median", 0.5), ("p90", 0.9))})  # fmt: skip
    (said,) = [one for one in sentences(found.comparison) if one.startswith("The target")]
    assert "bikes; Wasserstein distance in standard deviations" in said
    own = own_markup(write_analysis(use_case, found))
    assert "demand (target)" in own and "Neither truth nor answers" not in own
    hour = next(one for one in found.comparison.after if one.feature == "hour")
    assert hour.explained > 0.3 and hour.correlation is not None
