"""What holds for every test."""

import os

# A test's home would keep a Spark of its own for minutes after it; tests of the shared Spark say so themselves.
os.environ.setdefault("LAKELOOP_SPARK_KEEP_SECONDS", "0")
