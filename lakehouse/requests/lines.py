"""Lines of the request log as columns: what makes a line a record, and a record a row of silver/predictions."""

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from lakehouse.requests.answer_columns import answer_columns, wrong_value
from lakehouse.requests.completed_lines import completed_line
from lakehouse.silver.event_time import period_of
from lakehouse.silver.problems import joined_problems
from lakehouse.silver.rejects import reject_columns
from lakehouse.silver.typed_values import typed_value
from lakehouse.silver.validation import fits, problem
from lakehouse.storage.schema import column_sql, literal, quoted
from lakeloop.contract import Contract, Feature
from lakeloop.contract.reserved_names import ANSWERED_NUMBERS, PREDICTIONS
from lakeloop.contract.time_features import usual_format
from lakeloop.derived_features import Derivation
from lakeloop.exceptions import WrongUseError
from lakeloop.request_record import EARLIEST, LATEST

ASKED = ("request_id", "key", "at", "answered_at")
GIVEN_BY = ("predictor_type", "reason", "model_version", "latency_ms")
MAY_LACK = ("key", "model_version")
PREDICTORS = ("model", "rules")
TIMES = ("at", "answered_at")
TIME = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d"
BRONZE = (
    "line string COMMENT 'one answered request, JSON as the gateway wrote it', "
    "_rescued string COMMENT 'the line, where it is no request record', "
    "_flaw string COMMENT 'why it is not', "
    "_source_file string COMMENT 'file of the request log', "
    "_line bigint COMMENT 'line in the file, from 1', "
    "_ingested_at timestamp, "
    "_batch bigint COMMENT 'running number of the batch that brought it'"
)


def record_fields(contract: Contract, features: str = "string") -> str:
    """The fields of a record as SQL; its features as text, or taken apart."""
    answer = answer_columns(contract).record
    asked = ", ".join(f"{name} string" for name in ASKED)
    return (
        f"{asked}, features {features}, {answer}, predictor_type string, reason string, model_version string, "
        "latency_ms double"
    )


def lines_of_files(files: DataFrame, contract: Contract) -> DataFrame:
    """Whole files (column `value`) -> a row a line that is not blank, as bronze/requests keeps it."""
    # The whole file must be gone from the row before it becomes many: each line would carry a copy.
    split = files.select(
        sf.col("_metadata.file_name").alias("_source_file"),
        sf.is_valid_utf8("value").alias("_utf8"),
        sf.split("value", "\n").alias("_lines"),
    )
    lines = split.select("_source_file", "_utf8", sf.posexplode("_lines").alias("_position", "text"))
    # A file with a broken byte is decoded with U+FFFD in the byte's place, which says what line it was in.
    broken = ~sf.col("_utf8") & sf.contains("text", sf.lit("\ufffd"))
    return _as_bronze(lines.withColumn("_line", (sf.col("_position") + 1).cast("bigint")), broken, contract)


def lines_of_topic(records: DataFrame, named: str, contract: Contract) -> DataFrame:
    """Records of a topic (`value`, `partition`, `offset`) -> a row each that is not blank, as bronze/requests keeps it.

    `named` is what the topic is called there: its records' file is that and the partition, their line the offset and 1.
    """
    lines = records.select(
        sf.col("value").cast("string").alias("text"),
        sf.concat(sf.lit(f"{named}/"), sf.col("partition")).alias("_source_file"),
        (sf.col("offset") + 1).alias("_line"),
    )
    return _as_bronze(lines, ~sf.is_valid_utf8("text"), contract)


def _as_bronze(lines: DataFrame, broken: Column, contract: Contract) -> DataFrame:
    """Lines (`text`, `_source_file`, `_line`) with what is wrong with each; `broken`: it is no text."""
    parsed = sf.from_json("text", f"{record_fields(contract)}, _bad string", {"columnNameOfCorruptRecord": "_bad"})
    lines = lines.where("text != ''").withColumn("record", parsed)
    record = sf.col("record")
    flaw = sf.when(broken, "the line is not valid UTF-8").when(
        record["_bad"].isNotNull() | record.isNull(), "the line is not a request record in JSON"
    )
    fields = (*ASKED, "features", *answer_columns(contract).required, *GIVEN_BY)
    for name in (name for name in fields if name not in MAY_LACK):
        flaw = flaw.when(record[name].isNull() | (record[name].cast("string") == ""), f"`{name}` is missing")
    validated = lines.select("text", "_source_file", "_line", flaw.alias("_flaw"))
    whole = sf.col("_flaw").isNull()
    return validated.select(
        sf.when(whole, sf.col("text")).alias("line"),
        sf.when(~whole, sf.make_valid_utf8("text")).alias("_rescued"),
        "_flaw",
        "_source_file",
        "_line",
    )


def check_names(contract: Contract) -> None:
    """Raises WrongUseError if a column of the contract has the name of one of silver/predictions' own."""
    names = (contract.key.column, contract.period_column, *contract.features)
    own = PREDICTIONS if contract.label.classes else (*PREDICTIONS, *ANSWERED_NUMBERS)
    if taken := [name for name in names if name in own]:
        raise WrongUseError(
            f"`{taken[0]}` is a column of silver/predictions itself, so no key, event time or feature can have that "
            f"name; rename it in the contract. Taken names: {', '.join(own)}"
        )


