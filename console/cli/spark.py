"""Spark for a command: the home's warm one, shared with other commands, where the settings ask for it."""

import logging
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from console.cli.failures import in_words
from console.cli.helper_process import start_helper
from console.cli.options import open_use_case
from console.cli.render import console
from console.cli.use_case_option import UseCaseOption
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from lakehouse.lake import Lake

log = logging.getLogger(__name__)


@contextmanager
def spark_of(use_case: UseCase) -> Iterator["SparkSession"]:
    """A Spark session for the length of a command."""
    from lakehouse.storage.session import spark_session  # noqa: PLC0415 - who may need Spark often ends without it
    from lakehouse.storage.shared_spark import shared_spark  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        with console.status("starting Spark …"):
            spark = stack.enter_context(shared_spark(use_case, partial(_start_keeper, use_case)))
            if spark is None:
                spark = spark_session(use_case.settings)
                stack.callback(_stop, spark)
        try:
            yield spark
        except Exception as error:
            worded = in_words(error)
            if worded is error:
                raise
            raise worded from None


@contextmanager
def lake_of(use_case: UseCase) -> Iterator["Lake"]:
    """The lake of a command that cannot do without Spark; `open_lake` with `spark_of` is for the others."""
    from lakehouse.lake import lake_with  # noqa: PLC0415 - as above

    with spark_of(use_case) as spark:
        yield lake_with(use_case, spark)


def _stop(spark: "SparkSession") -> None:
    """The end of a session that has lost its Java already says nothing: why it was lost is told."""
    try:
        spark.stop()
    except Exception as error:  # noqa: BLE001 - py4j raises what it likes
        log.info("event=spark_not_stopped why=%r", type(error).__name__)


def keep_spark_command(use_case: UseCaseOption = "") -> None:
    """Keep a warm Spark for the next commands that need it; ends when nobody asks any more."""
    from lakehouse.storage.shared_spark import keep  # noqa: PLC0415 - as above

    keep(open_use_case(use_case))


def _start_keeper(use_case: UseCase) -> "subprocess.Popen[bytes]":
    return start_helper(use_case, "spark-keeper", "lake", "keep-spark")
