"""What Transform, Tuner and Trainer do with the rows, and the model that comes of it."""
