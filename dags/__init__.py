"""Thin Airflow DAGs, generated from the contracts; they import only settings, contract and events."""
