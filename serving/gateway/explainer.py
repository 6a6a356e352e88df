"""Explains answers of the model in a process of its own: `python -m serving.gateway.explainer`, settings as elsewhere.

The gateway starts it when somebody asks, so that the second which shap takes to import, its memory and its sums are
not the gateway's. It asks the model server itself, in few calls of bounded size and at the lowest priority. A line each
way, in JSON: {"version", "row", "output"} -> {"base", "answer", "contributions"}, or {"problem"}. It ends when its
standard input does.
"""

import logging
import os
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO
from urllib.parse import quote

import httpx
import numpy as np
import orjson

from lakeloop.background_rows import read_background
from lakeloop.contract import Feature
from lakeloop.contributions import contributions
from lakeloop.exceptions import LakeloopError
from lakeloop.fallback import given_by, wanted_of
from lakeloop.model_input import predict_body
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from serving.exceptions import ModelError, NoConnectionError

log = logging.getLogger(__name__)

ROWS_OF_A_CALL = 500
"""So that requests which come meanwhile wait for some milliseconds at the model server, not for thousands of rows."""
CALL_SECONDS = 10.0
NICE = 10


class ModelAnswers:
    """What one version of a use case's model answers on a model server, many rows at a time."""

    def __init__(self, use_case: UseCase, version: str, features: Mapping[str, Feature]) -> None:
        self._contract, self._features, self._version = use_case.contract, features, version
        name = quote(use_case.name, safe="")
        self._server = use_case.settings.model_server
        self._address = f"{self._server}/v1/models/{name}/versions/{version}:predict"
        self._client = httpx.Client(timeout=CALL_SECONDS, trust_env=False)

    def asked(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Columns of values, each (rows,), as JSON has them -> what the model gives of each row (rows, outputs).

        Raises:
            ModelError: the server does not answer, or answers something else.
        """
        rows = len(next(iter(columns.values())))
        parts = (slice(start, start + ROWS_OF_A_CALL) for start in range(0, rows, ROWS_OF_A_CALL))
        return np.array(
            [row for part in parts for row in self._part({n: values[part].tolist() for n, values in columns.items()})]
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _part(self, columns: dict[str, list[Any]]) -> list[list[float]]:
        try:
            answer = self._client.post(self._address, content=predict_body(self._features, columns))
            document = answer.json() if answer.content else None
        except (httpx.HTTPError, ValueError) as error:
            raise NoConnectionError(f"no connection to {self._server} ({type(error).__name__})") from None
        if answer.status_code == 404:
            raise ModelError(f"version {self._version} is not served any more")
        rows = len(next(iter(columns.values())))
        given = given_by(self._contract, document.get("outputs") if isinstance(document, dict) else None, rows)
        if given is None:
            raise ModelError(f"the model server's answer is not {wanted_of(self._contract)}")
        return given


def explain(use_case: UseCase, version: str, row: Mapping[str, Any], output: int) -> dict[str, Any]:
    """What each feature of a row contributed to one output of a version; the row's values are as JSON has them.

    Raises:
        NotFoundError: the version carries no background rows.
        ModelError: the model server does not answer, or answers something else.
        LakeloopError: the model's answer to a mixture is no number.
    """
    background = read_background(use_case, version)
    # a feature that is new in the contract is none that this version takes
    features = {name: feature for name, feature in use_case.contract.features.items() if name in background.columns}
    model = ModelAnswers(use_case, version, features)
    try:
        arrays = {name: values for name, values in background.arrays.items() if name in features}
        found = contributions(model.asked, row, arrays, [name for name in background.explained if name in features])
    finally:
        model.close()
    return {
        "base": float(found.base[output]),
        "answer": float(found.answer[output]),
        "contributions": {name: float(values[output]) for name, values in found.by_feature.items()},
    }


def answer_lines(use_case: UseCase, questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer every line, until there are no more."""
    for line in questions:
        try:
            answer = explain(use_case, **orjson.loads(line))
        except (LakeloopError, ModelError) as error:
            answer = {"problem": str(error)}
        except Exception as error:
            log.exception("event=explanation_failed")
            answer = {"problem": f"unexpected {type(error).__name__}"}
        answers.write(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))
        answers.flush()


def main() -> int:
    """Answer what comes on standard input; whatever a library prints goes to standard error."""
    os.nice(NICE)
    # shap and httpx have a line for each of their steps
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s level=%(levelname)s logger=%(name)s %(message)s")
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    answer_lines(open_use_case(load_settings()), sys.stdin.buffer, answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
