"""The errors of what crosses the packages."""

from lakeloop.exceptions import LakeloopError


class RolledBackError(LakeloopError):
    """The version failed and was taken back; the text says why and what serves now."""


class ModelFailsError(Exception):
    """The version does not answer as it should; the text says how."""


class SkewError(LakeloopError):
    """Served values differ from what training saw of the same rows."""


class NotReproducedError(LakeloopError):
    """The model made now differs from the one made then by more than the tolerance."""


class FetchError(LakeloopError):
    """A use case's `fetch` failed, or gave what cannot be landed; nothing of that period is in the landing folder."""
