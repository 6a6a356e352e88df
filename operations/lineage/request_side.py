"""Answered requests as part of an answer: one by its id, and how many a model version answered."""

import json
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lakehouse.requests.arrivals import arrivals
from lakehouse.storage.layout import PREDICTIONS_TABLE, REQUESTS
from lakeloop.contract import Contract
from lakeloop.exceptions import NotFoundError
from lakeloop.lake_tables import Filter, dataset_of, open_lake_table, read_lake_records
from lakeloop.own_code import code_sha256
from lakeloop.request_log_files import finished_files, open_files, request_log_folder
from lakeloop.request_record import RequestRecord
from lakeloop.use_case import UseCase
from operations.lineage.graph import LineageDraft
from operations.lineage.pipeline_side import version_item

if TYPE_CHECKING:
    import pyarrow as pa


def add_request(draft: LineageDraft, use_case: UseCase, request_id: str) -> tuple[str, str]:
    """One answered request; gives its id and the model version that gave the probabilities, '' where none was asked.

    Raises:
        NotFoundError: neither the lake nor the request log has it.
    """
    contract = use_case.contract
    row = _from_lake(use_case, request_id)
    if row is None:
        row = _from_log(use_case, request_id)
        draft.gap(f"request {request_id} is not in the lake yet; `lakeloop lake stream` brings it in")
    features = {name: row[name] for name in contract.features}
    facts: dict[str, object] = {
        "answer": row["prediction"],
        "by": row["predictor_type"],
        "reason": row["reason"],
        **_rules_of(use_case, row),
        "model version": row["model_version"],
        **_how_sure(row),
        "asked": row["at"],
        "answered": row["answered_at"],
        "latency": f"{row['latency_ms']:.1f} ms",
        "log file": row["_source_file"],
        contract.key.column: row[contract.key.column],
        **{name: f"{value:.6g}" if isinstance(value, float) else str(value) for name, value in features.items()},
    }
    item = draft.add("request", f"request {request_id}", f"request {request_id}: {row['prediction']}", facts)
    if row["predictor_type"] == "rules":
        asked = f"version {row['model_version']} was asked, too" if row["model_version"] else "no model was asked"
        draft.gap(f"the rules answered request {request_id} ({row['reason']}); {asked}")
    return item, row["model_version"] or ""


def _rules_of(use_case: UseCase, row: Mapping[str, Any]) -> dict[str, object]:
    """Which code the rules had that answered, by the line of the request log; nothing where a model answered, or an
    older gateway, which did not say.
    """
    if row["predictor_type"] != "rules" or use_case.contract.fallback is None:
        return {}
    sha256 = row["rules_sha256"] if "rules_sha256" in row else _logged_line(use_case, row).get("rules_sha256")
    if not sha256:
        return {}
    file = use_case.contract.fallback.rules.partition(":")[0]
    path = use_case.own_folder / file
    same = path.is_file() and code_sha256(path) == sha256
    return {"rules": f"{file}, sha256 {sha256} ({'as it is now' if same else 'it has changed since'})"}


def _logged_line(use_case: UseCase, row: Mapping[str, Any]) -> dict[str, Any]:
    """The line of the request log that a row of the lake was made of; {} where bronze has it no more."""
    place: list[Filter] = [(name, "=", row[name]) for name in ("_batch", "_source_file", "_line")]
    found = read_lake_records(use_case, f"bronze/{REQUESTS}", place)
    return dict(json.loads(found[0]["line"])) if found and found[0]["line"] else {}


def _how_sure(row: Mapping[str, Any]) -> dict[str, object]:
    """The probability of the class, or the interval around a number."""
    if "lower" not in row:
        return {"confidence": row["confidence"]}
    return {"interval": "" if row["lower"] is None else f"{row['lower']:.6g} to {row['upper']:.6g}"}


