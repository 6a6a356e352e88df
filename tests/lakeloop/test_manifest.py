"""The manifest is the only thing that crosses the cut between lakehouse and pipeline."""

import json
from pathlib import Path

import pytest

from lakeloop.exceptions import WrongUseError
from lakeloop.manifest import ExportedFile, Manifest, file_sha256, read_manifest
from lakeloop.settings import PROJECT


def manifest() -> Manifest:
    return Manifest(
        use_case="some",
        table="gold/training",
        version=3,
        query="SELECT 1",
        columns=("key", "a"),
        label="a",
        schema_sha256="0" * 64,
        split="…",
        rows=5,
        files=tuple(
            ExportedFile(path=f"{split}/1.csv", split=split, rows=rows, bytes=9, sha256="0" * 64)
            for split, rows in (("train", 2), ("train", 2), ("eval", 1))
        ),
        created_at="2024-01-01T00:00:00Z",
    )


def test_the_documented_schema_is_the_models_own() -> None:
    documented = json.loads((PROJECT / "docs" / "manifest.schema.json").read_text())
    assert documented == json.loads(json.dumps(Manifest.model_json_schema()))


def test_a_saved_manifest_reads_back_the_same(tmp_path: Path) -> None:
    path = manifest().save(tmp_path)
    assert read_manifest(path) == manifest()
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.json"]
    assert manifest().rows_of("train") == 4


def test_what_is_no_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match="lake export"):
        read_manifest(tmp_path / "manifest.json")
    (tmp_path / "manifest.json").write_text('{"rows": -1}')
    with pytest.raises(WrongUseError, match="is not an export manifest"):
        read_manifest(tmp_path / "manifest.json")


def test_a_files_hash_is_its_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
