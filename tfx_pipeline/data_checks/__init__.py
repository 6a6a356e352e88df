"""Schema, statistics and anomalies of what a model is trained on and asked."""
