from pathlib import Path

from pyspark.sql import SparkSession

from lakehouse.storage.session import spark_options
from lakeloop.settings import Settings


def test_only_on_this_machine_the_driver_is_told_its_address(tmp_path: Path) -> None:
    cluster = spark_options(Settings(home=tmp_path, use_case="any", spark_master="spark://master:7077"))
    local = spark_options(Settings(home=tmp_path, use_case="any"))
    assert local["spark.driver.host"] == local["spark.driver.bindAddress"] == "127.0.0.1"
    assert cluster["spark.master"] == "spark://master:7077"
    assert not cluster.keys() & {"spark.driver.host", "spark.driver.bindAddress"}


def test_the_session_speaks_utc_and_has_no_web_page(spark: SparkSession) -> None:
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.sparkContext.uiWebUrl is None
