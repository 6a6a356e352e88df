"""`lakeloop exercise`: half the units are refused by the quality gate, the contract's own number passes."""

from pathlib import Path

from console.cli.export import export_with
from console.cli.lake_ingest import ingest_with
from console.cli.options import open_use_case
from console.cli.render import chapter, console, table
from console.cli.spark import lake_of
from console.cli.train import tell_card, train_on
from console.cli.use_case_option import UseCaseOption
from lakeloop.use_case import UseCase
from operations.delivery import generate

FEWER_UNITS = 0.5


def exercise_command(use_case: UseCaseOption = "") -> None:
    """The gate exercise: half the units are refused, the contract's own number passes and is pushed."""
    case = open_use_case(use_case)
    manifest = _from_files_to_export(case)
    full = case.contract.model.units
    records = []
    for units in (max(1, round(full * FEWER_UNITS)), full):
        chapter(f"Train with {units} units")
        records.append(train_on(case, manifest, {"units": str(units)}, trigger="exercise"))
        tell_card(case, records[-1])
    chapter("The exercise side by side")
    checked = [(r.parameters.model.units, {c.name: c for c in r.gate.checks}) for r in records if r.gate]
    names = list(checked[0][1])
    console.print(
        table(
            ("check", "bound", *(f"{units} units" for units, _ in checked)),
            [
                (
                    name,
                    checked[0][1][name].bound,
                    *(f"{c[name].value:.4f} {'pass' if c[name].passed else 'FAIL'}" for _, c in checked if name in c),
                )
                for name in names
            ],
        )
    )
    for record in records:
        word = f"passes, version {record.pushed_version}" if record.blessed else "is refused and not pushed"
        console.print(f"{record.parameters.model.units} units: the model {word}")


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
