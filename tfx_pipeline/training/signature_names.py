"""What the exported model's signatures and their outputs are called; whoever only asks a model needs no more of it."""

SERVING, EXAMPLES, CLASSIFY = "serving_default", "serve_examples", "classify"
PROBABILITIES, CLASS_ID = "probabilities", "class_id"
LEARNT_VALUES = "learnt_values"
"""Tells the values that were learnt of categories, where there are any."""
