"""The curve by period of `lakeloop report`: of the metric that is told first, model and naive answers alike."""

from pathlib import Path

import numpy as np
import pytest

from console.cli.report import check_later_periods
from console.report.figures import score_by_period
from lakeloop.contract import Contract
from lakeloop.use_case import UseCase
from operations.evaluation import generated_rows
from tests.exports import settings_in
from tests.operations.test_permutation_importance import save
from tfx_pipeline.runs.parameters import run_parameters
from tfx_pipeline.runs.run_record import RunRecord


def test_where_errors_cost_it_is_the_mean_cost_beside_the_class_that_costs_least(
    churn: Contract, tmp_path: Path
) -> None:
    raw = churn.model_dump(mode="json")
    raw["label"]["decision"] = {"cost": {"false_positive": 1.0, "false_negative": 5.0}}
    raw["gate"] = {"checks": [{"metric": "mean_cost", "below": 0.6}]}
    use_case = UseCase(settings_in(tmp_path, "churn"), Contract.model_validate(raw))
    save(use_case.folder("models") / "7")
    parameters = run_parameters(use_case.contract, Path("manifest.json"), {})
    run = RunRecord(run_id="r", use_case="churn", started="", parameters=parameters, pushed_version="7")
    curves = check_later_periods(use_case, run, {month: generated_rows(use_case, month) for month in (1, 2)})
    assert set(curves) == {"model", "cheapest"}
    for place, month in enumerate((1, 2)):
        rows = generated_rows(use_case, month)
        leaves, answered = rows["churned"] == 1, rows["usage"] < 100
        cost = (~leaves & answered).mean() + 5 * (leaves & ~answered).mean()
        assert curves["model"][place] == pytest.approx(cost)
        assert curves["cheapest"][place] == pytest.approx(min(5 * leaves.mean(), (~leaves).mean()))
    gate = use_case.contract.gate
    figure = score_by_period(["2024-02", "2024-03"], curves, gate.bound_shown, {}, gate.shown)
    assert figure.layout.yaxis.title.text == "mean cost" and figure.layout.yaxis.range is None
    assert figure.layout.shapes[0].y0 == 0.6 and np.allclose(figure.data[1].y, curves["cheapest"])
