"""The feature catalogue: what each column is, where it comes from, how fresh it is, and which models use it."""