def add_requests_of(draft: LineageDraft, use_case: UseCase, version: str) -> None:
    """How many requests a model version answered, and when, as one item behind the version."""
    answered = requests_of(use_case, [version], ["at", "predictor_type"])
    if answered is None or not answered.num_rows:
        draft.gap(f"the lake has no request that model version {version} answered yet")
        return
    import pyarrow.compute as pc

    by_rules = pc.sum(pc.equal(answered["predictor_type"], "rules")).as_py()
    first, last = pc.min(answered["at"]).as_py(), pc.max(answered["at"]).as_py()
    facts = {"requests": answered.num_rows, "of them answered by rules in the end": by_rules or None,
             "first": f"{first:%Y-%m-%d %H:%M} UTC", "last": f"{last:%Y-%m-%d %H:%M} UTC"}  # fmt: skip
    title = "1 answered request" if answered.num_rows == 1 else f"{answered.num_rows:,} answered requests"
    item = draft.add("request", f"requests of {version}", title, facts)
    draft.link(version_item(version), item)


def requests_of(use_case: UseCase, versions: list[str], columns: list[str]) -> "pa.Table | None":
    """The requests in the lake whose probabilities came from these versions; None before any was taken in."""
    import pyarrow.dataset as ds

    found = open_lake_table(use_case, PREDICTIONS_TABLE)
    if found is None:
        return None
    return dataset_of(found).to_table(columns=columns, filter=ds.field("model_version").isin(versions))


def _from_lake(use_case: UseCase, request_id: str) -> dict[str, Any] | None:
    found = read_lake_records(use_case, PREDICTIONS_TABLE, [("request_id", "=", request_id)])
    if not found:
        return None
    times = {name: f"{found[0][name]:%Y-%m-%d %H:%M:%S} UTC" for name in ("at", "answered_at")}
    return {**found[0], **times}


def _from_log(use_case: UseCase, request_id: str) -> dict[str, Any]:
    for name, record in _records_with(use_case, request_id):
        if record.request_id == request_id:
            row = record.model_dump()
            if record.class_id is None:
                row |= {"lower": record.lower, "upper": record.upper}
            confidence = _confidence(use_case.contract, record)
            return {**row, **record.features, use_case.contract.key.column: record.key, "confidence": confidence,
                    "_source_file": name, "rules_sha256": record.rules_sha256}  # fmt: skip
    raise NotFoundError(
        f"there is no request {request_id} of {use_case.name}, neither in {PREDICTIONS_TABLE} nor in the request log; "
        "`lakeloop lake show predictions` lists some"
    )


def _confidence(contract: Contract, record: RequestRecord) -> float | None:
    """The probability of the class that the model answered; the highest one where rules did. Of several labels that
    of exactly these, or of the likeliest set.
    """
    known = record.probabilities
    if not known:
        return None
    if contract.label.several:
        has = record.class_id if record.predictor_type == "model" else None
        likely = (max(p, 1 - p) if has is None else p if has >> i & 1 else 1 - p for i, p in enumerate(known))
        return prod(likely)
    return known[record.class_id] if record.predictor_type == "model" and record.class_id is not None else max(known)


def _records_with(use_case: UseCase, text: str) -> Iterator[tuple[str, RequestRecord]]:
    """Records of the request log whose line holds the text, each with the name of its file, or of its topic; lines that
    are no record are passed over.
    """
    needle = json.dumps(text)
    for name, lines in _newest_first(use_case):
        for line in lines:
            if needle in line:
                try:
                    yield name, RequestRecord.model_validate_json(line)
                except ValidationError:
                    continue


def _newest_first(use_case: UseCase) -> Iterator[tuple[str, Iterable[str]]]:
    """What is in the request log and perhaps not in the lake: of a topic all that is not, and every file."""
    there = arrivals(use_case).topic
    if there is not None:
        from lakeloop.topic_client import TopicReader

        with TopicReader(there.topic) as reader:
            yield there.topic.name, (line.line.decode(errors="replace") for line in reader.lines(there.spans))
    folder = request_log_folder(use_case)
    for path in (path for files in (open_files, finished_files) for path in reversed(files(folder))):
        try:
            yield path.name, path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:  # an open one that was finished just now: it comes again under its new name
            continue
