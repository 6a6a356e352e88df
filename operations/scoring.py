"""Batch scoring: a pushed model over a table of the lake, on Spark's executors, with the gateway's own fallback."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lakehouse.gold.export import scored_sql
from lakehouse.lake import Lake
from lakehouse.read.tables import find_table, open_table, read_table
from lakehouse.storage.layout import SCORES
from lakehouse.storage.lock import tables_held
from lakehouse.storage.schema import SPARK_TYPES, create_table, quoted
from lakeloop.contract import Contract, Segment
from lakeloop.contract.metrics import Task
from lakeloop.exceptions import WrongUseError
from lakeloop.fallback import (
    DECIDED_OUTPUTS,
    NUMBER_OUTPUTS,
    WHOLE_MODEL,
    AnyPrediction,
    Rules,
    load_rules,
    model_answer,
    rules_answer,
    why_not_ask,
    why_not_take,
)
from lakeloop.label_sets import set_confidences, set_ids
from lakeloop.lake_tables import Filter, dataset_of, read_lake_table
from lakeloop.model_input import model_columns, request_rows
from lakeloop.pushed_models import model_folder
from lakeloop.switches import active_switches, parse_segment
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyspark.sql import DataFrame

SPARK_NAMES = {"long": "bigint", "integer": "int"}
GIVEN = "predictor_type string, reason string, model_version string"
ANSWER: dict[Task, dict[str, str]] = {
    "classification": {"prediction": "string", "class_id": "int", "probabilities": "array<double>"},
    "regression": {"prediction": "double", "lower": "double", "upper": "double"},
}
ANSWER["multilabel"] = ANSWER["classification"]
"""What an answer of a task says, besides who gave it and why."""


@dataclass(frozen=True)
class ScoreReport:
    """Which version of which table was scored with which model: rows added, and of them by the rules."""

    table: str
    version: int
    model: str
    rows: int
    rules: int


@dataclass(frozen=True)
class Scorer:
    """All a worker needs to answer rows; it is sent to the executors, which load the model from `folder` once."""

    use_case: UseCase
    folder: Path
    segments_off: tuple[Segment, ...] = ()
    model_off: bool = False

    def answers(self, batches: Iterable[pd.DataFrame]) -> Iterable[pd.DataFrame]:
        """Frames of key and features -> frames of key and answer, for Spark's `mapInPandas`."""
        rules = load_rules(self.use_case)
        for frame in batches:
            given = self.answer(frame, rules)
            key = self.use_case.contract.key.column
            columns = {key: frame[key].to_numpy()}
            wanted = (*ANSWER[self.use_case.contract.label.task], "predictor_type", "reason")
            yield pd.DataFrame(
                columns
                | {name: [getattr(a, name) for a in given] for name in wanted}
                | {"model_version": [self.folder.name if a.model_gave else None for a in given]}
            )

    def answer(self, frame: pd.DataFrame, rules: Rules | None) -> list[AnyPrediction]:
        """The answer of each row; only rows the model may be asked about reach it."""
        contract = self.use_case.contract
        rows = request_rows(contract.features, frame)
        reasons = [why_not_ask(contract, row, self.segments_off, self.model_off) for row in rows]
        by_model = np.array([not reason for reason in reasons], dtype=bool)
        known = iter(given_of(contract, self.folder, frame[by_model]) if by_model.any() else ())
        answers: list[AnyPrediction] = []
        for row, reason in zip(rows, reasons, strict=True):
            given = [] if reason else [float(p) for p in next(known)]
            if reason := reason or why_not_take(given, contract.label.task):
                answers.append(rules_answer(contract, _needed(rules), row, reason))
            else:
                answers.append(model_answer(contract, rules, row, given))
        return answers


def given_of(contract: Contract, folder: Path, frame: pd.DataFrame) -> np.ndarray:
    """What the model in a folder gives of each row of a frame with the features' columns (n, k)."""
    from tfx_pipeline.evaluation.prediction import ask_columns

    outputs = ask_columns(loaded_model(str(folder)), model_columns(contract.features, frame))
    if contract.label.several:
        return np.asarray(outputs["probabilities"])
    if not contract.label.classes:
        return np.column_stack([outputs[name] for name in NUMBER_OUTPUTS])
    decided = DECIDED_OUTPUTS if DECIDED_OUTPUTS[-1] in outputs else ()
    return np.column_stack([outputs["probabilities"], *(outputs[name] for name in decided)])


