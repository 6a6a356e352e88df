"""TFDV's statistics and anomalies of answered requests, counted as those of the training rows are."""

from pathlib import Path

import pandas as pd
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from tfx_pipeline.data_checks import anomalies, statistics
from tfx_pipeline.data_checks.learnt_limits import Statistics, outside, tell, unlimited_in

SPLIT = "serving"
NOTHING: Statistics = {}


def write_window_statistics(
    rows: pd.DataFrame, schema: schema_pb2.Schema, folder: Path, trained: Statistics = NOTHING
) -> Path:
    """Count a window and check it against the schema its model was trained by; gives the folder, complete or not there.

    Numbers that the schema does not limit are held to what `trained`, the training rows' statistics, reach.

    `rows` has a column a feature; None or NaN is missing. Their numbers are rounded to float32 first, as tf.Example
    holds them in training; whole ones that a gap made floats of, and bools, are whole numbers there.
    """
    served = schema_of_requests(schema, list(rows.columns))
    whole = [feature.name for feature in served.feature if feature.type == schema_pb2.INT]
    loose = {name: rows[name].astype("float64").astype("Int64") for name in whole if rows[name].dtype != "int64"}
    rows = rows.assign(**loose)
    single = rows.astype(dict.fromkeys(rows.select_dtypes("float64").columns, "float32"))
    found: statistics_pb2.DatasetFeatureStatisticsList = tfdv.generate_statistics_from_dataframe(
        single, tfdv.StatsOptions(feature_allowlist=list(rows.columns)), n_jobs=1
    )
    part = folder.with_name(folder.name + ".part")
    split = part / f"Split-{SPLIT}"
    split.mkdir(parents=True, exist_ok=True)
    (split / statistics.FILE_NAME).write_bytes(found.SerializeToString())
    wrong = tfdv.validate_statistics(found, served)
    counted = statistics.read_statistics(str(part))[SPLIT]
    tell(wrong, outside(unlimited_in(served), trained, counted))
    (split / anomalies.FILE_NAME).write_bytes(wrong.SerializeToString())
    return part.rename(folder)


def schema_of_requests(schema: schema_pb2.Schema, features: list[str]) -> schema_pb2.Schema:
    """The schema without what requests do not have: the label."""
    served = schema_pb2.Schema()
    served.CopyFrom(schema)
    kept = [feature for feature in schema.feature if feature.name in features]
    del served.feature[:]
    served.feature.extend(kept)
    return served
