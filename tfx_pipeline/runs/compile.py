"""Compiles the pipeline to TFX's intermediate representation: one file serves all runs."""

from pathlib import Path

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler.compiler import Compiler
from tfx.proto.orchestration import pipeline_pb2

from lakeloop.atomic_file import write_bytes
from lakeloop.own_files import own_files
from lakeloop.use_case import UseCase
from tfx_pipeline.data_checks.schema import save_schema
from tfx_pipeline.pipeline import create_pipeline
from tfx_pipeline.runs.graph import Graph, Node, code_sha256, contract_sha256, graph_path, ir_path, is_compiled


def compile_pipeline(use_case: UseCase) -> Path:
    """Write the schema, `ir.pb` and `graph.json` into the `tfx` area; returns the path of `ir.pb`."""
    contract = use_case.contract
    folder = use_case.folder("tfx").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    schema = save_schema(contract, folder / "schema")
    pipeline = create_pipeline(
        contract=contract,
        pipeline_root=folder / "artifacts",
        schema_path=schema,
        models_folder=use_case.folder("models").absolute(),
        metadata_connection=metadata_store_pb2.ConnectionConfig(),  # who launches a node brings it, password and all
        own=own_files(use_case.own_folder),
    )
    ir = Compiler().compile(pipeline)
    write_bytes(ir_path(use_case), ir.SerializeToString(deterministic=True))
    graph = Graph(
        pipeline=use_case.name,
        contract_sha256=contract_sha256(use_case),
        code_sha256=code_sha256(),
        nodes=tuple(_node(node.pipeline_node) for node in ir.nodes),
    )
    write_bytes(graph_path(use_case), graph.model_dump_json(indent=2).encode() + b"\n")
    return ir_path(use_case)


def compiled(use_case: UseCase) -> pipeline_pb2.Pipeline:
    """The compiled pipeline; compiled anew when it is missing or older than contract, paths or code."""
    if not is_compiled(use_case):
        compile_pipeline(use_case)
    return pipeline_pb2.Pipeline.FromString(ir_path(use_case).read_bytes())


def _node(node: pipeline_pb2.PipelineNode) -> Node:
    return Node(id=node.node_info.id, upstream=tuple(node.upstream_nodes))
