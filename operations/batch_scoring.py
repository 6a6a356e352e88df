"""Batch scoring: a pushed model over a version of a table, part by part into gold/scores, on Spark's executors.

A scoring is one pass of a model over one version of a table with the same switched off from its first row to its last.
All that it needs to go on after a kill stands in gold/scores itself: a row that is there is not asked again.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from lakehouse.gold.export import scored_sql
from lakehouse.lake import Lake
from lakehouse.read.tables import count_rows, find_table, open_table, read_table
from lakehouse.storage.commits import commit_note
from lakehouse.storage.layout import SCORES
from lakehouse.storage.lock import only_one, tables_held
from lakehouse.storage.merge import append
from lakehouse.storage.schema import SPARK_TYPES, add_columns, create_table, quoted
from lakeloop.contract import Contract
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.pushed_models import model_folder
from lakeloop.switches import active_switches
from lakeloop.use_case import UseCase
from operations.scoring import ANSWER, Scorer, scorer_of

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyspark.sql import Column, DataFrame

ROWS_A_PART = 250_000
"""Some seconds of work: what a kill may cost, and how often progress is told."""
MOST_PARTS = 100
"""Each part reads the table's columns once more."""
SCORE_LOCK = "score.lock"
SPARK_NAMES = {"long": "bigint", "integer": "int"}
GIVEN = "predictor_type string, reason string, model_version string"
OF_SCORING = (
    "scoring string COMMENT 'scoring that gave it; null: by an older release'",
    "switched_off string COMMENT 'what was switched off then; null: by an older release'",
)
Progress = Callable[[int, int], None]
"""Called with the rows that are scored and those to be scored in all."""


@dataclass(frozen=True)
class Wanted:
    """What is to be scored, with which model, and how far that is.

    `rows` are the table's, `scored` those of them that gold/scores has by `scoring` ('': by none with a name).
    `switched_off` are segments, '' for the whole model. `others` are rows of this table version and model that were
    scored with something else switched off, or are to be scored again: they go first.
    """

    table: str
    version: int
    folder: Path
    switched_off: tuple[str, ...]
    rows: int
    scoring: str = ""
    scored: int = 0
    others: int = 0

    @property
    def model(self) -> str:
        """The version of the model."""
        return self.folder.name

    @property
    def done(self) -> bool:
        """Whether gold/scores has it whole, or there is no row to score."""
        return self.scored >= self.rows and not self.others

    @property
    def off(self) -> str:
        """What is switched off, as gold/scores has it."""
        return words_of(self.switched_off)


@dataclass(frozen=True)
class ScoreReport:
    """What a scoring came to: rows that were added now, rows in all, and of them those answered by the rules."""

    wanted: Wanted
    added: int
    rows: int
    rules: int


def words_of(switched_off: tuple[str, ...]) -> str:
    """Segments as one text, in which their order does not matter; '' for none."""
    return "; ".join(sorted(text or "all rows" for text in switched_off))


def score_wanted(
    use_case: UseCase, table: str = "", version: int | None = None, model: str = "", again: bool = False
) -> Wanted:
    """A version of a table, by default the newest of the contract's, and a pushed model, by default the champion.

    `again`: as if nothing of it had been scored. Needs no Spark.

    Raises:
        NotFoundError: no such table, version or model; the text names what there is.
        WrongUseError: the table lacks the key or a feature, has one in another type, or rows without a value.
    """
    contract = use_case.contract
    name = "/".join(find_table(use_case, table or contract.scored_table))
    opened = open_table(use_case, name, version)
    folder = model_folder(use_case, model)
    _check(contract, opened, name)
    return _how_far(use_case, Wanted(name, opened.version(), folder, _off_now(use_case), count_rows(opened)), again)


def nothing_to_score_yet(use_case: UseCase, table: str = "", model: str = "") -> str:
    """Why nothing can be scored yet, as before the first push or the first ingest; '' where it can.

    Another table than the contract's, or a model that was named, does not come by itself: that is no "yet".
    """
    try:
        if table in ("", use_case.contract.scored_table):
            find_table(use_case, use_case.contract.scored_table)
        if not model:
            model_folder(use_case)
    except NotFoundError as missing:
        return str(missing)
    return ""


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
        if (wanted := _how_far(lake, wanted, again)).done:  # another one may have ended since
            return report_of(lake, wanted)
        number = _take_over(lake, wanted)
        wanted = _how_far(lake, wanted, again)
        while (added := _score(lake, named := _named(wanted), number, rows_a_part, progress)) is None:
            number = _take_over(lake, wanted)
            wanted = _how_far(lake, replace(named, switched_off=_off_now(lake)))
    return replace(report_of(lake, _how_far(lake, named)), added=added)


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
        if words_of(_off_now(lake)) != wanted.off:
            return None
        with tables_held(lake), commit_note(lake.spark, _note(lake, wanted)):
            done += append(lake.table(SCORES), rows, **_numbered(wanted, part)).inserted
        progress(done, wanted.rows)
    return done - wanted.scored if words_of(_off_now(lake)) == wanted.off else None


def _off_now(use_case: UseCase) -> tuple[str, ...]:
    return tuple(switch.segment for switch in active_switches(use_case))


def report_of(use_case: UseCase, wanted: Wanted) -> ScoreReport:
    """What gold/scores has of a scoring."""
    by_rules = Counter[str]()
    for (scoring, _, kind), rows in _counted(use_case, wanted).items():
        by_rules[kind] += rows if scoring == wanted.scoring else 0
    return ScoreReport(wanted, 0, by_rules.total(), by_rules["rules"])


def condition_of(wanted: Wanted) -> Any:
    """Rows of this table version that were scored with this model, as pyarrow filters them."""
    import pyarrow.compute as pc

    return (
        (pc.field("table") == wanted.table)
        & (pc.field("version") == wanted.version)
        & (pc.field("model") == wanted.model)
    )


def _how_far(use_case: UseCase, wanted: Wanted, again: bool = False) -> Wanted:
    mine, others = Counter[str](), 0
    for (scoring, off, _), rows in _counted(use_case, wanted).items():
        if off == wanted.off and not again:
            mine[scoring] += rows
        else:
            others += rows
    scoring, scored = mine.most_common(1)[0] if mine else ("", 0)
    if not scoring and scored < wanted.rows:  # of an older release, which nobody can go on with
        scored = 0
    return replace(wanted, scoring=scoring, scored=scored, others=others + mine.total() - scored)


def _counted(use_case: UseCase, wanted: Wanted) -> Counter[tuple[str, str, str]]:
    """Rows by scoring, what was switched off, and who answered; read in batches, however many there are."""
    found = open_lake_table(use_case, SCORES)
    counted: Counter[tuple[str, str, str]] = Counter()
    if found is None:
        return counted
    rows = dataset_of(found)
    columns = [name for name in ("scoring", "switched_off", "predictor_type") if name in rows.schema.names]
    for batch in rows.to_batches(columns=columns, filter=condition_of(wanted)):
        grouped = batch.to_pandas().reindex(columns=["scoring", "switched_off", "predictor_type"]).fillna("")
        for values, count in grouped.value_counts().items():
            counted[values] += int(count)  # type: ignore[index]
    return counted


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
    required = [contract.key.column, *(name for name, feature in contract.features.items() if not feature.optional)]
    for batch in dataset_of(rows).to_batches(columns=required):
        nulls.update({name: batch[name].null_count for name in required})
    empty = [name for name, count in nulls.items() if count]
    if empty:
        raise WrongUseError(f"{table} has rows without {', '.join(empty)}; only optional features may be missing")
