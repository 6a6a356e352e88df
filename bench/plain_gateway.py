"""What many start with: FastAPI that calls Keras' `model.predict` for each request. The gateway is compared with it."""

import os
import socket
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def main(features: int) -> None:
    """Serve a network of the pipeline's shape (three layers of 100) on a free port, which is printed."""
    import keras
    import numpy
    import uvicorn
    from fastapi import Body, FastAPI

    layers = [part for _ in range(3) for part in (keras.layers.Dense(100, "relu"), keras.layers.BatchNormalization())]
    model = keras.Sequential([keras.layers.Input((features,)), *layers, keras.layers.Dense(3, "softmax")])
    app = FastAPI()

    @app.post("/predict/")
    def predict(row: dict[str, dict[str, float] | float] = Body()) -> dict[str, list[float]]:  # noqa: B008
        values = [value for group in row.values() for value in (group.values() if isinstance(group, dict) else [group])]
        return {"probabilities": model.predict(numpy.array([values]), verbose=0)[0].tolist()}

    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="critical", loop="uvloop")).run(sockets=[listener])


if __name__ == "__main__":
    main(int(sys.argv[1]))
