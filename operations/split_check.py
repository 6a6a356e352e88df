"""Whether a split by key tells too much good of a model, because rows held out resemble rows that were trained on.

Rows of an hour and of the next, or of one district in two years, are nearly the same: who has seen the one knows the
other. So the quick trees of the baselines are asked a second time with whole periods, and with all rows of a value,
held out. Where they then answer worse, beyond chance, so will the model when it is asked about tomorrow or elsewhere.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from lakeloop.contract import Contract, Split
from lakeloop.contract.key import JOINT
from lakeloop.use_case import UseCase
from operations.evaluation import exported_rows
from operations.quick_trees import number_tree_answers, tree_answers
from tfx_pipeline.evaluation.measured import Measured
from tfx_pipeline.evaluation.metrics import measure_metric
from tfx_pipeline.runs.run_record import HeldOutScore, RunRecord, SplitCheck, save_run

FEWEST_PERIODS = 3
FEWEST_VALUES, FEWEST_ROWS_A_VALUE = 50, 5
"""Of a column below which holding values out says nothing, or its rows do not repeat."""
MOST_COLUMNS, MOST_ROWS = 3, 1_000_000


def run_split_check(use_case: UseCase, run: RunRecord, known: SplitCheck | None = None) -> RunRecord:
    """The run with what other splits of its rows say, which goes on its record. `known`: of a run on the same export.

    As it is where nobody could be misled: rows are not split by key, there are too few periods, or too many rows.
    """
    if run.gate is None or run.split_check is not None or use_case.contract.split.by != "key":
        return run
    found = known
    if found is None:
        manifest = Path(run.parameters.manifest)
        train, held_out = (exported_rows(use_case.contract, manifest, split) for split in ("train", "eval"))
        found = check_split(use_case.contract, train, held_out)
    return run if found is None else save_run(use_case, run.model_copy(update={"split_check": found}))


def check_split(contract: Contract, train: pd.DataFrame, held_out: pd.DataFrame) -> SplitCheck | None:
    """The quick trees' score on the rows held out, and on as many of the same rows held out otherwise.

    None where no other split can be made, or there is nothing to learn from.
    """
    rows = pd.concat([train, held_out], ignore_index=True)
    if len(rows) > MOST_ROWS:
        return None
    others = dict(_other_splits(contract, rows, len(held_out) / len(rows)))
    as_it_is = _score(contract, train, held_out) if others else None
    if as_it_is is None:
        return None
    scored = ((by, _score(contract, rows[~held], rows[held])) for by, held in others.items())
    return SplitCheck(
        metric=contract.gate.decides,
        score=as_it_is.value,
        interval=as_it_is.interval,
        others=tuple(
            HeldOutScore(by=by, score=one.value, interval=one.interval) for by, one in scored if one is not None
        ),
    )


def split_words(contract: Contract, found: SplitCheck) -> list[str]:
    """A sentence for each other split by which the model would look worse; none where the gate sees it as it is."""
    return [
        f"{_held_out(contract, one.by)}, quick trees reach {found.metric} {one.score:.3f} ({one.interval[0]:.3f} to "
        f"{one.interval[1]:.3f}) instead of {found.score:.3f}: {_what_follows(contract, one.by)}"
        for one in found.worse
    ]


def _other_splits(contract: Contract, rows: pd.DataFrame, share: float) -> Iterator[tuple[str, pd.Series]]:
    """Names of other splits, and which rows each holds out (rows,), some but not all."""
    periods = rows[contract.period_column].astype(str)
    counts = Counter(periods)
    if len(counts) >= FEWEST_PERIODS:
        first = Split.model_validate({"by": "time", "eval": share}).first_eval_period(counts)
        yield "time", periods >= first
    by_column = Split.model_validate({"by": "key", "salt": contract.split.salt, "every": contract.split.every})
    for name, values in list(_repeated(contract, rows))[:MOST_COLUMNS]:
        held = values.map(by_column.is_eval).astype(bool)
        if held.any() and not held.all():
            yield name, held


def _repeated(contract: Contract, rows: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Columns of many values that each have several rows: parts of the key, then categories that may get new values."""
    parts = [name for name in contract.key.columns if len(contract.key.columns) > 1]
    split = rows[contract.key.column].astype(str).str.split(JOINT)
    columns = {name: split.str[position] for position, name in enumerate(parts)}
    said = {contract.event_time.column, *contract.event_time.columns.values()}
    columns |= {
        name: rows[name].astype(str)
        for name, feature in contract.features.items()
        if feature.role == "categorical" and feature.values is None
    }
    for name, values in columns.items():
        enough = values.nunique() >= FEWEST_VALUES and len(rows) / values.nunique() >= FEWEST_ROWS_A_VALUE
        if enough and name not in said:
            yield name, values


def _score(contract: Contract, train: pd.DataFrame, held_out: pd.DataFrame) -> Measured | None:
    ask = tree_answers if contract.label.classes else number_tree_answers
    answers = ask(contract, train.reset_index(drop=True), held_out.reset_index(drop=True))
    return None if answers is None else measure_metric(contract.gate.the_metric, answers)


def _held_out(contract: Contract, by: str) -> str:
    return f"the newest {contract.period}s held out as a whole" if by == "time" else f"all rows of a `{by}` held out"


def _what_follows(contract: Contract, by: str) -> str:
    if by == "time":
        return (
            f"a row held out by key has neighbours of its own {contract.period} that were trained on, one of tomorrow "
            "has none, so the gate sees every model too good. `split: {by: time}` shows it as it will be."
        )
    split = f'{{by: column, column: {by}, salt: "{contract.split.salt}", every: {contract.split.every}}}'
    return (
        f"a model knows each `{by}` that it was trained on by heart. If it will be asked about new ones, `split: "
        f"{split}` shows it as it will be."
    )
