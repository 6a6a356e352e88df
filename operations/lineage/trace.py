"""Lineage of a request, a model, a table's version, a delivered file or a run: both ways, across the cut."""

from ml_metadata import metadata_store

from lakehouse.bronze.ledger import deliveries
from lakehouse.read.provenance import find_version, table_versions
from lakehouse.read.tables import open_table
from lakehouse.storage.layout import CLUSTERS, SCORES, TRAINING_TABLE
from lakeloop.exceptions import NotFoundError, WrongUseError
from lakeloop.pushed_models import model_folder
from lakeloop.use_case import UseCase
from operations.lineage import (
    cluster_side,
    decision_side,
    lake_side,
    pipeline_side,
    release_side,
    request_side,
    score_side,
)
from operations.lineage.card_side import add_cards
from operations.lineage.deliveries import find_deliveries, gold_with
from operations.lineage.fetch_side import add_fetching_code
from operations.lineage.graph import Lineage, LineageDraft
from tfx_pipeline.metadata.lineage.models import KnownModel, model_of, models_trained_on
from tfx_pipeline.metadata.lineage.runs import RunGraph, run_graph, run_ids, run_of_artifact, runs_of_airflow_run
from tfx_pipeline.metadata.store import has_metadata, open_store


def trace_request(use_case: UseCase, request_id: str) -> Lineage:
    """One answered request, back to the delivered files.

    Raises:
        NotFoundError: nobody knows the request.
    """
    draft = LineageDraft()
    request, version = request_side.add_request(draft, use_case, request_id)
    if version:
        item = pipeline_side.version_item(version)
        try:
            with open_store(use_case.settings) as store:
                _add_model(draft, use_case, store, version)
        except NotFoundError as missing:
            draft.add("version", item, f"model version {version}")
            draft.gap(f"the model that answered is not known any more: {missing}")
        draft.link(item, request)
        release_side.add_releases_of(draft, use_case, version)
    return _finish(draft, use_case, request)


def trace_model(use_case: UseCase, version: str) -> Lineage:
    """A pushed version: what it was made from, who wanted it, what it answered.

    Raises:
        NotFoundError: no such version was ever pushed; the text names those that were.
    """
    draft = LineageDraft()
    with open_store(use_case.settings) as store:
        _add_model(draft, use_case, store, version)
    release_side.add_releases_of(draft, use_case, version)
    request_side.add_requests_of(draft, use_case, version)
    score_side.add_scores_of(draft, use_case, version)
    return _finish(draft, use_case, pipeline_side.version_item(version))


def trace_run(use_case: UseCase, run: str) -> Lineage:
    """A pipeline run, or all candidates that a run of Airflow made.

    Raises:
        NotFoundError: ML Metadata has no such run; the text names the newest.
    """
    draft = LineageDraft()
    with open_store(use_case.settings) as store:
        graphs = [graph for name in [run, *runs_of_airflow_run(store, run)] if (graph := run_graph(store, name))]
        if not graphs:
            newest = ", ".join(run_ids(store, use_case.name)[-5:][::-1]) or "none"
            raise NotFoundError(f"ML Metadata has no run {run} of {use_case.name}; the newest are {newest}")
    for graph in graphs:
        _add_run(draft, use_case, graph)
    return _finish(draft, use_case, f"run {run}" if graphs[0].run_id == run else f"airflow {run}")


def trace_table(use_case: UseCase, table: str, version: int | None) -> Lineage:
    """A version (default: the newest) of a table such as gold/training: the files in it, the models made of it.

    Raises:
        NotFoundError: there is no such table or version.
        WrongUseError: the name has no layer, or lineage does not follow such a table.
    """
    layer, _, name = table.partition("/")
    if layer not in ("bronze", "silver", "gold") or not name:
        raise WrongUseError(f"{table!r} is no table's name; write its layer, too, e.g. gold/training@3")
    versions = table_versions(use_case, table)
    number = versions[-1].version if version is None else find_version(versions, table, version).version
    draft = LineageDraft()
    if table == SCORES:
        return _finish(draft, use_case, _add_scores(draft, use_case, number))
    add = {"bronze": lake_side.add_bronze, "silver": lake_side.add_silver, "gold": lake_side.add_gold}[layer]
    subject = add(draft, use_case, table, number)
    made = [number] if table == TRAINING_TABLE else []
    if layer != "gold":
        made = lake_side.add_what_came_of(draft, use_case, table, number)
    _add_models_of(draft, use_case, made)
    decision_side.add_comparisons(draft, use_case, made)
    return _finish(draft, use_case, subject)


def trace_file(use_case: UseCase, path: str) -> Lineage:
    """A delivered file, by its name, the end of its path or its checksum: what came of it.

    Raises:
        NotFoundError: nothing of that name was delivered; the text names what was.
    """
    *earlier, delivery = find_deliveries(deliveries(use_case), path)
    draft = LineageDraft()
    subject = lake_side.add_file(draft, delivery)
    if earlier:
        others = ", ".join(one.sha256[:12] for one in earlier)
        draft.gap(f"{delivery.file} was delivered {len(earlier) + 1} times; this is the last, the others are {others}")
    if delivery.state != lake_side.TAKEN:
        draft.gap(f"{delivery.file} was {delivery.state}: {delivery.reason or 'its content was there already'}")
        return _finish(draft, use_case, subject)
    made = gold_with(use_case, delivery)
    for one in made:
        gold = lake_side.add_version(draft, use_case, TRAINING_TABLE, one.gold)
        used = lake_side.add_version(draft, use_case, f"silver/{delivery.source}", one.silver)
        draft.link(subject, used)
        draft.link(used, gold)
    if not made:
        draft.gap(
            f"no version of {TRAINING_TABLE} has a row with values from {delivery.file} of batch {delivery.batch}"
        )
    cluster_side.add_clusters_with(draft, use_case, delivery, subject)
    versions = [one.gold.version for one in made]
    _add_models_of(draft, use_case, versions)
    decision_side.add_comparisons(draft, use_case, versions)
    return _finish(draft, use_case, subject)


