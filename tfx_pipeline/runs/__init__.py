"""Compiling the pipeline and running its nodes, each recorded."""
