"""Feeds the lake to drift detection: periods, windows in them, and for a retrain the newest requests."""
