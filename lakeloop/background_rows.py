"""Rows that an answer is explained against: some of those a pushed version was trained on, in its own folder.

They hold features alone: no key, no event time that is no feature, no truth.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from lakeloop.atomic_file import write_text
from lakeloop.exceptions import NotFoundError
from lakeloop.frozen_model import FrozenModel
from lakeloop.pushed_models import model_folder
from lakeloop.use_case import UseCase

if TYPE_CHECKING:
    import numpy as np

BACKGROUND_FILE = Path("assets.extra") / "background_rows.json"


class BackgroundRows(FrozenModel, extra="ignore"):
    """Some of the `of_rows` training rows: `columns` by feature, as exports have values, None where one is missing.

    `dropped`: features that have no effect on this model.
    """

    of_rows: int
    dropped: tuple[str, ...] = ()
    columns: Mapping[str, tuple[int | float | str | None, ...]]

    @property
    def explained(self) -> list[str]:
        """The features that an answer can be told from."""
        return [name for name in self.columns if name not in self.dropped]

    @property
    def arrays(self) -> "dict[str, np.ndarray]":
        """Each feature's values, (rows,), as Python's own objects."""
        import numpy as np

        return {name: np.array(values, object) for name, values in self.columns.items()}

    def save(self, folder: Path) -> Path:
        """Write them into the folder of a pushed version."""
        return write_text(folder / BACKGROUND_FILE, self.model_dump_json() + "\n")


def read_background(use_case: UseCase, version: str) -> BackgroundRows:
    """Those of one pushed version.

    Raises:
        NotFoundError: there is no such version here, or it carries none; the text says what to do.
    """
    path = model_folder(use_case, version) / BACKGROUND_FILE
    try:
        return BackgroundRows.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(
            f"version {version} of {use_case.name} carries no rows to explain its answers against; `lakeloop report "
            f"--version {version}` adds them"
        ) from None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise NotFoundError(f"{path} cannot be read ({error}); `lakeloop train` pushes a version anew") from error
