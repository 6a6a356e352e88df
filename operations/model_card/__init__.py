"""The card of a pushed version: what the records know of it, under the headings of Mitchell et al. (2019)."""
