"""Feeds the lake to drift detection: months, windows in them, and for a retrain the newest requests."""
