"""What the rows have now, beside each slice that the Evaluator looked at."""

from pathlib import Path

import numpy as np
import pytest

from lakeloop.added_columns import with_label
from lakeloop.contract import Contract, Split
from lakeloop.use_case import UseCase
from operations.evaluation import exported_rows
from operations.history import history_rows
from operations.recorded_baselines import beside_slices
from tests.exports import export_frame, month_export
from tests.shops import shops_in
from tfx_pipeline.runs.run_record import Evaluation, SliceScore


def evaluation(*slices: tuple[str, str, int], metric: str = "accuracy") -> Evaluation:
    scores = (SliceScore(feature=feature, value=value, rows=rows, score=0.9) for feature, value, rows in slices)
    return Evaluation(metric=metric, above=0.5, slices=tuple(scores))


def test_a_slice_has_the_share_of_its_rows_that_stay_as_they_are(tmp_path: Path) -> None:
    shops = shops_in(tmp_path, years=3)
    contract = shops.contract.model_copy(update={"split": Split(salt="1", every=3)})
    use_case = UseCase(shops.settings, contract)
    manifest = export_frame(contract, with_label(contract, history_rows(use_case, 0)), tmp_path / "export")
    rows = exported_rows(contract, manifest, "eval")
    classes = np.digitize(rows["turnover"], [85, 115])
    stays = (classes == rows["size"]).to_numpy()
    staff = str(rows["staff"].mode().iloc[0])
    of_staff = stays[rows["staff"].astype(str) == staff]

    asked = evaluation(("", "", len(rows)), ("staff", staff, len(of_staff)), ("staff", staff, 1), ("made", "x", 4))
    told = [one.persistence_score for one in beside_slices(use_case, manifest, asked).slices]
    assert told[:2] == [pytest.approx(some.mean()) for some in (stays, of_staff)]
    assert told[2:] == [None, None], "slices of other rows than the export's"
    of_numbers = evaluation(("", "", len(rows)), metric="mean_absolute_error")
    assert beside_slices(use_case, manifest, of_numbers) is of_numbers


def test_where_no_feature_says_what_a_row_has_now_an_evaluation_stays_as_it_is(
    contract: Contract, use_case: UseCase, tmp_path: Path
) -> None:
    asked = evaluation(("", "", 293))
    assert beside_slices(use_case, month_export(contract, use_case.settings, tmp_path), asked) is asked
