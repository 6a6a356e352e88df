"""The manifest of an export: what lets lineage cross the cut between the lakehouse and TFX.

`docs/manifest.schema.json` is generated from these models.
"""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from lakeloop.atomic_file import write_text
from lakeloop.exceptions import WrongUseError
from lakeloop.frozen_model import FrozenModel

FILE_NAME = "manifest.json"


class ExportedFile(FrozenModel):
    """One CSV shard; `path` is relative to the manifest."""

    path: str
    split: Literal["train", "eval"]
    rows: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(FrozenModel, populate_by_name=True, serialize_by_alias=True):
    """One export of one Delta version as CSV shards."""

    use_case: str
    table: str = Field(description="Delta table the rows come from, e.g. gold/training")
    version: int = Field(ge=0, description="Delta version that was read")
    periods: tuple[int, int] | None = Field(
        None, alias="months", description="first and last number of the periods taken; none: all"
    )
    query: str = Field(description="the SQL the rows are the answer to")
    columns: tuple[str, ...] = Field(description="CSV header, in order")
    label: str
    schema_sha256: str = Field(description="hash of the contract's row shape")
    own_code: dict[str, str] = Field(
        {},
        description="sha256 of the use case's own files that had a part in the rows: features.py",
        exclude_if=lambda found: not found,
    )
    split: str = Field(description="how rows were divided, e.g. sha256('2:'+policy_id)[:8] % 5 == 0")
    rows: int = Field(ge=0)
    files: tuple[ExportedFile, ...]
    created_at: str
    git_commit: str = ""

    def save(self, folder: Path) -> Path:
        """Write `manifest.json` into the export's folder; it is written last, so its presence means complete."""
        return write_text(folder / FILE_NAME, self.model_dump_json(indent=2) + "\n")

    def rows_of(self, split: str) -> int:
        """Rows of one split over all its shards."""
        return sum(f.rows for f in self.files if f.split == split)


def read_manifest(path: Path) -> Manifest:
    """The manifest at `path`.

    Raises:
        WrongUseError: the file is missing or is not a manifest; the text says which.
    """
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WrongUseError(f"there is no manifest at {path}; `lakeloop lake export` writes one") from None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise WrongUseError(f"{path} is not an export manifest: {error}") from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes as 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
