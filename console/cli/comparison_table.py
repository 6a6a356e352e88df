"""Two trained models beside each other in the terminal."""

from rich.table import Table

from console.cli.render import table
from operations.comparison import ComparedMetric, Comparison
from tfx_pipeline.evaluation.measured import Measured
from tfx_pipeline.runs.run_record import RunRecord


def comparison_table(found: Comparison) -> Table:
    """A line a metric: both values with their intervals, and by how much the second is better. Then gate and time."""
    first, second = (variant.text for variant in found.variants)
    header = ("", first, second, f"{second} is better by", "")
    rows = [(one.title, _value(one.first), _value(one.second), _gain(one), _verdict(found, one))
            for one in found.metrics]  # fmt: skip
    gate = [_gate(run) for run in found.runs]
    seconds = [
        next((f"{node.seconds:.1f} s" for node in run.nodes if node.node == "Trainer"), "") for run in found.runs
    ]
    return table(header, [*rows, ("gate", *gate, "", ""), ("training", *seconds, "", "")])


def _value(measured: Measured) -> str:
    low, high = measured.interval
    return f"{measured.value:.4g} ({low:.4g} to {high:.4g})"


def _gain(one: ComparedMetric) -> str:
    low, high = one.gain_interval
    return f"{one.gain:+.4g} ({low:+.4g} to {high:+.4g})"


def _verdict(found: Comparison, one: ComparedMetric) -> str:
    return "may be chance" if one.better is None else f"{found.variants[one.better].text} is better"


def _gate(run: RunRecord) -> str:
    if run.gate is None:
        return "no verdict"
    return "passed" if run.blessed else f"refused: {', '.join(check.name for check in run.gate.failed)}"
