"""`lakeloop retrain`: try what applies after drift or new truth, compare, promote the best, put it on record."""

from console.cli.decisions import print_decision
from console.cli.render import DIM, console
from console.cli.retrain_options import with_retrain_options
from console.report.decision_page import decision_page
from lakeloop.exceptions import GateRefusedError
from operations.retraining.request import RetrainRequest, Workplace


@with_retrain_options
def retrain_command(work: Workplace, request: RetrainRequest) -> None:
    """Train candidates, check each by the gate, compare them with the champion, push the best and record it all.

    With truth that is newer than the champion's, or was corrected since: `newest` (the latest labelled period) and
    `all` (every labelled period). Without: `drop` (drifted features left out), `reweight` and `resample` (old rows
    weighed towards the current requests). `tune` searches hyper-parameters, `kinds` trains a network and trees; `keep`
    does nothing and says so. Labels come from gold alone, never from a generator.

    Takes the open events of the ledger. Exit 3: no candidate passed the gate; the champion stays.
    """
    from operations.retraining.projections import nothing_to_do  # noqa: PLC0415 - comes with what trains
    from operations.retraining.retrain import retrain  # noqa: PLC0415 - takes a second, which help need not wait for

    decision = retrain(work, request)
    if decision is None:
        console.print(nothing_to_do(request))
        return
    print_decision(decision)
    console.print(f"\nReport   {decision_page(work.use_case.settings, decision.decision_id)}", soft_wrap=True)
    if decision.outcome == "none passed":
        console.print(
            f"`lakeloop decide {decision.decision_id} --choice promote|change|keep|fallback` says what is done; "
            "`lakeloop fallback add` lets the rules answer at any time, `--strategy tune` tries on",
            style=DIM,
        )
        raise GateRefusedError(f"{decision.reason}; the champion stays")
