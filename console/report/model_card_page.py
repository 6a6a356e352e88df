"""The card of a pushed version as a page and as Markdown; both lie with the model, and go where it goes."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from console.report.html_file import write_page
from console.words import CODE
from lakeloop.atomic_file import write_text
from lakeloop.exceptions import NotFoundError
from lakeloop.model_card import CARD_PAGE, CARD_TEXT
from lakeloop.pushed_models import model_folder
from lakeloop.use_case import UseCase
from operations.model_card.document import CardDocument, CardList, CardPart, CardTable
from operations.model_card.facts import card_facts
from operations.model_card.sections import card_document
from tfx_pipeline.runs.run_record import RunRecord, load_runs

MARKUP = re.compile(r"([\\`*_\[\]<>|])")


def card_of(use_case: UseCase, run: RunRecord) -> CardDocument:
    """The card of the version that a run pushed, of what is known now."""
    return card_document(card_facts(use_case, run))


def card_values(card: CardDocument, run: RunRecord) -> dict[str, Any]:
    """What the page's template needs."""
    return {"card": card, "run": run}


def write_card(use_case: UseCase, run: RunRecord) -> Path:
    """Write both into the folder of the version that a run pushed; gives the page's path.

    Raises:
        NotFoundError: there is no such version, or no longer.
    """
    folder, card = model_folder(use_case, run.pushed_version), card_of(use_case, run)
    created = f"{datetime.now(UTC):%Y-%m-%d %H:%M UTC}"
    write_text(folder / CARD_TEXT, card_markdown(card))
    return write_page(
        "model_card.html", folder / CARD_PAGE, contract=use_case.contract, created=created, **card_values(card, run)
    )


def pushing_run(use_case: UseCase, version: str) -> RunRecord:
    """The run that pushed a version.

    Raises:
        NotFoundError: no run's record tells of it.
    """
    run = next((run for run in load_runs(use_case) if run.pushed_version == version), None)
    if run is None:
        raise NotFoundError(f"no run's record tells of version {version} of {use_case.name}: it gets no model card")
    return run


def card_markdown(card: CardDocument) -> str:
    """The card as Markdown; what came from data or people cannot become markup."""
    lines = [f"# {_plain(card.title)}", "", _plain(card.lead), ""]
    for section in card.sections:
        lines += [f"## {section.heading}", ""]
        for part in section.parts:
            lines += [*_part(part), ""]
    return "\n".join(lines)


def _part(part: CardPart) -> list[str]:
    if isinstance(part, CardList):
        return [f"- {_plain(item)}" for item in part.sentences]
    if isinstance(part, CardTable):
        marks = ["---:" if name in part.numbers else "---" for name in part.header]
        return [_row(map(_plain, part.header)), _row(marks), *(_row(map(_plain, row)) for row in part.rows)]
    return [_plain(part)]


def _row(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Only what stands in backticks is markup: code."""
    pieces = CODE.split(" ".join(text.split()))  # every second one is code
    return "".join(_code(one) if i % 2 else MARKUP.sub(r"\\\1", one) for i, one in enumerate(pieces))


def _code(text: str) -> str:
    escaped = text.replace("|", "\\|")  # which ends a cell even there
    return f"`{escaped}`"
