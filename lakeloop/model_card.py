"""What a pushed model carries along: which rows, settings and run it came from. This crosses the cut as a file.

The Pusher writes `assets.extra/lakeloop.json` into the version it pushes. That folder is TensorFlow Serving's own for
what travels with a model; a server does not read it.
"""

from pathlib import Path

from pydantic import Field, ValidationError

from lakeloop.atomic_file import write_text
from lakeloop.contract import ModelSettings
from lakeloop.exceptions import LakeloopError, ModelCardMissingError
from lakeloop.frozen_model import FrozenModel
from lakeloop.gate_check import GateCheck
from lakeloop.manifest import FILE_NAME as MANIFEST_FILE
from lakeloop.pushed_models import model_folder, serving_version
from lakeloop.threshold import Threshold
from lakeloop.use_case import UseCase

CARD_FILE = Path("assets.extra") / "lakeloop.json"
CARD_PAGE, CARD_TEXT = (Path("assets.extra") / f"model_card.{kind}" for kind in ("html", "md"))
"""The same for people, by the field's headings; written beside it once the run's record is whole."""


class ModelCard(FrozenModel, populate_by_name=True, serialize_by_alias=True):
    """One pushed version. `provenance` is that of its artifact in ML Metadata, '' where there was none."""

    use_case: str
    run_id: str = Field(description="run that pushed the model; its record is tfx/<use case>/runs/<run id>/run.json")
    manifest: Path = Field(description="absolute path of the export's manifest when the model was trained")
    manifest_sha256: str
    model: ModelSettings
    drop: tuple[str, ...] = Field((), description="features that have no effect on this model")
    threshold: Threshold | None = Field(
        None, description="from which probability on it answers a class", exclude_if=lambda threshold: threshold is None
    )
    checks: tuple[GateCheck, ...] = ()
    own_code: dict[str, str] = Field({}, description="sha256 of the use case's own files that had a part in it")
    provenance: dict[str, str] = Field({}, alias="stamps")
    version: str = Field("", exclude=True, description="not in the file: the name of the version's folder")

    def save(self, folder: Path) -> Path:
        """Write the card into a folder that is about to become a pushed version."""
        return write_text(folder / CARD_FILE, self.model_dump_json(indent=2) + "\n")

    def manifest_path(self, use_case: UseCase) -> Path:
        """The manifest where it is now: where it was, or in the export area, should that have moved since."""
        moved = use_case.folder("export").absolute() / self.manifest.parent.name / MANIFEST_FILE
        return moved if not self.manifest.is_file() and moved.is_file() else self.manifest


def threshold_of(use_case: UseCase, version: str) -> Threshold | None:
    """From which probability on a pushed version answers a class, as its card says; None where it has no card, too."""
    try:
        return read_model_card(use_case, version).threshold
    except LakeloopError:
        return None


def read_model_card(use_case: UseCase, version: str = "") -> ModelCard:
    """The card of one pushed version, by default of the one that serves.

    Raises:
        NotFoundError: nothing was pushed, or not that version; the text names those that were.
        ModelCardMissingError: the version carries none; the text says what to do.
    """
    wanted = version or serving_version(use_case)
    path = model_folder(use_case, wanted) / CARD_FILE
    again = "`lakeloop train` pushes one that does"
    try:
        card = ModelCard.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelCardMissingError(
            f"version {wanted} of {use_case.name} does not say what it was trained on; {again}"
        ) from None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ModelCardMissingError(f"{path} cannot be read ({error}); {again}") from error
    return card.model_copy(update={"version": wanted})
