"""What Java is told in tests: most of its processes live for some seconds and do everything once."""

FIRST_COMPILER = "-XX:TieredStopAtLevel=1"
"""The JVM's second compiler costs more than it brings. The first ingest of a home: 33 s of CPU, 57 s with it."""
QUICK_JAVA = (
    f"{FIRST_COMPILER} -XX:ReservedCodeCacheSize=256m "
    "-Dspark.sql.codegen.wholeStage=false -Dspark.sql.codegen.factoryMode=NO_CODEGEN"
)
"""Neither does Spark compile its plans: 29 s of CPU."""
