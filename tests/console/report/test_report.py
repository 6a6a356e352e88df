"""The report is one page that opens offline and shows what the run found."""

import re
from pathlib import Path

import numpy as np
import pytest

from console.cli.report import how_pushed
from console.report.page import Report, Served, write_report
from lakeloop.added_columns import with_label
from lakeloop.contract import Contract
from lakeloop.drawn_rows import sample_period
from lakeloop.use_case import UseCase, open_use_case
from tests.exports import settings_in
from tfx_pipeline.data_checks.statistics import FeatureStatistics
from tfx_pipeline.evaluation.answers import NumberAnswers
from tfx_pipeline.evaluation.gate import ModelAnswers, check_gate
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import History, RunRecord


def record(contract: Contract, units: int, version: str) -> RunRecord:
    """A run whose model is right on 9 of 10 rows."""
    labels = np.arange(300) % 3
    answers = np.where(np.arange(300) % 10 == 0, (labels + 1) % 3, labels)
    sure = np.full((300, 3), 0.04)
    sure[np.arange(300), answers] = 0.92
    sure[1] = np.where(np.arange(3) == answers[1], 0.995, 0.0025)
    rows = {"train": ModelAnswers(labels, sure), "eval": ModelAnswers(labels, sure)}
    return RunRecord(
        run_id=f"run-{units}",
        use_case=contract.use_case,
        started="2024-01-01T00:00:00Z",
        parameters=run_parameters(contract, Path("manifest.json"), {"units": units}),
        gate=check_gate(contract.gate, rows, class_names=contract.label.class_names),
        blessed=bool(version),
        pushed_version=version,
        baselines={"rules": 0.602, "majority": 0.387},
        history=History(loss=(1.0, 0.5), accuracy=(0.5, 0.8), val_loss=(0.9, 0.4), val_accuracy=(0.6, 0.9)),
    )


@pytest.fixture
def page(contract: Contract, use_case: UseCase, tmp_path: Path) -> str:
    frame = with_label(contract, sample_period(use_case, 0))
    numbers = {"mean": 1.5, "std": 0.5, "minimum": 0.0, "median": 1.0, "maximum": 9.0}
    statistics = {
        split: {
            name: FeatureStatistics(name, 1207, 0, **numbers, edges=(0.0, 1.0, 2.0), counts=(3.0, 4.0))
            for name in contract.features
        }
        for split in ("train", "eval")
    }
    report = Report(
        contract=contract,
        created="2024-01-01 00:00 UTC",
        frame=frame,
        manifest="export/manifest.json",
        runs=[record(contract, 100, "17"), record(contract, 50, "")],
        statistics=statistics,
        periods=["2023-01", "2023-02"],
        scores={"model": [0.9, 0.8], "rules": [0.6, 0.59]},
        served=[Served({"age": 30.5}, "high", {"high": 0.9, "medium": 0.05, "low": 0.05}, "high", 1.2)],
        url="http://127.0.0.1:8501/v1/models/some:predict",
        rejects={"`age` is missing <b>": 2},
    )
    path = write_report(report, tmp_path / "reports" / "index.html")
    assert [p.name for p in path.parent.iterdir()] == ["index.html"]
    return path.read_text(encoding="utf-8")


def test_a_model_that_a_person_promoted_is_not_said_to_have_passed(contract: Contract) -> None:
    passed = record(contract, 100, "17")
    assert passed.gate is not None
    assert how_pushed(passed) == f"It passed {len(passed.gate.checks)} checks and was pushed"
    checks = tuple(check.model_copy(update={"passed": check.name != "accuracy_eval"}) for check in passed.gate.checks)
    refused = passed.model_copy(update={"blessed": False, "gate": passed.gate.model_copy(update={"checks": checks})})
    assert how_pushed(refused).startswith("The gate refused it (accuracy_eval 0.900, wanted > 0.85); a person had it")


def test_the_page_loads_nothing_from_elsewhere(page: str) -> None:
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert not re.findall(r"""(?:src|href)=["'](?!data:)[^"']+""", own)
    assert len(re.findall(r'class="plotly-graph-div"', own)) == 5


def test_the_page_shows_gate_baselines_and_answers(page: str) -> None:
    assert "100 units" in page and "pushed as version 17" in page and "refused" in page
    assert ">0.602<" in page and ">0.387<" in page
    assert "the model\n      +0.513" in page  # than the majority's
    assert "age 30.5" in page and "0.900" in page


def test_the_page_tells_baselines_by_what_decides(contract: Contract, use_case: UseCase, tmp_path: Path) -> None:
    run = record(contract, 100, "17")
    assert run.gate is not None
    gate = run.gate.model_copy(update={"decides": "log_loss", "decided": {"train": 0.3, "eval": 0.32}})
    run = run.model_copy(update={"gate": gate, "baselines_decided": {"trees": 0.3}})
    report = Report(
        contract=contract, created="", frame=with_label(contract, sample_period(use_case, 0)), manifest="", runs=[run],
        statistics={}, periods=[], scores={}, served=[], url="",
    )  # fmt: skip
    text = write_report(report, tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<b>0.300</b><span>log loss of trees, the model\n      -0.020</span>" in text


def test_what_came_from_data_cannot_become_markup(page: str) -> None:
    assert "2 rejected: <code>age</code> is missing &lt;b&gt;" in page


def test_the_page_of_a_model_of_numbers_tells_errors_and_intervals(tmp_path: Path) -> None:
    use_case = open_use_case(settings_in(tmp_path / "home", "rentals"))
    contract, frame = use_case.contract, with_label(use_case.contract, sample_period(use_case, 0, rows=600))
    truth = frame["demand"].to_numpy(float)
    given = truth + np.where(np.arange(600) % 2, 10.0, -10.0)
    by = {"sky": frame["sky"].to_numpy(str), "workday": frame["workday"].to_numpy()}
    answers = NumberAnswers(truth, given, given - 15, given + 15, 0.8, columns=by)
    run = RunRecord(
        run_id="r1", use_case="rentals", started="", parameters=run_parameters(contract, Path("manifest.json"), {}),
        gate=check_gate(contract.gate, {"train": answers, "eval": answers}), blessed=True, pushed_version="17",
        baselines={"constant": 90.0, "rules": 80.0}, history=History(loss=(1.0,), mean_absolute_error=(0.5,)),
    )  # fmt: skip
    served = Served({"hour": 7}, "120", {"lower": 100.0, "upper": 150.0}, "123.4", 1.2)
    report = Report(
        contract=contract, created="", frame=frame, manifest="", runs=[run], statistics={}, periods=["2024-02"],
        scores={"model": [12.0], "constant": [95.0]}, served=[served], url="",
    )  # fmt: skip
    text = write_report(report, tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<b>10.000</b><span>mean absolute error on eval rows" in text
    assert "the model\n      +80.000" in text, "than one number is"
    assert "Mean absolute error by month" in text and "is a number, in bikes, coloured by its thirds" in text
    assert '<th class="n">lower</th><th class="n">upper</th>' in text and "<td>123.4</td><td>120</td>" in text
    assert "gate: 60" in text
