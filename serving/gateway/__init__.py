"""The gateway: checks a request against the contract, asks the model or the rules, answers, logs and counts.
It meets the model server only over TensorFlow Serving's REST API, so tensorflow/serving can stand there too."""
