"""Answers to clients: the TensorFlow Serving-compatible model server and what stands before it."""
