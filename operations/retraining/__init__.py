"""Measures against drift and for new truth: candidates are trained, compared on the same rows, and one is promoted.

Nothing here is believed to help: each run tries what applies and records what came of it.
"""
