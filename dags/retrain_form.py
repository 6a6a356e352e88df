"""The form of a retrain by hand: what may be wanted, checked by Airflow before a run is made (else 400)."""

from typing import Any

from airflow.sdk import Param

from lakeloop.contract import MODEL_KINDS, Contract
from lakeloop.decision import MOST_TRIALS, STRATEGIES, TRIALS

PERIODS = r"^([0-9]{1,6}(-[0-9]{1,6})?)?$"
HYPER_PARAMETERS = "Hyper-parameters"
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
        "kind": Param(
            None, type=["null", "string"], enum=[None, *MODEL_KINDS], section=HYPER_PARAMETERS, title="kind",
            description=f"Empty: {contract.model.kind}, as in the contract. Another begins with what is usual for it.",
        ),
        **_hyper_parameters(contract),
    }  # fmt: skip


def form_options(contract: Contract) -> list[str]:
    """The form as options of `lakeloop decisions begin`: templates, each rendering to nothing where it is empty."""
    changes = [
        f"{{{{ '--set={name}=' ~ params['{name}'] if params['{name}'] is not none }}}}"
        for name in ("kind", *_hyper_parameters(contract))
    ]
    return [
        "--strategy={{ params.strategy }}",
        "{{ '--periods=' ~ params.periods if params.periods }}",
        "--trials={{ params.trials }}",
        "{{ '--no-promote' if not params.promote }}",
        "{{ '--trigger=' ~ params.why if params.why }}",
        *changes,
    ]


def _hyper_parameters(contract: Contract) -> dict[str, Param]:
    """Those of the contract's kind of model, then those that only other kinds have."""
    found: dict[str, Param] = {}
    for settings in (contract.model, *(settings() for settings in MODEL_KINDS.values())):
        own = settings.kind == contract.model.kind
        section = HYPER_PARAMETERS if own else f"{HYPER_PARAMETERS} of {settings.kind}"
        for name, schema in type(settings).model_json_schema()["properties"].items():
            if name != "kind" and name not in found:
                usual = f"Empty: {getattr(settings, name):g}, {'as in the contract' if own else 'as is usual'}."
                found[name] = _hyper_parameter(name, schema, section, usual)
    return found


def _hyper_parameter(name: str, schema: dict[str, Any], section: str, usual: str) -> Param:
    bounds = {key: schema[key] for key in _BOUNDS if key in schema}
    return Param(None, type=["null", schema["type"]], section=section, title=name, description=usual, **bounds)
