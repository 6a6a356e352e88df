"""What is to be scored, and how far that is: read from the table, the switches and gold/scores, without Spark."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.read.tables import count_rows, find_table, open_table
from lakehouse.storage.layout import SCORES
from lakehouse.storage.schema import SPARK_TYPES
from lakeloop.contract import Contract
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.lake_tables import dataset_of, open_lake_table
from lakeloop.pushed_models import model_folder
from lakeloop.switches import active_switches
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    from deltalake import DeltaTable

SPARK_NAMES = {"long": "bigint", "integer": "int"}


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
    return how_far(use_case, Wanted(name, opened.version(), folder, off_now(use_case), count_rows(opened)), again)


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


def off_now(use_case: UseCase) -> tuple[str, ...]:
    """The segments that are switched off now, '' for the whole model."""
    return tuple(switch.segment for switch in active_switches(use_case))


def how_far(use_case: UseCase, wanted: Wanted, again: bool = False) -> Wanted:
    """What is wanted, with the rows that gold/scores has of it; `again`: as if it had none."""
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
