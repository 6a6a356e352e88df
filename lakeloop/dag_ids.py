"""The DAGs of a use case, by name: `<use case>_<what>`."""

DAGS = ("ingest", "stream", "monitor", "retrain", "deploy", "release", "simulate")
