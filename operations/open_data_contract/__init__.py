"""Contracts as the Open Data Contract Standard (ODCS v3) writes them, and back."""
