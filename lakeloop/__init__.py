"""Lakeloop's base (settings, contract, events) and, on top of all packages, its command line."""
