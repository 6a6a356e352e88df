"""Spark for a command, with a Java process that other commands have warmed where the settings ask for it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from lakeloop.cli.helper_process import start_helper
from lakeloop.cli.options import UseCase, open_use_case
from lakeloop.cli.render import console
from lakeloop.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@contextmanager
def spark_of(settings: Settings) -> Iterator["SparkSession"]:
    """A Spark session for the length of a command."""
    from lakehouse.session import spark_session
    from lakehouse.warm_java import borrowed_java

    with ExitStack() as stack:
        with console.status("starting Spark …"):
            stack.enter_context(borrowed_java(settings, partial(_start_keeper, settings)))
            spark = spark_session(settings)
            stack.callback(spark.stop)
        yield spark


def keep_java(use_case: UseCase = "") -> None:
    """Keep a Java process for the next commands that need Spark; ends when nobody asks any more."""
    from lakehouse.warm_java import keep

    settings, _ = open_use_case(use_case)
    keep(settings)


def _start_keeper(settings: Settings) -> None:
    start_helper(settings, "java-keeper", "lake", "keep-java")
