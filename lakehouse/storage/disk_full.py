"""A full disk as one sentence."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from lakeloop.exceptions import DiskFullError


@contextmanager
def disk_full_as_no_space() -> Iterator[None]:
    """Raises DiskFullError for whatever error a full disk caused in here."""
    try:
        yield
    except Exception as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if full or "No space left on device" in str(error):
            raise DiskFullError(
                "the disk is full; what was being written is not visible to readers. Free some space and run it again: "
                "nothing is lost and nothing doubled"
            ) from error
        raise
