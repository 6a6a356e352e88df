"""What the exported model's signatures and their outputs are called; whoever only asks a model needs no more of it."""

from lakeloop.contract.metrics import Task

SERVING, EXAMPLES, CLASSIFY, REGRESS = "serving_default", "serve_examples", "classify", "regress"
PROBABILITIES, CLASS_ID, SET_ID, THRESHOLD = "probabilities", "class_id", "set_id", "threshold"
PREDICTION, LOWER, UPPER, LEVEL = "prediction", "lower", "upper", "level"
ANSWER: dict[Task, str] = {"classification": PROBABILITIES, "regression": PREDICTION, "multilabel": PROBABILITIES}
"""The output that says what a model of a task answers."""
LEARNT_VALUES = "learnt_values"
"""Tells the values that were learnt of categories, where there are any."""
