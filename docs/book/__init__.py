"""Builds the book: runs the workshop's notebooks in order, writes the reference pages, binds all with Jupyter Book."""
