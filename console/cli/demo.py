"""`lakeloop demo`: the whole loop through Airflow, told while it happens, with links to look at it."""

import os
import time
from typing import Annotated

import typer

from console.cli.demo_story import Story, play_of
from console.cli.fetched_history import with_history
from console.cli.options import open_use_case
from console.cli.platform import down_command, up_command
from console.cli.render import chapter, console
from console.cli.use_case_option import UseCaseOption
from lakeloop.clock import play, read_clock
from lakeloop.exceptions import WrongUseError
from operations.fetching.fetched_history import leave_to_history


def demo_command(
    full: Annotated[bool, typer.Option("--full", help="Play every period there is, not just a few.")] = False,
    ask: Annotated[bool, typer.Option("--ask", help="Wait for your answer where a person is asked.")] = False,
    keep: Annotated[bool, typer.Option("--keep/--no-keep", help="Leave the platform running at the end.")] = True,
    use_case: UseCaseOption = "",
) -> None:
    """Close the loop once, through Airflow: data, model, a year of requests, drift, a retrain, new truth, another.

    Periods are drawn by the use case's generator, or replayed from its history, which is fetched first where its
    sources are: the first half of it is landed, the rest played as production. Starts the platform, unless
    LAKELOOP_AIRFLOW_URL names one that runs, as in containers; a story that was interrupted goes on where it was.
    """
    case = open_use_case(use_case)
    if not case.contract.plays_periods:
        raise WrongUseError(
            f"the demo needs data, and use case {case.name} has neither `generator` nor `history` in its contract, and "
            "not every source has a `fetch`"
        )
    with_history(case)
    played = play_of(case, full)
    play(case)
    if (now := read_clock(case).period) >= played.until:
        raise WrongUseError(
            f"the demo was played to its end in {case.settings.home} (the clock of {case.name} stands at "
            f"{case.contract.period} {now}): "
            "`lakeloop up` starts the platform as it is there; `make clean`, or another LAKELOOP_HOME, plays it anew"
        )
    # On drift, one candidate is enough to tell the story; read by the retrain this platform's scheduler starts.
    os.environ.setdefault("LAKELOOP_STRATEGY_ON_DRIFT", "reweight")
    started = time.monotonic()
    if read_clock(case).is_played:
        console.print(
            f"The contract says `clock: wall`. This home, {case.settings.home}, plays {case.name} with a simulated "
            "clock, as LAKELOOP_CLOCK=simulated does, so that years pass in minutes; in another LAKELOOP_HOME it goes "
            "by the real time.",
            soft_wrap=True,
        )
    if case.contract.history_is_fetched:  # what Airflow fetched, it would take in in the middle of the story
        leave_to_history(case, range(played.played[-1] + 1))
        os.environ.setdefault("LAKELOOP_SERVED_USE_CASES", case.name)
    elsewhere = case.settings.airflow_url
    if elsewhere:
        chapter(f"The platform runs already: Airflow at {elsewhere}")
    else:
        chapter("The platform starts")
        up_command(use_case=use_case)
    story = Story(case, played, ask)
    story.history()
    story.production()
    story.new_truth()
    story.end(time.monotonic() - started)
    if elsewhere:
        return
    if keep:
        alone = f", with {case.name} alone; all are served after `lakeloop down` and `lakeloop up`"
        stays = alone if case.contract.history_is_fetched else ""
        console.print(f"\nThe platform stays up{stays}. Stop it:  .venv/bin/lakeloop down --use-case {case.name}")
    else:
        down_command(use_case)
