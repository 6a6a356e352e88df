"""The chapters of `lakeloop demo`."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile

from console.cli.decisions import decisions_table
from console.cli.render import chapter, console
from console.cli.report import report_command
from console.cli.watch import Watch
from console.platform.airflow_environment import with_airflow
from console.words import counted
from lakeloop.airflow_runs import AirflowRuns, DagRun, Question
from lakeloop.clock import period_spans, read_clock
from lakeloop.contract import Contract
from lakeloop.contract.several_labels import NO_LABEL
from lakeloop.decision import CHOICES
from lakeloop.decision_table import read_decisions
from lakeloop.events import KINDS, all_events, open_events
from lakeloop.exceptions import GateRefusedError, WrongUseError
from lakeloop.gateway_client import GatewayClient
from lakeloop.pushed_models import pushed_versions
from lakeloop.use_case import UseCase
from operations.delivery import generate
from operations.history import file_rows, history_files, history_periods
from operations.simulation import advance, questions_of

DEMO_USER = "demo"
SECONDS_TO_READ = 10
SECONDS_TO_BEGIN = 60
"""For Airflow to begin a run that an event in the ledger asks for."""
QUESTIONS_A_SECOND = 50
SECONDS_OF_QUIET = 15
"""For the monitor to measure what was just answered."""
PERIODS_PLAYED, LAST_DRAWN = 12, 36
ROWS_PLAYED = 40_000
"""Of a history; each period brings truth, and so an ingest and perhaps a retrain, which take the longer the larger."""
REQUESTS_A_PERIOD, MOST_ROWS_A_REQUEST = 2000, 1000
"""The gateway answers some hundred requests a second beside everything else on two cores."""


@dataclass(frozen=True)
class Play:
    """Periods that land as files, those that are then played as production, and the clock at which the story ends."""

    landed: tuple[int, ...]
    played: tuple[int, ...]
    until: int


def play_of(use_case: UseCase, full: bool) -> Play:
    """Twelve periods that the generator draws, or of the history's later half, of large ones fewer; `full`: all.

    Raises:
        WrongUseError: the history has fewer than two periods.
    """
    contract = use_case.contract
    if not contract.has_history:
        return Play((0,), tuple(range(1, LAST_DRAWN + 1 if full else PERIODS_PLAYED + 1)), LAST_DRAWN)
    there = history_periods(use_case)
    if len(there) < 2:
        raise WrongUseError(
            f"the history of {use_case.name} has {contract.period} {there[0]} alone; the demo lands one and plays "
            "another, so it needs two at least"
        )
    half = (len(there) + 1) // 2
    landed, later = there[:half], there[half:]
    played = later if full else later[: _how_many(use_case, later[:PERIODS_PLAYED])]
    return Play(landed, played, played[-1] + _files_delay(contract))


def _files_delay(contract: Contract) -> int:
    """How late the truth lands of what is played; of a later period's truth the history ends before the last one."""
    return contract.truth_delay - contract.ahead


