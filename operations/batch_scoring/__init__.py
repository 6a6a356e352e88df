"""Batch scoring: a pushed model over a version of a table into gold/scores, its records, and scores nobody needs."""
