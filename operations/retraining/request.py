"""What a retrain is to do, and who hears what happens meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from lakeloop.decision import TRIALS, Decision, Strategy
from lakeloop.use_case import UseCase
from operations.retraining.candidates import Periods

if TYPE_CHECKING:
    from lakehouse.lake import OpenSpark
    from tfx_pipeline.runs.run_record import NodeResult


@dataclass(frozen=True)
class RetrainRequest:
    """What is wanted, by whom and why; `promote` False: compare and record, push nothing.

    `changes` are hyper-parameters (name: text) that every candidate is trained with instead of the contract's;
    `woken_by` are the ledger's numbers of the events that woke it.
    """

    strategy: Strategy = "auto"
    periods: Annotated[Periods | None, Field(alias="months")] = None
    trials: int = TRIALS
    trigger: str = ""
    decided_by: str = ""
    promote: bool = True
    airflow_run_id: str = ""
    changes: dict[str, str] = field(default_factory=dict)
    woken_by: str = ""


@dataclass(frozen=True)
class Listener:
    """Told what happens while it happens.

    `on_decision` writes the page of a decision, each time it goes on record, `on_version` the card of the version that
    it pushed.
    """

    say: Callable[[str], None] = lambda text: None
    on_start: Callable[[str], None] = lambda node: None
    on_node: "Callable[[NodeResult], None]" = lambda result: None
    on_decision: Callable[[Decision], object] = lambda decision: None
    on_version: Callable[[str], object] = lambda version: None


@dataclass(frozen=True)
class Workplace:
    """What every stage of a retrain needs; Spark is opened by the one that plans, and closed before a model trains."""

    use_case: UseCase
    open_spark: "OpenSpark"
    listener: Listener = field(default_factory=Listener)
