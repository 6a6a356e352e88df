"""What ML Metadata itself says an artifact was made from."""

from lakeloop.settings import Settings
from tfx_pipeline.metadata.store import open_store


def types_upstream(settings: Settings, artifact_id: int) -> set[str]:
    """The types of all artifacts on the way to this one, its own among them."""
    from ml_metadata.proto import metadata_store_pb2

    options = metadata_store_pb2.LineageSubgraphQueryOptions(
        starting_artifacts=metadata_store_pb2.LineageSubgraphQueryOptions.StartingNodes(
            filter_query=f"id = {artifact_id}"
        ),
        direction=metadata_store_pb2.LineageSubgraphQueryOptions.UPSTREAM,
        max_num_hops=20,
    )
    with open_store(settings) as store:
        graph = store.get_lineage_subgraph(options, ["artifacts", "artifact_types"])
    types = {t.id: t.name for t in graph.artifact_types}
    return {types[artifact.type_id] for artifact in graph.artifacts}
