"""The form of a retrain by hand: what may be wanted, checked by Airflow before a run is made (else 400)."""

from typing import Any

from airflow.sdk import Param

from lakeloop.contract import Contract, ModelSettings
from lakeloop.decision import MOST_TRIALS, STRATEGIES, TRIALS

PERIODS = r"^([0-9]{1,6}(-[0-9]{1,6})?)?$"
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def form(contract: Contract) -> dict[str, Param]:
    """The form's fields, each with what is allowed; an empty hyper-parameter is the contract's.

    What may stay empty may be null: the UI takes an empty text for a missing one, and would not let the form go.
    """
    return {
        "strategy": Param(
            "auto", type="string", enum=list(STRATEGIES), values_display=STRATEGIES, title="Strategy",
            description="What to try; `auto` is what happens after drift or new ground truth.",
        ),
        "periods": Param(
            None, type=["null", "string"], pattern=PERIODS, title="Periods",
            description="Train on these labelled periods instead: 36, or 0-12. Empty: the strategy's own.",
        ),
        "trials": Param(
            TRIALS, type="integer", minimum=1, maximum=MOST_TRIALS, title="Trials",
            description="How many hyper-parameters `tune` tries.",
        ),
        "promote": Param(
            True, type="boolean", title="Promote the best", description="Or only compare and record.",
        ),
        "why": Param(
            None, type=["null", "string"], maxLength=200, title="Why", description="For those who ask later."
        ),
        **{name: _hyper_parameter(contract, name, schema) for name, schema in _schemas().items()},
    }  # fmt: skip


def form_options(contract: Contract) -> list[str]:
    """The form as options of `lakeloop decisions begin`: templates, each rendering to nothing where it is empty."""
    changes = [
        f"{{{{ '--set={name}=' ~ params['{name}'] if params['{name}'] is not none }}}}"
        for name in type(contract.model).model_fields
    ]
    return [
        "--strategy={{ params.strategy }}",
        "{{ '--periods=' ~ params.periods if params.periods }}",
        "--trials={{ params.trials }}",
        "{{ '--no-promote' if not params.promote }}",
        "{{ '--trigger=' ~ params.why if params.why }}",
        *changes,
    ]


def _schemas() -> dict[str, dict[str, Any]]:
    properties: dict[str, dict[str, Any]] = ModelSettings.model_json_schema()["properties"]
    return properties


def _hyper_parameter(contract: Contract, name: str, schema: dict[str, Any]) -> Param:
    bounds = {key: schema[key] for key in _BOUNDS if key in schema}
    return Param(
        None, type=["null", schema["type"]], section="Hyper-parameters", title=name,
        description=f"Empty: {getattr(contract.model, name):g}, as in the contract.", **bounds,
    )  # fmt: skip
