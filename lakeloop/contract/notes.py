"""What of a contract is good but should be known."""

from collections.abc import Iterator

from lakeloop.contract.contract import Contract
from lakeloop.contract.expression import columns_in
from lakeloop.contract.features import notes_on
from lakeloop.contract.gate import notes_on_checks


def contract_notes(contract: Contract) -> Iterator[str]:
    """A sentence each, with its place."""
    yield from notes_on(contract.features)
    yield from notes_on_checks(contract.gate)
    if contract.ahead and contract.persistence is None:
        yield (
            "label.ahead: no feature says what a row has now, so a model need not be better than the same again; make "
            f"`{contract.label.column}` a feature, or name the one that says it in `label.naive`"
        )
    if contract.truth_expression is not None and not contract.ahead:
        for name in dict.fromkeys(named.column for named in columns_in(contract.truth_expression)):
            if name in contract.features:
                yield (
                    f"features.{name}: the truth is computed from it (`{contract.label.made}`). Where it is only known "
                    "together with the truth, the model is told the answer: then leave it out of the features"
                )
