"""Scores a version of a table with a pushed model, part by part into gold/scores, on Spark's executors.

A scoring is one pass of a model over one version of a table with the same switched off from its first row to its last.
All that it needs to go on after a kill stands in gold/scores itself: a row that is there is not asked again.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import reduce
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from lakehouse.gold.export import scored_sql
from lakehouse.lake import Lake
from lakehouse.read.tables import read_table
from lakehouse.storage.commits import commit_note
from lakehouse.storage.layout import SCORES
from lakehouse.storage.lock import only_one, tables_held
from lakehouse.storage.merge import append
from lakehouse.storage.schema import add_columns, create_table, quoted
from lakeloop.contract import Contract
from lakeloop.use_case import UseCase
from operations.batch_scoring.progress import ScoreReport, Wanted, how_far, off_now, report_of, words_of
from operations.scoring import ANSWER, Scorer, scorer_of

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ROWS_A_PART = 250_000
"""Some seconds of work: what a kill may cost, and how often progress is told."""
MOST_PARTS = 100
"""Each part reads the table's columns once more."""
SCORE_LOCK = "score.lock"
GIVEN = "predictor_type string, reason string, model_version string"
OF_SCORING = (
    "scoring string COMMENT 'scoring that gave it; null: by an older release'",
    "switched_off string COMMENT 'what was switched off then; null: by an older release'",
)
Progress = Callable[[int, int], None]
"""Called with the rows that are scored and those to be scored in all."""


def score(
    lake: Lake,
    wanted: Wanted,
    again: bool = False,
    rows_a_part: int = ROWS_A_PART,
    progress: Progress = lambda done, of: None,
) -> ScoreReport:
    """Score what is wanted into gold/scores, unless it is there already, going on where a killed run stopped.

    Each part is one commit, so whoever reads meanwhile sees whole parts, and no row twice. Where something else is
    switched off meanwhile, all rows are scored anew.

    Raises:
        BusyError: another scoring of the use case is at work.
    """
    with only_one(lake.work_folder / SCORE_LOCK, "scoring"):
        if (wanted := how_far(lake, wanted, again)).done:  # another one may have ended since
            return report_of(lake, wanted)
        number = _take_over(lake, wanted)
        wanted = how_far(lake, wanted, again)
        while (added := _score(lake, named := _named(wanted), number, rows_a_part, progress)) is None:
            number = _take_over(lake, wanted)
            wanted = how_far(lake, replace(named, switched_off=off_now(lake)))
    return replace(report_of(lake, how_far(lake, named)), added=added)


def _take_over(lake: Lake, wanted: Wanted) -> int:
    """Make the table where it is not there, and let nothing of a killed run come any more; gives a part's number.

    A Spark that others use, too, goes on with the statement of a command that was killed. Parts are numbered in Delta's
    log as those of one writer, and Delta refuses what had begun before the newest number.
    """
    path, number = lake.table(SCORES), time.time_ns() // 1000
    with tables_held(lake):
        create_table(lake.spark, path, _columns(lake.contract), comment="Rows of tables, scored in batches")
        add_columns(lake.spark, path, OF_SCORING)
        append(path, lake.frame(SCORES).limit(0), **_numbered(wanted, number))
    return number


def _numbered(wanted: Wanted, number: int) -> dict[str, str]:
    return {"txnAppId": f"scores of {wanted.table}@{wanted.version} by {wanted.model}", "txnVersion": str(number)}


def _score(lake: Lake, wanted: Wanted, number: int, rows_a_part: int, progress: Progress) -> int | None:
    """Score the rows that are not there yet; gives how many, or None as soon as something else is switched off."""
    _make_room(lake, wanted)
    done = wanted.scored
    progress(done, wanted.rows)
    for part, rows in enumerate(_parts(lake, wanted, rows_a_part), number + 1):
        if words_of(off_now(lake)) != wanted.off:
            return None
        with tables_held(lake), commit_note(lake.spark, _note(lake, wanted)):
            done += append(lake.table(SCORES), rows, **_numbered(wanted, part)).inserted
        progress(done, wanted.rows)
    return done - wanted.scored if words_of(off_now(lake)) == wanted.off else None


