"""Where the lake's tables and the work files of their making live, and how small state files are written."""

import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltalake import DeltaTable

from lakeloop.atomic_file import write_text
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)
LAYERS = ("bronze", "silver", "gold")
DELIVERIES, REQUESTS = "deliveries", "requests"
REJECTS, MENDED, PREDICTIONS, WAITING = "rejects", "mended", "predictions", "waiting"
"""Tables of bronze and silver beside those of the sources, by their names there."""
PREDICTIONS_TABLE, REJECTS_TABLE = f"silver/{PREDICTIONS}", f"silver/{REJECTS}"
TRAINING_TABLE, PERIOD_SUMMARY, PERFORMANCE = "gold/training", "gold/monthly", "gold/performance"
CALIBRATION, SCORES, CLUSTERS = "gold/calibration", "gold/scores", "gold/clusters"
"""Tables of gold, as they are asked for everywhere."""


def checkpoint_path(use_case: UseCase, source: str) -> str:
    """Where a stream remembers how far it read; of the sources only those of older releases have such a folder."""
    return f"{use_case.settings.area('lake').rstrip('/')}/_checkpoints/{use_case.name}/{source}"


def table_exists(path: str) -> bool:
    """Whether there is a Delta table at `path`, wherever that is."""
    return bool(DeltaTable.is_deltatable(path))


def folder_exists(spark: "SparkSession", path: str) -> bool:
    """Whether there is a folder at `path`, wherever that is."""
    folder = hadoop_path(spark, path)
    return bool(folder.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()).exists(folder))  # type: ignore[attr-defined]


def delete_folder(spark: "SparkSession", path: str) -> None:
    """Delete the folder at `path` with all that is in it; nothing where there is none."""
    folder = hadoop_path(spark, path)
    folder.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()).delete(folder, True)  # type: ignore[attr-defined]


def hadoop_path(spark: "SparkSession", path: str) -> Any:
    """A Hadoop path object: the same calls for local folders and object stores."""
    return spark._jvm.org.apache.hadoop.fs.Path(path)  # type: ignore[union-attr]


def glob_quoted(path: str) -> str:
    """A path for Spark's readers of text files, which take `[`, `{`, `*` and the like for patterns."""
    return re.sub(r"([\[\]{}*?,\\])", r"\\\1", path)


def write_json(path: Path, value: Any) -> None:
    """Write a small state file."""
    write_text(path, json.dumps(value, indent=1))


def read_json(path: Path) -> Any:
    """The state file's content; None where there is none, or where it is empty or cut: then its work is done again."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        log.warning("event=unreadable_state path=%s", path)
        return None
