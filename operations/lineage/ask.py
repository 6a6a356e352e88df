"""One question for all kinds of things: what a text names, and its lineage."""

from uuid import UUID

from lakeloop.exceptions import WrongUseError
from lakeloop.pushed_models import pushed_versions
from lakeloop.use_case import UseCase
from operations.lineage.graph import Lineage
from operations.lineage.trace import trace_file, trace_model, trace_request, trace_run, trace_table
from tfx_pipeline.metadata.lineage.models import model_of
from tfx_pipeline.metadata.lineage.runs import run_ids, runs_of_airflow_run
from tfx_pipeline.metadata.store import has_metadata, open_store

PREDICTION, MODEL, TABLE, FILE, RUN = "prediction", "model", "table", "file", "run"
LAYERS = ("bronze/", "silver/", "gold/")


def kind_of(use_case: UseCase, text: str) -> str:
    """What a text names: a table, a known version or run, a file by its name or checksum; anything else: a request."""
    if text.startswith(LAYERS):
        return TABLE
    if text in pushed_versions(use_case):
        return MODEL
    if has_metadata(use_case.settings):
        with open_store(use_case.settings) as store:
            if text.isdigit() and model_of(store, use_case.name, text) is not None:
                return MODEL
            if text in run_ids(store, use_case.name) or runs_of_airflow_run(store, text):
                return RUN
    return PREDICTION if _is_uuid(text) or not _is_file(text) else FILE


def trace(use_case: UseCase, kind: str, subject: str) -> Lineage:
    """The lineage of a subject of one of the kinds.

    Raises:
        NotFoundError: nobody knows it.
        WrongUseError: there is no such kind, or a table's version is no number.
    """
    if kind == PREDICTION:
        return trace_request(use_case, subject)
    if kind == MODEL:
        return trace_model(use_case, subject)
    if kind == TABLE:
        return trace_table(use_case, *table_and_version(subject))
    if kind == FILE:
        return trace_file(use_case, subject)
    if kind == RUN:
        return trace_run(use_case, subject)
    raise WrongUseError(f"{kind!r} has no lineage; there are {PREDICTION}, {MODEL}, {TABLE}, {FILE} and {RUN}")


def table_and_version(text: str) -> tuple[str, int | None]:
    """`gold/training@3` -> ("gold/training", 3); without a version: None, the newest. Raises WrongUseError."""
    name, _, version = text.partition("@")
    if version and not version.isdigit():
        raise WrongUseError(f"{text!r}: what stands behind @ is a version's number, e.g. {name}@3")
    return name, int(version) if version else None


def _is_file(text: str) -> bool:
    return "/" in text or "." in text or (len(text) == 64 and set(text) <= set("0123456789abcdef"))


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
