"""Drift of months: production's windows against the model's reference, from Delta."""
