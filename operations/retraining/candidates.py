"""Which candidates a retrain tries: by the request, which truth is there, and what has drifted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lakeloop.contract import MODEL_KINDS, Contract
from lakeloop.decision import STRATEGIES, TRIALS, Strategy
from lakeloop.exceptions import WrongUseError
from tfx_pipeline.runs.parameters import Weighting

Periods = tuple[int, int]


def checked_strategy(text: str) -> Strategy:
    """The strategy of that name.

    Raises:
        WrongUseError: there is none.
    """
    found = next((name for name in STRATEGIES if name == text), None)
    if found is None:
        raise WrongUseError(f"there is no strategy {text!r}; strategies: {', '.join(STRATEGIES)}")
    return found


@dataclass(frozen=True)
class Candidate:
    """How a model is made that may take the champion's place. `periods` None: all labelled ones; `version` None: the
    table as it is now.

    `kind` is the kind of its model, '' for the one that was asked for.
    """

    name: str
    what: str
    periods: Periods | None = None
    version: int | None = None
    drop: tuple[str, ...] = ()
    weighting: Weighting = "none"
    trials: int = 0
    kind: str = ""


@dataclass(frozen=True)
class Evidence:
    """What candidates are chosen by.

    `old` is the export the champion was trained on as (periods, version), None where there is no champion or nobody
    knows; `changed` is how many rows of those periods were corrected, added or withdrawn since, as far as no decision
    about it looked at them; `drifted` are features, the furthest first; `requests` is how many are in the window.
    """

    labelled: tuple[int, ...]
    champion_periods: tuple[int, ...] = ()
    old: tuple[Periods | None, int] | None = None
    changed: int = 0
    drifted: tuple[str, ...] = ()
    requests: int = 0

    @property
    def new_truth(self) -> bool:
        """Whether there is truth the champion was not checked on yet: a newer period, or its own rows have changed."""
        return bool(self.labelled) and (self.newer_period or self.changed > 0)

    @property
    def newer_period(self) -> bool:
        """Whether a period is labelled now that is newer than all the champion knows; true without a champion."""
        return bool(self.labelled) and self.labelled[-1] > max(self.champion_periods, default=-1)


def candidates_for(
    strategy: Strategy, contract: Contract, evidence: Evidence, periods: Periods | None = None, trials: int = TRIALS
) -> list[Candidate]:
    """The candidates to try, each different from the others; none for `keep`. `periods`: train on these instead.

    Raises:
        WrongUseError: the strategy needs something that is not there; the text says what.
    """
    if strategy == "keep":
        return []
    if not evidence.labelled:
        raise WrongUseError(
            "there is no labelled row to train on yet; deliver ground truth and run `lakeloop lake ingest`"
        )
    if strategy == "auto":
        return _auto(contract, evidence, periods)
    if strategy in ("newest", "all"):
        return _option_one(contract, evidence, periods, strategy)
    if strategy == "drop":
        return _drop(contract, evidence, periods)
    if strategy == "tune":
        return [
            _on_old(contract, evidence, periods, "tune", f"the best of {trials} trials of the Tuner", trials=trials)
        ]
    if strategy == "kinds":
        found = (_on_old(contract, evidence, periods, kind, f"a model of kind {kind}") for kind in MODEL_KINDS)
        return [replace(candidate, kind=candidate.name) for candidate in found]
    return [_weighted(contract, evidence, periods, "reweight" if strategy == "reweight" else "resample")]


def _auto(contract: Contract, evidence: Evidence, periods: Periods | None) -> list[Candidate]:
    """Option I where there is new truth, else option II with whatever can be done."""
    if evidence.new_truth or periods is not None:
        return _option_one(contract, evidence, periods, "newest", "all")
    found = _drop(contract, evidence, None) if evidence.drifted and len(contract.features) > 1 else []
    if evidence.requests:
        found += [_weighted(contract, evidence, None, "reweight"), _weighted(contract, evidence, None, "resample")]
    if not found:
        raise WrongUseError(
            "no new truth, no drifted feature and no request is there, so nothing can be better than the champion; "
            "--strategy newest, all or tune trains anyway"
        )
    return found


def _option_one(contract: Contract, evidence: Evidence, periods: Periods | None, *names: str) -> list[Candidate]:
    period = contract.period
    if periods is not None:
        return [Candidate(f"{period}s {_text(periods)}", f"trained on {period}s {_text(periods)}", periods)]
    first, newest = evidence.labelled[0], evidence.labelled[-1]
    if contract.split.by == "time":  # which holds the newest one out, so that alone it has nothing to train on
        if names == ("newest",):
            raise WrongUseError(
                f"{period} {newest} alone cannot be trained on: a split by time holds the newest {period}s out; "
                "--strategy all trains on those before"
            )
        names = ("all",)
    found = {
        "newest": Candidate("newest", f"trained on {period} {newest}, the newest labelled one", (newest, newest)),
        "all": Candidate("all", f"trained on all labelled {period}s, {_text((first, newest))}"),
    }
    if len(evidence.labelled) == 1:
        return [found[names[0]]]
    return [found[name] for name in names]


def _drop(contract: Contract, evidence: Evidence, periods: Periods | None) -> list[Candidate]:
    """Without all that drifted, and without the one that drifted furthest."""
    if not evidence.drifted:
        raise WrongUseError("no feature has drifted, so there is none to leave out")
    sets = [evidence.drifted] if len(evidence.drifted) < len(contract.features) else []
    if len(evidence.drifted) > 1:
        sets.append(evidence.drifted[:1])
    if not sets:
        raise WrongUseError("the only feature has drifted; a model needs at least one")
    return [
        _on_old(contract, evidence, periods, f"drop {' '.join(names)}", f"without {', '.join(names)}", drop=names)
        for names in sets
    ]


def _weighted(contract: Contract, evidence: Evidence, periods: Periods | None, weighting: Weighting) -> Candidate:
    if not evidence.requests:
        raise WrongUseError(
            f"{weighting} needs the requests of now, and none was streamed yet; `lakeloop lake stream` takes them in"
        )
    done = "weighted" if weighting == "reweight" else "drawn by their weight"
    return _on_old(
        contract, evidence, periods, weighting, f"rows {done} towards the current requests", weighting=weighting
    )


def _on_old(
    contract: Contract,
    evidence: Evidence,
    periods: Periods | None,
    name: str,
    what: str,
    drop: Sequence[str] = (),
    weighting: Weighting = "none",
    trials: int = 0,
) -> Candidate:
    """On the champion's own rows; on all labelled ones where there are newer, or nobody knows which those were."""
    version: int | None = None
    if periods is None and evidence.old is not None and not evidence.new_truth:
        periods, version = evidence.old
        what += ", on the champion's own rows"
    else:
        period = contract.period
        what += f", on {period}s {_text(periods)}" if periods is not None else f", on all labelled {period}s"
    return Candidate(name, what, periods, version, tuple(drop), weighting, trials)


def _text(periods: Periods) -> str:
    return str(periods[0]) if periods[0] == periods[1] else f"{periods[0]}-{periods[1]}"
