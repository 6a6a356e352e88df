"""Delta tables on Spark: landing files become bronze, silver and gold; gold is exported as CSV."""
