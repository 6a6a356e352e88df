"""A model's answers on labelled rows, and what the quality gate makes of them."""
