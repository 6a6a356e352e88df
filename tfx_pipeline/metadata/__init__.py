"""ML Metadata: where it is, what is noted in it, and its side of lineage."""
