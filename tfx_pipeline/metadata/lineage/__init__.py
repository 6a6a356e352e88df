"""What ML Metadata knows of a model, a run and the data they were made of, as plain values."""
