"""`lakeloop exercise`: a model of half the size and one of the contract's own before the quality gate, side by side."""

from pathlib import Path

from console.cli.export import export_with
from console.cli.lake_ingest import ingest_with
from console.cli.options import open_use_case
from console.cli.render import chapter, console, table
from console.cli.spark import lake_of
from console.cli.train import tell_card, train_on
from console.cli.use_case_option import UseCaseOption
from lakeloop.gate_check import GateCheck
from lakeloop.use_case import UseCase
from operations.delivery import generate

SMALLER = 0.5


def exercise_command(use_case: UseCaseOption = "") -> None:
    """Train a model of half the contract's size and one of all of it on the same rows; push what passes the gate."""
    case = open_use_case(use_case)
    manifest = _from_files_to_export(case)
    name = case.contract.model.size
    full = getattr(case.contract.model, name)
    records = []
    for size in (max(1, round(full * SMALLER)), full):
        chapter(f"Train with {size} {name}")
        record = train_on(case, manifest, {name: str(size)}, trigger="exercise")
        tell_card(case, record)
        records.append((f"{size} {name}", record))
    chapter("The exercise side by side")
    checked = [(sized, {c.name: c for c in record.gate.checks}) for sized, record in records if record.gate]
    console.print(
        table(
            ("check", "bound", *(sized for sized, _ in checked)),
            [
                (name, check.bound, *(_verdict(of[name]) for _, of in checked if name in of))
                for name, check in checked[0][1].items()
            ],
        )
    )
    for sized, record in records:
        word = f"passes, version {record.pushed_version}" if record.blessed else "is refused and not pushed"
        console.print(f"{sized}: the model {word}")


def _verdict(check: GateCheck) -> str:
    return f"{check.value:.4f} {'pass' if check.passed else 'FAIL'}"


def _from_files_to_export(use_case: UseCase) -> Path:
    """Period 0 from files through bronze, silver and gold to CSV; the manifest's path."""
    chapter(f"{use_case.contract.period.capitalize()} 0 is delivered")
    for delivery in generate(use_case, [0]):
        console.print(f"{delivery.path}: {delivery.rows:,} rows", soft_wrap=True)
    chapter("Ingest: bronze, silver, gold (Spark + Delta Lake)")
    with lake_of(use_case) as lake:
        ingest_with(lake)
        chapter("Export one version of gold as CSV with a manifest")
        return export_with(lake, (0, 0))
