"""One FastAPI route that reads JSON and answers at once, on the server of every service: what the framework costs."""

import sys

from fastapi import Body, FastAPI

from lakeloop.http_server import HttpServer, http_config, listen

ANSWER: dict[str, object] = {
    "prediction": "low",
    "probabilities": {"high": 0.1, "medium": 0.2, "low": 0.7},
    "predictor_type": "model",
}


def main() -> None:
    """Serve on a free port, which is printed."""
    app = FastAPI()

    @app.post("/predict/")
    async def predict(_: dict[str, object] = Body()) -> dict[str, object]:  # noqa: B008
        return ANSWER

    with listen("127.0.0.1", 0, "bare route") as listener:
        sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        HttpServer(http_config(app, lifespan="off", grace_seconds=1)).run(sockets=[listener])


if __name__ == "__main__":
    main()
