"""The jars with which Spark reads a broker's topics; only a platform with `LAKELOOP_BROKER` needs them."""

from pathlib import Path

from lakeloop.exceptions import MissingToolError
from lakeloop.settings import PROJECT, Settings

FETCHED = PROJECT / ".tools" / "kafka" / "spark"


def kafka_jars(settings: Settings) -> list[Path]:
    """Spark's Kafka connector and what it stands on; none where no broker is set.

    Raises:
        MissingToolError: they were not fetched.
    """
    if not settings.broker:
        return []
    jars = sorted(FETCHED.glob("*.jar"))
    if not jars:
        raise MissingToolError(
            f"LAKELOOP_BROKER is set, and Spark's Kafka connector is not in {FETCHED}; `make kafka` fetches it from "
            "Maven, or unset LAKELOOP_BROKER: requests then travel in files"
        )
    return jars
