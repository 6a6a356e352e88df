"""The lakehouse's errors."""

from lakeloop.exceptions import LakeloopError, NotFoundError


class NotReadableYetError(Exception):
    """The file cannot be read now; nothing of it counts. The text says why, and when it is looked at again."""


class FileRefusedError(Exception):
    """The file's content cannot be taken; the text says why and what the contract wants."""


class VersionVacuumedError(NotFoundError):
    """A version whose files were vacuumed: its commit is still in the log, its rows are not."""


class ForeignSourceError(LakeloopError):
    """A table or topic of somebody else that nothing can be taken of as it is; nothing was delivered."""


class ForeignTableError(ForeignSourceError):
    """A table that nothing can be taken of."""


class ForeignTopicError(ForeignSourceError):
    """A topic that nothing can be taken of."""


class VersionsGoneError(Exception):
    """The versions of such a table after the one read last cannot be told any more; the text says which and why."""


class ClusteringError(LakeloopError):
    """Things that cannot be clustered as the contract says; the table, where there is one, stays as it was."""
