"""The errors of gateway and model server: some are answers to clients and never leave their server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeloop.exceptions import BrokenError

if TYPE_CHECKING:
    from serving.model_server.status import Code


class ClientGoneError(Exception):
    """The client hung up before its body was here."""


class ModelError(Exception):
    """The model could not be asked; the text says why in words for the answer's reason."""


class NoConnectionError(ModelError):
    """Nothing listens there, or the connection broke."""


class ModelTooSlowError(ModelError):
    """No answer within the time allowed."""


class VersionUnloadedError(ModelError):
    """The version asked is not served (any more)."""


class ModelNotServedError(ModelError):
    """The server answers, but has no version of the model to offer."""


class ModelMisfitError(ModelError):
    """The version was trained for another contract: it takes or answers something else."""


class GatewayStartError(BrokenError):
    """The gateway's process ended before it listened."""


class RefusedRequestError(Exception):
    """A request that is not answered: HTTP status and the problems found in it."""

    def __init__(self, status: int, problems: list[dict[str, Any]]) -> None:
        super().__init__(status, problems)
        self.status = status
        self.problems = problems


class ModelServerStartError(BrokenError):
    """The server process ended, or did not become ready in time."""


class BodyError(Exception):
    """A body that is not read to its end; the connection is closed after the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class RequestError(Exception):
    """A request that cannot be answered; `message` is the text of the `error` field sent back."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class LoadError(Exception):
    """A version folder that cannot be loaded; code and message go into the model's status."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
