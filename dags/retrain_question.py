"""The question to a person when no candidate passes, and the response as options of `lakeloop decide`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param

from dags.people import TellPeople
from lakeloop.contract import Contract
from lakeloop.decision import CHOICES

CHOICE_OF = {label: choice for choice, label in CHOICES.items()}
NOBODY = "nobody"
_GATE = "require "


class QuestionOperator(HITLOperator):
    """Asks a person; fields of the form that a response leaves out stay as they are, where Airflow refuses it.

    A response that names a field there is not fails the task, which then asks again.
    """

    def validate_params_input(self, params_input: Mapping[str, Any]) -> None:
        """Take the response's fields over into the form."""
        unknown = sorted(set(params_input) - set(self.params))
        if unknown:
            raise ValueError(f"the answer has no field {', '.join(unknown)}; there are {', '.join(self.params)}")
        for name, value in params_input.items():
            self.params[name] = value


def ask(contract: Contract, hours: float, **operator_options: Any) -> QuestionOperator:
    """A task that waits for a person's response; without one for so many hours the champion is kept."""
    labels = [label for choice, label in CHOICES.items() if choice != "fallback" or contract.fallback is not None]
    return QuestionOperator(
        task_id="ask",
        subject=f"{contract.title}: no candidate passed the quality gate. What is to be done?",
        body="{{ ti.xcom_pull(task_ids='compare')['question'] }}",
        options=labels,
        defaults=[CHOICES["keep"]],
        params=_form(contract),
        response_timeout=timedelta(hours=hours),
        notifiers=[TellPeople(contract.use_case, hours)],
        **operator_options,
    )


def approval_options(hours: float) -> list[str]:
    """The response as options of `lakeloop decide`: templates with the macros below."""
    response = "ti.xcom_pull(task_ids='ask')"
    return [
        f"--choice={{{{ chosen({response}) }}}}",
        f"--by={{{{ answered_by({response}, {hours}) }}}}",
        f"--at={{{{ answered_at({response}) }}}}",
        *(
            f"{{{{ '--{name}=' ~ answered({response}, '{name}') if answered({response}, '{name}') }}}}"
            for name in ("candidate", "segment", "why")
        ),
        f"{{{{ '--gate=' ~ requirements({response}) if requirements({response}) }}}}",
    ]


def chosen(response: Mapping[str, Any]) -> str:
    """What was chosen, as `lakeloop decide` calls it."""
    return CHOICE_OF[response["chosen_options"][0]]


def answered_by(response: Mapping[str, Any], hours: float) -> str:
    """Who answered; nobody, where the time ran out."""
    user = response.get("responded_by_user") or {}
    return str(user.get("name") or user.get("id") or f"{NOBODY} within {hours:g} h")


def answered_at(response: Mapping[str, Any]) -> str:
    """When, ISO 8601."""
    when = response["responded_at"]
    return str(when.isoformat() if hasattr(when, "isoformat") else when)


def answered(response: Mapping[str, Any], name: str) -> str:
    """One field of the form; '' where it is empty."""
    return str((response.get("params_input") or {}).get(name) or "").strip()


def requirements(response: Mapping[str, Any]) -> str:
    """The changed bounds as `name=value,…`."""
    given = (response.get("params_input") or {}).items()
    return ",".join(f"{n.removeprefix(_GATE)}={v}" for n, v in given if n.startswith(_GATE) and v is not None)


MACROS = {f.__name__: f for f in (chosen, answered_by, answered_at, answered, requirements)}


def _form(contract: Contract) -> dict[str, Param]:
    text = ["null", "string"]
    fields = {
        "why": Param(None, type=text, maxLength=500, title="Why", description="For those who ask later."),
        "candidate": Param(
            None, type=text, title="Promote", description="The candidate to promote anyway; empty: the best scored."
        ),
        "segment": Param(
            None, type=text, title="Segment",
            description="For whom the rules answer, e.g. `age < 25 and training == 0`; empty: for all rows.",
        ),
    }  # fmt: skip
    for name, bound in contract.gate.bounds.items():
        fields[_GATE + name] = Param(
            None, type=["null", "number"], section="Change the requirement", title=contract.gate.title_of(name),
            description=f"The contract requires {bound:g}; what is required here instead, for this decision.",
        )  # fmt: skip
    return fields