def rows_a_request(use_case: UseCase, period: int) -> int:
    """How many rows of a period are asked at a time: one, as clients ask, unless a history has very many."""
    if not use_case.contract.has_history:
        return 1
    return min(MOST_ROWS_A_REQUEST, max(1, -(-_delivered_rows(use_case, period) // REQUESTS_A_PERIOD)))


def _how_many(use_case: UseCase, periods: Sequence[int]) -> int:
    """How many of a history's periods are played: as many as have `ROWS_PLAYED`, and one at least."""
    rows = accumulate(_delivered_rows(use_case, period) for period in periods)
    return max(1, sum(1 for _ in takewhile(lambda so_far: so_far <= ROWS_PLAYED, rows)))


def _delivered_rows(use_case: UseCase, period: int) -> int:
    source = use_case.contract.feature_source
    return sum(file_rows(use_case, source, path) for path in history_files(use_case, source, period))


class Story:
    """What happens, chapter by chapter; each waits for the runs that Airflow starts by itself."""

    def __init__(self, use_case: UseCase, play: Play, ask: bool) -> None:
        self._use_case, self._play = use_case, play
        reached = use_case.settings if use_case.settings.airflow_url else with_airflow(use_case.settings)
        self._airflow = AirflowRuns(reached.model_copy(update={"airflow_user": DEMO_USER}))
        self._watch = Watch(self._airflow, self._wait_for_you if ask else self._answer)
        self._deploying: DagRun | None = None

    def history(self) -> None:
        """The first periods land: from files to a model that answers.

        Raises:
            GateRefusedError: no candidate passes, so there is no model to go on with.
        """
        landed = self._play.landed
        if known := pushed_versions(self._use_case):
            chapter(f"A model answers already: version {known[-1]}")
            self._ask_gateway()
            return
        period = self._use_case.contract.period
        name = period.capitalize()
        which = f"{name} {landed[0]} lands" if len(landed) == 1 else f"{name}s {period_spans(landed)} land"
        chapter(f"{which}; Airflow sees the files")
        self._watch.remember(self._dag("ingest"), self._dag("retrain"), self._dag("deploy"))
        events = all_events(self._use_case)
        for delivery in generate(self._use_case, landed):
            console.print(f"{delivery.path}: {delivery.rows:,} rows", soft_wrap=True)
        if landed[-1]:  # what is due by then lands; the truth of the last ones comes while others are played
            advance(self._use_case, landed[-1])
        self._next("ingest", "the files that landed")
        if all_events(self._use_case) != events:
            chapter("Ground truth is there: retrain by itself")
            self._next("retrain", f"the truth of {period} {period_spans(landed)}")
        else:  # a story that was interrupted took it in
            chapter("Ground truth was there before: retrain by hand")
            self._watch.follow(self._airflow.trigger(self._dag("retrain"), {}))
        if not pushed_versions(self._use_case):
            raise GateRefusedError(
                "no model passed the gate, so nothing can answer; `lakeloop decisions show` has every check. Mend the "
                f"features or the model in {self._use_case.contract_path}, or lower `gate` there if it asks too much"
            )
        self._deploy()

    def production(self) -> None:
        """Periods of requests; drift that they bring starts a retrain without new truth."""
        played = tuple(number for number in self._play.played if number > read_clock(self._use_case).period)
        if not played:
            return
        period = self._use_case.contract.period
        chapter(f"{period.capitalize()}s {played[0]} to {played[-1]} in production, through the gateway")
        self._watch.remember(self._dag("retrain"))
        before = len(all_events(self._use_case))
        form = {"periods": f"{played[0]}-{played[-1]}", "batch": rows_a_request(self._use_case, played[0])}
        self._watch.follow(self._airflow.trigger(self._dag("simulate"), form))
        self._deployed()
        if self._use_case.contract.has_history or len(played) < len(self._play.played):
            # Nobody knows what real periods bring, and what drifted before the story was interrupted is handled.
            chapter(f"What the {period}s brought: truth that was due, perhaps drift")
            self._follow_what_runs("ingest", "retrain", quiet=SECONDS_OF_QUIET)
            kinds = Counter(event.kind for event in all_events(self._use_case)[before:])
            brought = ", ".join(f"{kinds[kind]:,} of {kind}" for kind in KINDS)
            console.print(f"events in the ledger since: {brought}; a retrain takes all that are open")
            return
        chapter("The monitor's alarm: retrain by itself, without new truth")
        self._next("retrain", "drift")

    def new_truth(self) -> None:
        """Later: the truth of the periods that were played arrives at once."""
        self._follow_what_runs("ingest", "retrain")
        now, delay = read_clock(self._use_case).period, _files_delay(self._use_case.contract)
        until = self._play.until if now < self._play.until else now + delay
        if until == now:  # truth comes without delay here, so all of it has come
            if ahead := self._use_case.contract.ahead:
                kind = self._use_case.contract.period
                console.print(f"truth comes {counted(ahead, kind)} later, so that of {kind} {now} has not come yet")
            return
        first, last, period = max(1, now - delay + 1), until - delay, self._use_case.contract.period
        chapter(f"The clock jumps to {period} {until}: the truth of {period}s {first} to {last} lands as one delivery")
        self._watch.remember(self._dag("ingest"), self._dag("retrain"), self._dag("deploy"))
        for path in advance(self._use_case, until):
            console.print(f"{path}", soft_wrap=True)
        known = pushed_versions(self._use_case)
        self._next("ingest", "the truth that landed")
        self._next("retrain", "new ground truth")
        if pushed_versions(self._use_case) != known:
            self._deploy()
            self._deployed()

    def end(self, seconds: float) -> None:
        """What was decided, the report, and where to look."""
        chapter("What was decided")
        console.print(decisions_table(read_decisions(self._use_case)))
        chapter("The model that serves now")
        report_command(use_case=self._use_case.name)
        console.print(f"\nAirflow    {self._airflow.url}", soft_wrap=True)
        console.print(f"Pages      http://127.0.0.1:{self._use_case.settings.monitor_port}", soft_wrap=True)
        console.print(f"Try it     {self._use_case.settings.gateway}", soft_wrap=True)
        console.print(f"\nDone in {seconds:.0f} s.")

    def _dag(self, what: str) -> str:
        return f"{self._use_case.name}_{what}"

    def _next(self, what: str, why: str) -> None:
        self._watch.follow(self._watch.next_run(self._dag(what), why=why))

    def _follow_what_runs(self, *whats: str, quiet: float = 0) -> None:
        """Until these DAGs have nothing to do: periods of simulation bring truth, and with it retrains of their own.

        `quiet`: seconds for which there must be nothing.
        """
        until = time.monotonic() + SECONDS_TO_BEGIN
        still = time.monotonic()
        while time.monotonic() < until:
            running = [run for what in whats for run in self._airflow.runs(self._dag(what)) if not run.ended]
            if not running and not open_events(self._use_case):
                if time.monotonic() - still >= quiet:
                    return
            else:
                still = time.monotonic()
            for run in running:
                self._watch.follow(run)
                until = time.monotonic() + SECONDS_TO_BEGIN
            time.sleep(1)

    def _deploy(self) -> None:
        """The pushed model answers; Airflow goes on watching its first answers."""
        self._deploying = self._watch.next_run(self._dag("deploy"), why="the pushed model")
        self._watch.follow(self._deploying, until="available")
        self._ask_gateway()

    def _deployed(self) -> None:
        """What Airflow saw of its first answers; clients go on asking until it has seen enough of them."""
        if self._deploying is None:
            return
        client = self._client(rate=QUESTIONS_A_SECOND)
        questions = questions_of(self._use_case, self._play.landed[0], f"demo{time.time_ns()}")
        for start in range(0, len(questions), QUESTIONS_A_SECOND):
            if self._airflow.run(self._deploying).ended:
                break
            client.ask(questions[start : start + QUESTIONS_A_SECOND])
        self._watch.follow(self._deploying)

    def _client(self, rate: float | None = None) -> GatewayClient:
        settings = self._use_case.settings
        return GatewayClient(settings.gateway, self._use_case.contract, rate=rate, token=settings.own_token)

    def _ask_gateway(self) -> None:
        """One question to the gateway; who answered it."""
        question = questions_of(self._use_case, self._play.landed[0], f"demo{time.time_ns()}")[0]
        (answer,) = self._client().ask([question])
        model = f"model version {answer['model_version']}" if answer["model_version"] else f"rules: {answer['reason']}"
        said = answer["prediction"] if "prediction" in answer else ", ".join(answer["labels"]) or NO_LABEL
        self._watch.say(f"the gateway answers [bold]{said}[/bold] ({model})")

    def _answer(self, question: Question) -> None:
        """Keep the champion, after time to read: as a user of Airflow would, by its API."""
        with console.status(f"answering in {SECONDS_TO_READ} s …"):
            time.sleep(SECONDS_TO_READ)
        choice = CHOICES["keep"]
        self._airflow.answer(question, choice)
        self._watch.say(f"user {DEMO_USER} answers: {choice}")

    def _wait_for_you(self, question: Question) -> None:
        console.print(f"Answer it there: {self._airflow.link(question.run)}; the story goes on then", soft_wrap=True)
