"""Lines of the request log as columns: what makes a line a record, and a record a row of silver/predictions."""

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from lakehouse.silver.event_time import period_of
from lakehouse.silver.problems import joined_problems, shown, wrong
from lakehouse.silver.rejects import reject_columns
from lakehouse.silver.typed_values import typed_value
from lakehouse.silver.validation import fits, problem
from lakehouse.storage.schema import column_sql, literal, quoted
from lakeloop.contract import Contract, Feature
from lakeloop.contract.reserved_names import PREDICTIONS
from lakeloop.contract.time_features import usual_format
from lakeloop.exceptions import WrongUseError
from lakeloop.request_record import EARLIEST, LATEST

RECORD = (
    "request_id string, key string, at string, answered_at string, features string, prediction string, class_id int, "
    "probabilities array<double>, predictor_type string, reason string, model_version string, latency_ms double"
)
REQUIRED = (
    "request_id", "at", "answered_at", "features", "prediction", "class_id", "predictor_type", "reason", "latency_ms"
)  # fmt: skip
ANSWER = ("prediction", "class_id", "probabilities", "predictor_type", "reason", "model_version", "latency_ms")
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


def lines_of_files(files: DataFrame) -> DataFrame:
    """Whole files (column `value`) -> a row a line that is not blank, as bronze/requests keeps it."""
    # The whole file must be gone from the row before it becomes many: each line would carry a copy.
    split = files.select(
        sf.col("_metadata.file_name").alias("_source_file"),
        sf.is_valid_utf8("value").alias("_utf8"),
        sf.split("value", "\n").alias("_lines"),
    )
    lines = split.select("_source_file", "_utf8", sf.posexplode("_lines").alias("_position", "text"))
    parsed = sf.from_json("text", f"{RECORD}, _bad string", {"columnNameOfCorruptRecord": "_bad"})
    lines = lines.where("text != ''").withColumn("record", parsed)
    record = sf.col("record")
    # A file with a broken byte is decoded with U+FFFD in the byte's place, which says what line it was in.
    flaw = sf.when(~sf.col("_utf8") & sf.contains("text", sf.lit("\ufffd")), "the line is not valid UTF-8").when(
        record["_bad"].isNotNull() | record.isNull(), "the line is not a request record in JSON"
    )
    for name in REQUIRED:
        flaw = flaw.when(record[name].isNull() | (record[name].cast("string") == ""), f"`{name}` is missing")
    validated = lines.select("text", "_source_file", "_position", flaw.alias("_flaw"))
    whole = sf.col("_flaw").isNull()
    return validated.select(
        sf.when(whole, sf.col("text")).alias("line"),
        sf.when(~whole, sf.make_valid_utf8("text")).alias("_rescued"),
        "_flaw",
        "_source_file",
        (sf.col("_position") + 1).cast("bigint").alias("_line"),
    )


def check_names(contract: Contract) -> None:
    """Raises WrongUseError if a column of the contract has the name of one of silver/predictions' own."""
    names = (contract.key.column, contract.period_column, *contract.features)
    if taken := [name for name in names if name in PREDICTIONS]:
        raise WrongUseError(
            f"`{taken[0]}` is a column of silver/predictions itself, so no key, event time or feature can have that "
            f"name; rename it in the contract. Taken names: {', '.join(PREDICTIONS)}"
        )


