"""A model server that speaks TensorFlow Serving's REST and gRPC APIs on folders of pushed models.
`server` starts it, `lifecycle` holds the models, `rest` and `grpc_server` are its two ports."""