def _named(wanted: Wanted) -> Wanted:
    return replace(wanted, scoring=wanted.scoring or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid4().hex[:6]}")


def _note(use_case: UseCase, wanted: Wanted) -> dict[str, Any]:
    """What each commit of a scoring says, for lineage."""
    settings = use_case.settings
    note = {"scoring": wanted.scoring, "table": wanted.table, "version": wanted.version, "model": wanted.model,
            "switched_off": wanted.off, "rows": wanted.rows, "airflow_run_id": settings.airflow_run_id,
            "airflow_dag_id": settings.airflow_dag_id}  # fmt: skip
    return {"scored": note}


def _make_room(lake: Lake, wanted: Wanted) -> None:
    """Delete the rows of this table version and model by another scoring."""
    from delta.tables import DeltaTable as SparkTable

    if wanted.others:
        with tables_held(lake), commit_note(lake.spark, _note(lake, wanted)):
            SparkTable.forPath(lake.spark, lake.table(SCORES)).delete(_of(wanted) & ~_by(wanted))


def _parts(lake: Lake, wanted: Wanted, rows_a_part: int) -> "list[DataFrame]":
    """The rows that are not scored yet, cut by a hash of their key: rows of one key are in one part."""
    from pyspark.sql import functions as sf

    key = quoted(lake.contract.key.column)
    rows = read_table(lake, wanted.table, wanted.version)
    if wanted.scored:
        there = lake.frame(SCORES).where(_of(wanted) & _by(wanted)).select(sf.col(key).alias("_scored"))
        rows = rows.join(there, sf.col(key).cast("string") == sf.col("_scored"), "left_anti")
    count = min(MOST_PARTS, max(1, -(-(wanted.rows - wanted.scored) // rows_a_part)))
    part = sf.pmod(sf.xxhash64(sf.col(key)), sf.lit(count))
    scorer = scorer_of(lake, wanted.folder, wanted.switched_off)
    return [
        _scored(rows.where(part == number) if count > 1 else rows, scorer, lake.contract, wanted)
        for number in range(count)
    ]


def _of(wanted: Wanted) -> "Column":
    from pyspark.sql import functions as sf

    same = {"table": wanted.table, "version": wanted.version, "model": wanted.model}
    return reduce(lambda found, one: found & one, (sf.col(quoted(name)) == sf.lit(v) for name, v in same.items()))


def _by(wanted: Wanted) -> "Column":
    from pyspark.sql import functions as sf

    return sf.coalesce(sf.col("scoring"), sf.lit("")) == sf.lit(wanted.scoring)


def _scored(rows: "DataFrame", scorer: Scorer, contract: Contract, wanted: Wanted) -> "DataFrame":
    from pyspark.sql import functions as sf

    key, answer = quoted(contract.key.column), ANSWER[contract.label.task]
    typed = ", ".join(f"{name} {kind}" for name, kind in answer.items())
    given = rows.selectExpr(key, *scored_sql(contract)).mapInPandas(scorer.answers, f"{key} string, {typed}, {GIVEN}")
    if contract.label.classes:
        classes = sf.array(*map(sf.lit, contract.label.class_names))
        given = given.withColumn("probabilities", sf.map_from_arrays(classes, "probabilities"))
    return given.select(
        key,
        sf.lit(wanted.table).alias("table"),
        sf.lit(wanted.version).cast("bigint").alias("version"),
        sf.lit(wanted.model).alias("model"),
        *answer,
        "predictor_type",
        "reason",
        "model_version",
        sf.current_timestamp().alias("scored_at"),
        sf.lit(wanted.scoring).alias("scoring"),
        sf.lit(wanted.off).alias("switched_off"),
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
        f"scored_at timestamp NOT NULL, {', '.join(OF_SCORING)}"
    )


OF_CLASSES = (
    "prediction string NOT NULL, class_id int NOT NULL, "
    "probabilities map<string, double> COMMENT 'by class; null where the model was not asked'"
)
OF_NUMBERS = (
    "prediction double NOT NULL, lower double COMMENT 'where the interval begins; null where the model was not asked', "
    "upper double COMMENT 'where it ends'"
)
