"""A model server that speaks TensorFlow Serving's REST API on a folder of pushed models.
REST lives here; gRPC, labels and metrics come next."""
