"""Spark, Delta's tables and logs, and how rows are written into them."""
