"""Our own TFX nodes; each is a spec and an executor."""