def prediction_columns(contract: Contract) -> str:
    """Columns of silver/predictions: request, features, answer, then where the row came from."""
    key, event_time = contract.key, contract.event_time
    about = f"{event_time.period} of `at`{event_time.in_zone}, {event_time.of_kind.form}"
    features = [column_sql(name, feature) for name, feature in contract.features.items()]
    classes = [
        f"{quoted(f'probability_{name}')} double COMMENT {literal(f'of class {name}; null where no model was asked')}"
        for name in contract.label.class_names
    ]
    return ", ".join(
        [
            "request_id string NOT NULL COMMENT 'one row each; given by the client or a UUIDv7'",
            f"{quoted(key.column)} string COMMENT {literal(key.description)}",
            f"{quoted(contract.period_column)} string NOT NULL COMMENT {literal(about)}",
            "at timestamp NOT NULL COMMENT 'event time'",
            "answered_at timestamp NOT NULL COMMENT 'when the gateway answered'",
            *features,
            f"prediction string NOT NULL COMMENT {literal(contract.label.description)}",
            "class_id int NOT NULL COMMENT 'class id of the prediction'",
            *classes,
            "confidence double COMMENT 'highest probability; null where no model was asked'",
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


def validated_records(bronze: DataFrame, contract: Contract) -> DataFrame:
    """Rows of bronze/requests -> columns of silver/predictions, with `_good` and the text columns `reject_rows` needs.

    Columns of a bad row may be null.
    """
    features = ", ".join(f"{quoted(name)}: string" for name in contract.features)
    schema = RECORD.replace("features string", f"features struct<{features}>")
    parsed = bronze.select(sf.from_json("line", schema).alias("r"), "line", "_rescued", "_flaw", *_origin())
    texts = parsed.select(
        *(sf.col(f"r.{quoted(c)}").alias(f"r_{c}") for c in ("request_id", "key", "at", "answered_at", *ANSWER)),
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
    probabilities = [
        sf.get("r_probabilities", sf.lit(i)).alias(f"probability_{name}")
        for i, name in enumerate(contract.label.class_names)
    ]
    return [
        sf.col("r_request_id").alias("request_id"),
        sf.nullif(sf.col("r_key"), sf.lit("")).alias(contract.key.column),
        period_of(at, contract.event_time).alias(contract.period_column),
        at.alias("at"),
        sf.try_to_timestamp("r_answered_at").alias("answered_at"),
        *(typed_value(name, feature).alias(name) for name, feature in _logged(contract).items()),
        sf.col("r_prediction").alias("prediction"),
        sf.col("r_class_id").alias("class_id"),
        *probabilities,
        sf.array_max("r_probabilities").alias("confidence"),
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
    classes = contract.label.class_names
    return [
        *(_is_time(name) & _in_years(name) for name in TIMES),
        *(fits(contract, name, feature) for name, feature in _logged(contract).items()),
        sf.col("r_prediction").isin(*classes),
        _class_of_prediction(contract) == sf.col("r_class_id"),
        _probabilities_fit(len(classes)),
        sf.col("r_predictor_type").isin(*PREDICTORS),
    ]


def _problems(contract: Contract) -> list[Column]:
    classes = contract.label.class_names
    of = _class_of_prediction(contract)
    other = (of >= 0) & (of != sf.col("r_class_id"))
    return [
        *(
            sf.when(~sf.coalesce(_is_time(name), sf.lit(False)), _wrong(name, "is not an ISO 8601 time"))
            for name in TIMES
        ),
        *(
            sf.when(
                _is_time(name) & ~_in_years(name),
                _wrong(name, f"is outside {EARLIEST:%Y} to {LATEST:%Y} in UTC"),
            )
            for name in TIMES
        ),
        *(problem(contract, name, feature) for name, feature in _logged(contract).items()),
        sf.when(~sf.col("r_prediction").isin(*classes), _wrong("prediction", f"is not one of {', '.join(classes)}")),
        sf.when(other, _wrong("class_id", "is not the prediction's")),
        sf.when(
            ~_probabilities_fit(len(classes)), wrong(f"`probabilities` are not {len(classes)} numbers from 0 to 1")
        ),
        sf.when(~sf.col("r_predictor_type").isin(*PREDICTORS), _wrong("predictor_type", "is not one of model, rules")),
    ]


def _is_time(name: str) -> Column:
    text = sf.col(f"r_{name}")
    return text.rlike(TIME) & sf.try_to_timestamp(text).isNotNull()


def _in_years(name: str) -> Column:
    return sf.try_to_timestamp(sf.col(f"r_{name}")).between(sf.lit(EARLIEST), sf.lit(LATEST))


def _class_of_prediction(contract: Contract) -> Column:
    return (sf.array_position(sf.array(*map(sf.lit, contract.label.class_names)), sf.col("r_prediction")) - 1).cast(
        "int"
    )


def _probabilities_fit(classes: int) -> Column:
    given = sf.col("r_probabilities")
    within = sf.forall(given, lambda p: sf.coalesce((p >= 0) & (p <= 1), sf.lit(False)))
    return given.isNull() | ((sf.size(given) == classes) & within)


def _wrong(name: str, what: str) -> Column:
    return wrong(f"`{name}` {what}", shown(name, sf.col(f"r_{name}").cast("string")))


def reject_rows(validated: DataFrame, contract: Contract, source: str) -> DataFrame:
    """The bad ones of `validated_records`, as the table `rejects` keeps them."""
    return reject_columns(validated.where("NOT _good"), contract, source, sf.col("_raw"))
