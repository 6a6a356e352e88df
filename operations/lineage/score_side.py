"""Scorings of whole tables as part of an answer: which table version, which model, which run."""

from collections.abc import Mapping
from typing import Any

from lakehouse.read.provenance import find_version, table_versions
from lakehouse.storage.layout import SCORES
from lakeloop.exceptions import NotFoundError
from lakeloop.use_case import UseCase
from operations.lineage.graph import LineageDraft
from operations.lineage.lake_side import add_version
from operations.lineage.pipeline_side import version_item

NOTE, REMOVED = "scored", "scores_removed"
"""What commits of gold/scores say: which scoring brought the rows, of which ones they were removed."""


def add_scores(draft: LineageDraft, use_case: UseCase, version: int) -> tuple[str, list[Mapping[str, Any]]]:
    """A version of gold/scores with the scorings in it; gives its id, and what the commits say of each scoring.

    Raises:
        NotFoundError: there is no such table or version.
    """
    versions = table_versions(use_case, SCORES)
    made = add_version(draft, use_case, SCORES, find_version(versions, SCORES, version))
    found = [scoring for scoring in _scorings(use_case, version) if not scoring["removed"]]
    for scoring in found:
        draft.link(_add(draft, scoring), made)
    if not found:
        draft.gap(f"no commit of {made} says what was scored: an older release wrote it")
    return made, found


def add_scores_of(draft: LineageDraft, use_case: UseCase, version: str) -> None:
    """What a model version scored, behind the version; nothing where it scored nothing."""
    try:
        found = _scorings(use_case, table_versions(use_case, SCORES)[-1].version)
    except NotFoundError:
        return
    for scoring in found:
        if scoring["model"] == version:
            draft.link(version_item(version), _add(draft, scoring))


def _scorings(use_case: UseCase, version: int) -> list[Mapping[str, Any]]:
    """The notes of scorings up to a version: the last of each table version and model, with its rows, and whether these
    were removed as old.
    """
    last: dict[tuple[str, int, str], dict[str, Any]] = {}
    for commit in table_versions(use_case, SCORES):
        if commit.version > version:
            continue
        for scoring in last.values():
            scoring["removed"] |= scoring["scoring"] in commit.note.get(REMOVED, ())
        note = commit.note.get(NOTE)
        if not note:
            continue
        of = (note["table"], note["version"], note["model"])
        known = last.get(of)
        if known is None or known["scoring"] != note["scoring"]:
            last[of] = known = {**note, "scored": 0, "runs": {}, "removed": False}
        known["runs"][note["airflow_run_id"]] = None  # one that was killed, and who went on
        known["scored"] += commit.count("numOutputRows") if commit.operation == "WRITE" else 0
    return list(last.values())


def scoring_item(scoring: Mapping[str, Any]) -> str:
    """A scoring's id in an answer."""
    return f"scoring {scoring['scoring']}"


def _add(draft: LineageDraft, scoring: Mapping[str, Any]) -> str:
    facts = {
        "table": f"{scoring['table']}@{scoring['version']}",
        "model": str(scoring["model"]),
        "rows": scoring["scored"],
        "not scored yet": max(0, scoring["rows"] - scoring["scored"]) or None,
        "its rows": "removed as old (`lakeloop lake vacuum`)" if scoring["removed"] else None,
        "switched off": scoring["switched_off"],
        "Airflow run": ", ".join(filter(None, scoring["runs"])),
        "DAG": scoring["airflow_dag_id"],
    }
    title = f"scores of {scoring['table']}@{scoring['version']} by {scoring['model']}"
    return draft.add("scoring", scoring_item(scoring), title, facts)