def prediction_columns(contract: Contract) -> str:
    """Columns of silver/predictions: request, features, answer, then where the row came from."""
    key, event_time = contract.key, contract.event_time
    about = f"{event_time.period} of `at`{event_time.in_zone}, {event_time.of_kind.form}"
    features = [column_sql(name, feature) for name, feature in contract.features.items()]
    return ", ".join(
        [
            "request_id string NOT NULL COMMENT 'one row each; given by the client or a UUIDv7'",
            f"{quoted(key.column)} string COMMENT {literal(key.description)}",
            f"{quoted(contract.period_column)} string NOT NULL COMMENT {literal(about)}",
            "at timestamp NOT NULL COMMENT 'event time'",
            "answered_at timestamp NOT NULL COMMENT 'when the gateway answered'",
            *features,
            *answer_columns(contract).definitions(),
            "predictor_type string NOT NULL COMMENT 'model or rules'",
            "reason string NOT NULL COMMENT 'ok, or why the rules answered'",
            "reason_kind string NOT NULL COMMENT 'the reason without its particulars'",
            "model_version string COMMENT 'version that gave the probabilities'",
            "latency_ms double NOT NULL COMMENT 'from request to answer, in the gateway'",
            "_source_file string COMMENT 'file of the request log'",
            "_line bigint",
            "_batch bigint NOT NULL",
        ]
    )


def validated_records(bronze: DataFrame, contract: Contract, derivation: Derivation | None = None) -> DataFrame:
    """Rows of bronze/requests -> columns of silver/predictions, with `_good` and the text columns `reject_rows` needs.

    Columns of a bad row may be null. `derivation` makes the derived features of records that lack them.
    """
    if derivation is not None:
        bronze = bronze.withColumn("line", completed_line(derivation, contract))
    features = ", ".join(f"{quoted(name)}: string" for name in contract.features)
    schema = record_fields(contract, f"struct<{features}>")
    names = (*ASKED, *answer_columns(contract).names, *GIVEN_BY)
    parsed = bronze.select(sf.from_json("line", schema).alias("r"), "line", "_rescued", "_flaw", *_origin())
    texts = parsed.select(
        *(sf.col(f"r.{quoted(c)}").alias(f"r_{c}") for c in names),
        *(sf.col(f"r.features.{quoted(name)}").alias(name) for name in contract.features),
        "line", "_rescued", "_flaw", *_origin(),
    )  # fmt: skip
    good = reduce(lambda a, b: a & b, _conditions(contract), sf.col("_flaw").isNull())
    reason, value = joined_problems(_problems(contract))
    validated = texts.withColumn("_good", sf.coalesce(good, sf.lit(False)))
    return validated.select(
        *_typed(contract), *_origin(), "_good",
        sf.when(~sf.col("_good"), sf.coalesce("_flaw", reason)).alias("_reason"),
        sf.when(~sf.col("_good") & sf.col("_flaw").isNull(), value).alias("_value"),
        sf.when(~sf.col("_good"), sf.coalesce("_rescued", "line")).alias("_raw"),
    )  # fmt: skip


def _origin() -> tuple[str, ...]:
    return ("_source_file", "_line", "_batch")


def _typed(contract: Contract) -> list[Column]:
    at = sf.try_to_timestamp("r_at")
    return [
        sf.col("r_request_id").alias("request_id"),
        sf.nullif(sf.col("r_key"), sf.lit("")).alias(contract.key.column),
        period_of(at, contract.event_time).alias(contract.period_column),
        at.alias("at"),
        sf.try_to_timestamp("r_answered_at").alias("answered_at"),
        *(typed_value(name, feature).alias(name) for name, feature in _logged(contract).items()),
        *answer_columns(contract).typed(),
        sf.col("r_predictor_type").alias("predictor_type"),
        sf.col("r_reason").alias("reason"),
        sf.substring_index("r_reason", ":", 1).alias("reason_kind"),
        sf.col("r_model_version").alias("model_version"),
        sf.col("r_latency_ms").alias("latency_ms"),
    ]


def _logged(contract: Contract) -> dict[str, Feature]:
    """The features as requests have them: dates and times in ISO 8601, however files write them."""
    return {
        name: feature.model_copy(update={"format": usual_format(feature.type)}) if feature.role == "time" else feature
        for name, feature in contract.features.items()
    }


def _conditions(contract: Contract) -> list[Column]:
    return [
        *(_is_time(name) & _in_years(name) for name in TIMES),
        *(fits(contract, name, feature) for name, feature in _logged(contract).items()),
        *answer_columns(contract).conditions(),
        sf.col("r_predictor_type").isin(*PREDICTORS),
    ]


def _problems(contract: Contract) -> list[Column]:
    return [
        *(
            sf.when(~sf.coalesce(_is_time(name), sf.lit(False)), wrong_value(name, "is not an ISO 8601 time"))
            for name in TIMES
        ),
        *(
            sf.when(
                _is_time(name) & ~_in_years(name),
                wrong_value(name, f"is outside {EARLIEST:%Y} to {LATEST:%Y} in UTC"),
            )
            for name in TIMES
        ),
        *(problem(contract, name, feature) for name, feature in _logged(contract).items()),
        *answer_columns(contract).problems(),
        sf.when(
            ~sf.col("r_predictor_type").isin(*PREDICTORS), wrong_value("predictor_type", "is not one of model, rules")
        ),
    ]


def _is_time(name: str) -> Column:
    text = sf.col(f"r_{name}")
    return text.rlike(TIME) & sf.try_to_timestamp(text).isNotNull()


def _in_years(name: str) -> Column:
    return sf.try_to_timestamp(sf.col(f"r_{name}")).between(sf.lit(EARLIEST), sf.lit(LATEST))


def reject_rows(validated: DataFrame, contract: Contract, source: str) -> DataFrame:
    """The bad ones of `validated_records`, as the table `rejects` keeps them."""
    return reject_columns(validated.where("NOT _good"), contract, source, sf.col("_raw"))
