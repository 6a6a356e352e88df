"""What is answered, in the forms that it travels in: to clients, into the request log, and back from there."""

from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, create_model

from lakeloop.contract import Contract
from lakeloop.contract.metrics import Task
from lakeloop.fallback import AnyPrediction, NumberPrediction, Prediction
from lakeloop.request_record import RequestRecord


class AnswerForm(Protocol):
    """One for each task; what answers of both have in common is not of it."""

    def shown(self, answer: Any) -> dict[str, Any]:
        """What a client gets of the answer itself."""
        ...

    def logged(self, answer: Any) -> dict[str, Any]:
        """The same as the request log has it."""
        ...

    def remembered(self, record: RequestRecord) -> AnyPrediction:
        """The answer that a record tells of. Raises ValueError where it tells of none of this task."""
        ...

    def fields(self) -> dict[str, Any]:
        """What `shown` gives, as fields of a pydantic model."""
        ...


class ClassForm:
    """A class, and the probability of each; where the contract wants one, the model's threshold."""

    def __init__(self, contract: Contract) -> None:
        self._label = contract.label
        self._decided = contract.label.decision is not None

    def shown(self, answer: Prediction) -> dict[str, Any]:
        """The class, and the probabilities by class."""
        known, names = answer.probabilities, self._label.class_names
        by_class = None if known is None else dict(zip(names, known, strict=True))
        threshold = {"threshold": answer.threshold} if self._decided else {}
        return {"prediction": answer.prediction, "probabilities": by_class, **threshold}

    def logged(self, answer: Prediction) -> dict[str, Any]:
        """The class, its id, and the probabilities in the classes' order."""
        threshold = {"threshold": answer.threshold} if self._decided else {}
        return {
            "prediction": answer.prediction,
            "class_id": answer.class_id,
            "probabilities": answer.probabilities,
            **threshold,
        }

    def remembered(self, record: RequestRecord) -> Prediction:
        """The answer that a record tells of. Raises ValueError where it is a number."""
        if not isinstance(record.prediction, str) or record.class_id is None:
            raise ValueError("the record tells of a number")
        known = None if record.probabilities is None else tuple(record.probabilities)
        said = (record.predictor_type, record.reason, record.threshold)
        return Prediction(record.prediction, record.class_id, known, *said)

    def fields(self) -> dict[str, Any]:
        """What `shown` gives, as fields of a pydantic model."""
        # the attributes are named apart: contracts may use names that pydantic keeps for itself, such as model_dump
        by_class: Any = {f"of_{name}": (float, Field(alias=name)) for name in self._label.class_names}
        probabilities = create_model("Probabilities", **by_class)
        classes: Any = Literal[self._label.class_names]
        return {
            "prediction": (classes, Field(description=self._label.description)),
            "probabilities": (
                probabilities | None,
                Field(description="the model's, by class; null where it was not asked"),
            ),
            **({"threshold": (float | None, Field(description=self._about_threshold()))} if self._decided else {}),
        }

    def _about_threshold(self) -> str:
        of = self._label.class_names[self._label.positive]
        return f"the model answers {of} from this probability of it on; null where it has none or was not asked"


class SetForm:
    """The labels of a row, and the probability of each label there is."""

    def __init__(self, contract: Contract) -> None:
        self._label = contract.label

    def shown(self, answer: Prediction) -> dict[str, Any]:
        """The labels, and the probabilities by label."""
        known = answer.probabilities
        by_label = None if known is None else dict(zip(self._label.columns, known, strict=True))
        return {"labels": self._label.labels_of(answer.class_id), "probabilities": by_label}

    def logged(self, answer: Prediction) -> dict[str, Any]:
        """The labels' names as one text, the number of their set, and the probabilities in the labels' order."""
        return {
            "prediction": answer.prediction,
            "class_id": answer.class_id,
            "probabilities": answer.probabilities,
        }

    def remembered(self, record: RequestRecord) -> Prediction:
        """The answer that a record tells of. Raises ValueError where it is none of these labels."""
        if record.class_id is None or record.prediction != self._label.name_of(record.class_id):
            raise ValueError("the record tells of other labels")
        known = None if record.probabilities is None else tuple(record.probabilities)
        return Prediction(str(record.prediction), record.class_id, known, record.predictor_type, record.reason)

    def fields(self) -> dict[str, Any]:
        """What `shown` gives, as fields of a pydantic model."""
        by_label: Any = {f"of_{name}": (float, Field(alias=name)) for name in self._label.columns}
        probabilities = create_model("Probabilities", **by_label)
        names: Any = Literal[self._label.columns]
        return {
            "labels": (list[names], Field(description=f"{self._label.description}; none, one, or several")),
            "probabilities": (
                probabilities | None,
                Field(description="the model's, of each label by itself; null where it was not asked"),
            ),
        }