def trace_thing(use_case: UseCase, version: int | None, thing: str) -> Lineage:
    """A thing of a version (default: the newest) of gold/clusters: the files its rows have their values from.

    Raises:
        NotFoundError: there are no clusters, no such version, or no such thing in it.
    """
    draft = LineageDraft()
    number = open_table(use_case, CLUSTERS, version).version()
    return _finish(draft, use_case, cluster_side.add_thing(draft, use_case, number, thing))


def _add_scores(draft: LineageDraft, use_case: UseCase, number: int) -> str:
    """A version of gold/scores back over its scorings to their tables' files and their models; gives its id."""
    subject, scorings = score_side.add_scores(draft, use_case, number)
    for scoring in scorings:
        item, table = score_side.scoring_item(scoring), scoring["table"]
        add = lake_side.add_silver if table.startswith("silver/") else lake_side.add_gold
        try:
            draft.link(add(draft, use_case, table, scoring["version"]), item)
        except NotFoundError as missing:
            draft.link(draft.add("gold", f"{table}@{scoring['version']}"), item)
            draft.gap(f"where the scored rows came from is not known any more: {missing}")
        draft.link(_add_version_if_known(draft, use_case, scoring["model"]), item)
    return subject


def _add_version_if_known(draft: LineageDraft, use_case: UseCase, version: str) -> str:
    """A pushed version with what it was made from, or by its name alone; gives its id."""
    item = pipeline_side.version_item(version)
    try:
        if has_metadata(use_case.settings):
            with open_store(use_case.settings) as store:
                _add_model(draft, use_case, store, version)
        else:
            _add_unknown_model(draft, use_case, version)
    except NotFoundError as missing:
        draft.gap(f"the model that scored is not known any more: {missing}")
    return draft.add("version", item, f"model version {version}")


def _finish(draft: LineageDraft, use_case: UseCase, subject: str) -> Lineage:
    add_cards(draft, use_case)
    add_fetching_code(draft, use_case)
    return draft.finish(subject)


def _add_model(draft: LineageDraft, use_case: UseCase, store: metadata_store.MetadataStore, version: str) -> None:
    known = model_of(store, use_case.name, version)
    if known is None:
        _add_unknown_model(draft, use_case, version)
        return
    if known.model is None:
        draft.gap(f"ML Metadata has lost the model behind version {version}: only its push is known")
        _add_push_alone(draft, use_case, known)
        return
    graph = run_graph(store, run_of_artifact(store, known.model.id))
    if graph is None:
        draft.gap(f"ML Metadata does not know which run made version {version}")
        _add_push_alone(draft, use_case, known)
        return
    _add_run(draft, use_case, graph)


def _add_unknown_model(draft: LineageDraft, use_case: UseCase, version: str) -> None:
    folder = model_folder(use_case, version)
    draft.add("version", pipeline_side.version_item(version), f"model version {version}", {"where": folder})
    draft.gap(f"ML Metadata knows no push of version {version}: its folder was put there by somebody else")


def _add_push_alone(draft: LineageDraft, use_case: UseCase, known: KnownModel) -> None:
    if known.pushed is None:
        return
    item = pipeline_side.add_artifact(draft, known.pushed)
    provenance = pipeline_side.provenance(known.pushed)
    if provenance.get("delta_version", "").isdigit():
        gold = lake_side.add_gold_if_known(draft, use_case, provenance["delta_table"], int(provenance["delta_version"]))
        draft.link(gold, item)


def _add_run(draft: LineageDraft, use_case: UseCase, graph: RunGraph) -> None:
    pipeline_side.add_run(draft, graph)
    export = pipeline_side.exported_version(graph)
    if export is None:
        draft.gap(f"no export of run {graph.run_id} says which version of the lake it was made from")
    else:
        artifact, table, version = export
        draft.link(lake_side.add_gold_if_known(draft, use_case, table, version), pipeline_side.artifact_item(artifact))
    decision_side.add_why(draft, use_case, graph)


def _add_models_of(draft: LineageDraft, use_case: UseCase, versions: list[int]) -> None:
    """Every model trained on these versions of gold/training, with what it answered."""
    if not versions or not has_metadata(use_case.settings):
        return
    with open_store(use_case.settings) as store:
        found = models_trained_on(store, use_case.name, versions)
    for known in found:
        if known.model is None:
            continue
        model = pipeline_side.add_artifact(draft, known.model)
        draft.link(f"{TRAINING_TABLE}@{known.model.properties['delta_version']}", model)
        if known.pushed is not None:
            draft.link(model, pipeline_side.add_artifact(draft, known.pushed))
            request_side.add_requests_of(draft, use_case, known.version)
    if not found:
        names = ", ".join(f"{TRAINING_TABLE}@{version}" for version in versions)
        draft.gap(f"no model was trained on {names}")
