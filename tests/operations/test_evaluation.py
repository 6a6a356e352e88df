"""What is said beside the figures of an evaluated model: whose truth it was, and whether the model knew the rows."""

from pathlib import Path

import pytest

from lakeloop.clock import set_clock
from lakeloop.manifest import ExportedFile, Manifest, file_sha256
from lakeloop.model_card import ModelCard
from lakeloop.use_case import UseCase
from operations.evaluation import seen_in_training, whose_truth

VERSION = "1795000000"


def export_of(use_case: UseCase, **rows: list[str]) -> Path:
    """An export whose splits hold rows with these keys; the manifest's path."""
    contract = use_case.contract
    folder = use_case.folder("export") / "3"
    files = []
    for split, keys in rows.items():
        path = folder / split / "part-0.csv"
        path.parent.mkdir(parents=True)
        path.write_text("".join(f"{line}\n" for line in (contract.key.column, *keys)))
        facts = {"rows": len(keys), "bytes": path.stat().st_size, "sha256": file_sha256(path)}
        files.append(ExportedFile(path=f"{split}/part-0.csv", split=split, **facts))  # type: ignore[arg-type]
    manifest = Manifest(
        use_case=use_case.name, table="gold/training", version=3, query="", columns=(contract.key.column,),
        label=contract.label.name, schema_sha256=contract.schema_sha256, split="", rows=sum(map(len, rows.values())),
        files=tuple(files), created_at="2026-01-01T00:00:00Z",
    )  # fmt: skip
    return manifest.save(folder)


@pytest.fixture
def pushed(use_case: UseCase) -> Path:
    """A pushed version that was made from five rows; the export's manifest."""
    manifest = export_of(use_case, train=["0042", "b", "c"], eval=["d", "NA"])
    version = use_case.folder("models") / VERSION
    facts = ModelCard(
        use_case=use_case.name, run_id="run", manifest=manifest.absolute(), manifest_sha256=file_sha256(manifest),
        model=use_case.contract.model,
    )  # fmt: skip
    facts.save(version)
    (version / "saved_model.pb").touch()
    return manifest


@pytest.mark.usefixtures("pushed")
def test_rows_a_version_was_made_from_are_counted_and_named(use_case: UseCase) -> None:
    told = seen_in_training(use_case, VERSION, {"0042", "b", "NA", "new"})
    assert told.startswith(f"Version {VERSION} was made from 3 of these 4 rows (2 trained it, 1 evaluated it)")
    assert "not how good it is on rows it never saw" in told


@pytest.mark.usefixtures("pushed")
def test_of_rows_a_version_never_saw_nothing_is_said(use_case: UseCase) -> None:
    assert seen_in_training(use_case, VERSION, {"42", "new"}) == ""


def test_an_export_that_is_gone_is_said_and_stops_nothing(use_case: UseCase, pushed: Path) -> None:
    pushed.unlink()
    told = seen_in_training(use_case, VERSION, {"b"})
    assert told.startswith(f"Whether version {VERSION} was trained on these rows cannot be told: there is no manifest")


def test_truth_in_gold_counts_wherever_the_simulated_clock_stands(use_case: UseCase) -> None:
    assert whose_truth(use_case, 44, False, 1_200) == (
        "Evaluated by the truth in gold: 1,200 labelled rows of month 44."
    )
    assert "at clock 68 (now 0)" in whose_truth(use_case, 44, True, 1_200)
    set_clock(use_case, 70)
    assert "was due at clock 68 (now 70)" in whose_truth(use_case, 44, True, 1_200)
