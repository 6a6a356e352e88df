"""What the exported model's signatures and their outputs are called; whoever only asks a model needs no more of it."""

SERVING, EXAMPLES, CLASSIFY = "serving_default", "serve_examples", "classify"
PROBABILITIES, CLASS_ID = "probabilities", "class_id"
