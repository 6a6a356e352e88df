"""The API reference: one page a package, read from the source, so that nothing heavy is imported to write it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGES = {
    "lakeloop": "The base: settings, clock, events, champion, what all floors above use",
    "lakeloop/contract": "The data contract's typed models",
    "lakeloop/access": "Who acts: tokens, the guard of every service, the name on record",
    "lakeloop/migrations": "Migrations of the operational database",
    "lakehouse": "Spark and Delta: everything from a landed file to gold",
    "lakehouse/storage": "Spark, Delta's tables and logs, and how rows are written into them",
    "lakehouse/bronze": "Landing -> bronze, and the ledger of deliveries",
    "lakehouse/silver": "Bronze -> silver: typed, validated, or a reject",
    "lakehouse/requests": "Answered requests, from the gateway's log into silver",
    "lakehouse/gold": "Silver -> gold, and the export",
    "lakehouse/read": "Questions to the tables, as they are and as they were",
    "tfx_pipeline": "The TFX pipeline",
    "tfx_pipeline/components": "The pipeline's own components",
    "tfx_pipeline/training": "What Transform, Tuner and Trainer do",
    "tfx_pipeline/evaluation": "A model's answers on labelled rows, and the quality gate",
    "tfx_pipeline/data_checks": "Schema, statistics and anomalies",
    "tfx_pipeline/runs": "Compiling, running and recording",
    "tfx_pipeline/metadata": "ML Metadata: where it is, and what is noted in it",
    "tfx_pipeline/metadata/lineage": "ML Metadata's side of lineage",
    "serving/model_server": "TensorFlow Serving's APIs on pushed models",
    "serving/gateway": "The gateway: contract, fallback, request log",
    "monitoring": "The live monitor, performance, alarms, the outbox",
    "monitoring/drift": "Whose requests are whose, their windows, and how far they moved",
    "monitoring/analysis": "What changed in a period, and what it means",
    "monitoring/dashboard": "The panels, the monitor's page, Grafana's files",
    "dags": "Airflow's DAGs",
    "operations": "What crosses the five packages: history, simulation, scoring, releases, performance, retention",
    "operations/batch_scoring": "A pushed model over a version of a table, and what is kept of it",
    "operations/fetching": "Files that functions of the use case get from elsewhere, landed whole and once",
    "operations/new_use_case": "The first draft of a use case, from a sample of its data",
    "operations/open_data_contract": "Contracts as the Open Data Contract Standard writes them, and back",
    "operations/retraining": "A retrain: its record, its stages, candidates, selection, approval",
    "operations/lineage": "Lineage both ways, and reproduction",
    "operations/model_card": "What a pushed version says of itself, by the field's headings",
    "operations/features": "The catalogue, reads at a point in time, skew",
    "operations/drift": "Drift of periods, from Delta",
    "operations/analysis": "What changed between a period and a model's training data",
    "operations/places": "What the map shows of each place",
    "console": "TensorBoard over all runs",
    "console/pages": "The pages on the monitor's port",
    "console/platform": "The running platform: services, ports, supervisor",
    "console/report": "Figures and pages",
}
"""The folders that have a page, with what lives there; the command line has a reference of its own."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Module:
    """A module's dotted name and its parsed source."""

    name: str
    tree: ast.Module


def api_pages(project: Path) -> dict[str, str]:
    """MyST Markdown by page name (`lakehouse`, `serving-gateway`, …): every public class and function."""
    return {folder.replace("/", "-"): _page(project, folder, what) for folder, what in PACKAGES.items()}


def _page(project: Path, folder: str, what: str) -> str:
    lines = [f"# {folder.replace('/', '.')}", "", f"{what}.", ""]
    for module in _modules(project, folder):
        lines += _module(module)
    return "\n".join(lines)


def _modules(project: Path, folder: str) -> Iterator[Module]:
    for file in sorted((project / folder).glob("*.py")):
        if file.stem.startswith("__"):
            continue
        name = ".".join(file.relative_to(project).with_suffix("").parts)
        yield Module(name, ast.parse(file.read_text(encoding="utf-8"), filename=str(file)))


def _module(module: Module) -> list[str]:
    lines = [f"## {module.name}", "", f"```{{py:module}} {module.name}", "```", "", *_docstring(module.tree), ""]
    for node in module.tree.body:
        if isinstance(node, Definition) and _is_public(node.name):
            lines += _class(node) if isinstance(node, ast.ClassDef) else _function(node, "function")
    return lines


def _class(node: ast.ClassDef) -> list[str]:
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    lines = [f"`````{{py:class}} {node.name}{f'({bases})' if bases else ''}", "", *_docstring(node), ""]
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and _is_public(item.target.id):
            lines += [f"````{{py:attribute}} {item.target.id}", f":type: {ast.unparse(item.annotation)}", "````", ""]
        elif isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and _is_public(item.name):
            decorators = {ast.unparse(decorator) for decorator in item.decorator_list}
            is_property = bool(decorators & {"property", "cached_property"})
            lines += _function(item, "property" if is_property else "method")
    return [*lines, "`````", ""]


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, kind: str) -> list[str]:
    if kind == "property":
        signature, options = node.name, [f":type: {ast.unparse(node.returns)}"] if node.returns else []
    else:
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        signature, options = f"{node.name}({_arguments(node, kind)}){returns}", []
    if isinstance(node, ast.AsyncFunctionDef):
        options.append(":async:")
    return [f"````{{py:{kind}}} {signature}", *options, "", *_docstring(node), "````", ""]


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef, kind: str) -> str:
    """As in the source, without `self`; long defaults and annotations stay readable on one line."""
    text = ast.unparse(node.args)
    if kind == "method" and not any(ast.unparse(one) == "staticmethod" for one in node.decorator_list):
        _, _, text = text.partition(", ") if ", " in text else ("", "", "")
    return text


def _docstring(node: Definition | ast.Module) -> list[str]:
    """The docstring as Markdown; what stands indented below `Raises:` becomes a list."""
    lines: list[str] = []
    raising = False
    for line in (ast.get_docstring(node) or "").split("\n"):
        if line.strip() in ("Raises:", "Returns:", "Yields:"):
            raising = True
            lines += ["", f"**{line.strip().removesuffix(':')}**", ""]
        elif raising and line.startswith("    ") and not line.startswith("     "):
            lines.append(f"- {line.strip()}")
        elif raising and line.startswith("     "):
            lines.append(f"  {line.strip()}")
        else:
            raising = raising and not line.strip()
            lines.append(line)
    return lines


def _is_public(name: str) -> bool:
    return not name.startswith("_")
