"""A model server that speaks TensorFlow Serving's REST API on a folder of pushed models.
REST predict, status and metadata live here; gRPC, classify, regress, labels and metrics come later."""