class NumberForm:
    """A number, and the interval around it."""

    def __init__(self, contract: Contract) -> None:
        self._label = contract.label

    def shown(self, answer: NumberPrediction) -> dict[str, Any]:
        """The number, and its interval with the share of rows it holds."""
        ends = {"lower": answer.lower, "upper": answer.upper}
        level = self._label.interval if answer.level is None else answer.level
        interval = None if answer.lower is None else {"level": level, **ends}
        return {"prediction": answer.prediction, "interval": interval}

    def logged(self, answer: NumberPrediction) -> dict[str, Any]:
        """The number, the ends of its interval and its level."""
        given = {"prediction": answer.prediction, "lower": answer.lower, "upper": answer.upper}
        return given if answer.level is None else {**given, "level": answer.level}

    def remembered(self, record: RequestRecord) -> NumberPrediction:
        """The answer that a record tells of. Raises ValueError where it is a class."""
        if isinstance(record.prediction, str):
            raise ValueError("the record tells of a class")
        return NumberPrediction(
            record.prediction, record.lower, record.upper, record.predictor_type, record.reason, record.level
        )

    def fields(self) -> dict[str, Any]:
        """What `shown` gives, as fields of a pydantic model."""
        unit = f" in {self._label.truth.unit}" if self._label.truth.unit else ""
        interval = create_model(
            "Interval",
            level=(float, Field(description="share of rows whose truth lies in such an interval")),
            lower=(float, Field(description="where it begins")),
            upper=(float, Field(description="where it ends")),
        )
        return {
            "prediction": (float, Field(description=f"{self._label.description}{unit}")),
            "interval": (
                interval | None,
                Field(description="where the truth lies as a rule; null where the model was not asked"),
            ),
        }


def form_of(contract: Contract) -> ClassForm | SetForm | NumberForm:
    """The form of a contract's answers."""
    if contract.label.several:
        return SetForm(contract)
    return ClassForm(contract) if contract.label.classes else NumberForm(contract)


def answer_models(contract: Contract) -> tuple[type[BaseModel], type[BaseModel]]:
    """The answer to one row and to a batch."""
    fields: Any = {
        **_answer_fields(contract),
        "request_id": (str, Field(description="send it again to get the same answer")),
    }
    one = create_model("PredictAnswer", __config__=ConfigDict(protected_namespaces=()), **fields)
    return one, create_model("BatchAnswer", answers=(list[one], Field(description="in the order of the requests")))  # type: ignore[valid-type]


class Contribution(BaseModel):
    """What one feature of a row did to the answer."""

    feature: str
    value: int | float | str | bool | None = Field(description="as the request has it; null where it is missing")
    contribution: float = Field(description="how far it moved the answer from the base value, in its unit")


EXPLAINED: dict[Task, str] = {
    "classification": "the probability of the class that is answered",
    "regression": "the number",
    "multilabel": "the probability of the likeliest label",
}
"""What of an answer is explained."""


def explanation_model(contract: Contract) -> type[BaseModel]:
    """The explanation of the answer to one row."""
    what = EXPLAINED[contract.label.task]
    of: Any = {}
    if contract.label.several:
        of = {"label": (str | None, Field(description="the likeliest label, which is explained; null by rules"))}
    parts: Any = {
        **of,
        "base_value": (float | None, Field(description=f"{what}, on average over training rows; null by rules")),
        "value": (float | None, Field(description=f"{what}: base value + the sum of contributions; null by rules")),
        "contributions": (
            list[Contribution] | None,
            Field(description="by feature, the largest first; null by rules"),
        ),
        "rules": (str | None, Field(description="the rules that gave the answer; null where the model did")),
    }
    config = ConfigDict(protected_namespaces=())
    return create_model("Explanation", __config__=config, **_answer_fields(contract), **parts)


def _answer_fields(contract: Contract) -> dict[str, Any]:
    predictor: Any = Literal["model", "rules"]
    given_by = "the probabilities" if contract.label.classes else "the interval"
    return {
        **form_of(contract).fields(),
        "predictor_type": (predictor, Field(description="who answered")),
        "reason": (str, Field(description="ok, or why the rules answered")),
        "model_version": (str | None, Field(description=f"the version that gave {given_by}; null without")),
    }