def classes_of(contract: Contract, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of what a model gives (n, k): the class id it answers each row with, and that class' probability, (n,).

    Of several labels the number of their set, and the probability of exactly these.
    """
    if contract.label.several:
        ids = set_ids(given)
        return ids, set_confidences(ids, given)
    classes = len(contract.label.classes)
    ids = given[:, classes].astype(int) if given.shape[1] > classes else given.argmax(axis=1)
    return ids, given[np.arange(len(ids)), ids]


@cache
def loaded_model(folder: str) -> Any:
    """The model in a folder, loaded once a process."""
    from tfx_pipeline.runs.quiet import quiet_libraries

    quiet_libraries()
    from tfx_pipeline.evaluation.prediction import load_saved_model

    return load_saved_model(folder)


@dataclass(frozen=True)
class ScoreWanted:
    """What is to be scored with which model; `done`: gold/scores has it, or there is no row to score."""

    table: str
    version: int
    folder: Path
    done: bool


def score_wanted(use_case: UseCase, table: str, version: int | None, model: str) -> ScoreWanted:
    """A version of a table, by default its newest, and a pushed model, by default the newest. Needs no Spark.

    Raises:
        NotFoundError: no such table, version or model; the text names what there is.
        WrongUseError: the table lacks the key or a feature, has one in another type, or rows without a value.
    """
    contract = use_case.contract
    name = "/".join(find_table(use_case, table))
    opened = open_table(use_case, name, version)
    folder = model_folder(use_case, model)
    _check(contract, opened, name)
    number = opened.version()
    done = not dataset_of(opened).head(1, columns=[contract.key.column]).num_rows
    return ScoreWanted(name, number, folder, done or not _given(use_case, name, number, folder).empty)


def score(lake: Lake, wanted: ScoreWanted) -> ScoreReport:
    """Score what is wanted into gold/scores, unless it is there already."""
    contract = lake.contract
    path = lake.table(SCORES)
    with tables_held(lake):
        create_table(lake.spark, path, _columns(contract), comment="Rows of tables, scored in batches")
        if not _given(lake, wanted.table, wanted.version, wanted.folder).empty:
            return ScoreReport(wanted.table, wanted.version, wanted.folder.name, 0, 0)
        rows = read_table(lake, wanted.table, wanted.version)
        scored = _scored(rows, _scorer(lake, wanted.folder), contract, wanted.table, wanted.version)
        scored.write.format("delta").mode("append").save(path)
    kinds = _given(lake, wanted.table, wanted.version, wanted.folder)
    return ScoreReport(
        wanted.table, wanted.version, wanted.folder.name, len(kinds), int((kinds["predictor_type"] == "rules").sum())
    )


def _given(use_case: UseCase, table: str, version: int, folder: Path) -> pd.DataFrame:
    """Who answered each row of this version of a table that was scored with this model."""
    mine: list[Filter] = [("table", "=", table), ("version", "=", version), ("model", "=", folder.name)]
    found = read_lake_table(use_case, SCORES, ["predictor_type"], mine)
    return pd.DataFrame(columns=["predictor_type"]) if found is None else found


def _scored(rows: "DataFrame", scorer: Scorer, contract: Contract, table: str, version: int) -> "DataFrame":
    from pyspark.sql import functions as sf

    key, answer = quoted(contract.key.column), ANSWER[contract.label.task]
    typed = ", ".join(f"{name} {kind}" for name, kind in answer.items())
    given = rows.selectExpr(key, *scored_sql(contract)).mapInPandas(scorer.answers, f"{key} string, {typed}, {GIVEN}")
    if contract.label.classes:
        classes = sf.array(*map(sf.lit, contract.label.class_names))
        given = given.withColumn("probabilities", sf.map_from_arrays(classes, "probabilities"))
    return given.select(
        key,
        sf.lit(table).alias("table"),
        sf.lit(version).cast("bigint").alias("version"),
        sf.lit(scorer.folder.name).alias("model"),
        *answer,
        "predictor_type",
        "reason",
        "model_version",
        sf.current_timestamp().alias("scored_at"),
    )


def _columns(contract: Contract) -> str:
    return (
        f"{quoted(contract.key.column)} string, "
        "`table` string NOT NULL COMMENT 'table that was scored', "
        "version bigint NOT NULL COMMENT 'its Delta version', "
        "model string NOT NULL COMMENT 'version of the pushed model it was scored with', "
        f"{OF_CLASSES if contract.label.classes else OF_NUMBERS}, "
        "predictor_type string NOT NULL COMMENT 'model or rules', "
        "reason string NOT NULL COMMENT 'ok, or why the rules answered', "
        "model_version string COMMENT 'version that gave the probabilities; null without them', "
        "scored_at timestamp NOT NULL"
    )


OF_CLASSES = (
    "prediction string NOT NULL, class_id int NOT NULL, "
    "probabilities map<string, double> COMMENT 'by class; null where the model was not asked'"
)
OF_NUMBERS = (
    "prediction double NOT NULL, lower double COMMENT 'where the interval begins; null where the model was not asked', "
    "upper double COMMENT 'where it ends'"
)


def _scorer(use_case: UseCase, folder: Path) -> Scorer:
    """With what is switched off at run time now."""
    contract = use_case.contract
    switches = active_switches(use_case)
    segments = tuple(parse_segment(contract, s.segment) for s in switches if s.segment != WHOLE_MODEL)
    plain = UseCase(settings=use_case.settings, contract=contract)  # a lake's session stays with the driver
    return Scorer(plain, folder, segments, any(s.segment == WHOLE_MODEL for s in switches))


def _check(contract: Contract, rows: "DeltaTable", table: str) -> None:
    there = {field.name: getattr(field.type, "type", "nested") for field in rows.schema().fields}
    there = {name: SPARK_NAMES.get(type_, type_) for name, type_ in there.items()}
    wanted = {name: SPARK_TYPES[feature.type] for name, feature in contract.features.items()}
    missing = [name for name in (contract.key.column, *wanted) if name not in there]
    if missing:
        raise WrongUseError(
            f"{table} lacks {', '.join(missing)}; key and features are needed: silver and gold have them"
        )
    other = [f"{name} is {there[name]}, not {type_}" for name, type_ in wanted.items() if there[name] != type_]
    if other:
        raise WrongUseError(
            f"{table} is not typed by the contract ({'; '.join(other)}); score a table of silver or gold"
        )
    nulls: Counter[str] = Counter()
    required = [name for name, feature in contract.features.items() if not feature.optional]
    for batch in dataset_of(rows).to_batches(columns=required):
        nulls.update({name: batch[name].null_count for name in required})
    empty = [name for name, count in nulls.items() if count]
    if empty:
        raise WrongUseError(f"{table} has rows without {', '.join(empty)}; only optional features may be missing")


def _needed(rules: Rules | None) -> Rules:
    if rules is None:
        raise WrongUseError("the contract's fallback names no rules")
    return rules
