"""The gateway's other answers as pydantic models: for OpenAPI, whose readers learn from them what comes back."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Problem(BaseModel):
    """One mistake in a request."""

    loc: list[str | int] = Field(description="where it is in the request")
    field: str = Field(description="the same as a path, such as requests[3].group.feature")
    msg: str = Field(description="what is wrong and what is allowed, as a sentence")
    type: str = Field(description="kind of mistake")
    allowed: str = Field(description="what a feature may be; empty where that does not apply")


class Refusal(BaseModel):
    """Why a request was not answered."""

    detail: list[Problem]


class Ping(BaseModel):
    """The gateway runs."""

    status: Literal["ok"] = "ok"


class LogHealth(BaseModel):
    """How the request log is doing."""

    pending: int = Field(description="lines not yet written")
    lag_seconds: float = Field(description="age of the oldest of them")
    lost: int = Field(description="lines lost because too many were waiting")
    problem: str = Field(description="why it cannot be written; empty if it can")


class Health(BaseModel):
    """What the gateway stands on. `degraded` means that it answers, but not with all of its parts."""

    model_config = ConfigDict(protected_namespaces=())

    status: Literal["ok", "degraded"]
    model: str = Field(description="the served model's name")
    model_version: str | None = Field(description="the version that is asked; null if there is none")
    threshold: float | None = Field(
        description="from which probability of one of two classes on that version answers it; null if it has none"
    )
    challenger: str | None = Field(
        description="the version that is tried beside it, in the shadow or as a canary; null if none is"
    )
    model_answers: bool
    model_problem: str = Field(description="why the model does not answer; empty if it does")
    request_log: LogHealth | None = Field(description="null where the contract has no `requests`")
    switched_off: list[str] = Field(description="segments answered by rules at present; 'the whole model' for all")
    switches_problem: str = Field(description="why the switches cannot be read; empty if they can")
    contract_problem: str = Field(
        description="why its newest contract is not in force and the one before goes on; empty if it is"
    )
    own_code_problem: str = Field(
        description="why its rules and derived features are held off for some seconds; empty if they are not"
    )
    answers_kept: int = Field(description="answers remembered for repeated request ids")

    @property
    def problem(self) -> str:
        """Why it is degraded, the first reason of several; empty if it is not."""
        log_problem = self.request_log.problem if self.request_log is not None else ""
        own = self.own_code_problem
        return self.contract_problem or own or self.model_problem or self.switches_problem or log_problem


class UseCaseHealth(BaseModel):
    """How a use case is doing, in short; `refused`: it is not served."""

    model_config = ConfigDict(protected_namespaces=())

    name: str
    status: Literal["ok", "degraded", "refused"]
    model_version: str | None = Field(description="the version that is asked; null if there is none")
    problem: str = Field(description="why it is degraded or refused; empty if it is neither")


class GatewayHealth(Health):
    """What the answers without a use case in their path stand on, and in short how all use cases are doing."""

    use_cases: list[UseCaseHealth]
