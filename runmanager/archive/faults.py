"""What the operating system's refusals mean for the archive, in sentences that say what to do."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runmanager.errors import ArchiveError, FileMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FULL = (
    "{place} is full, and nothing was written: make room there, or let RUNMANAGER_ARCHIVE name "
    "another place, then try again."
)
_CLOSED = (
    "{place} may not be written: let Run Manager's account write there and read what is there, "
    "then try again."
)
_READ_ONLY = (
    "{place} is on a disk that is mounted read-only: let it be written again, then try again."
)
_GONE = (
    "{place} is not there any more, or is no folder: put it back, or mount its disk again, then "
    "try again."
)
_BROKEN = (
    "{place} is on a disk that could not be read or written: see that it is whole, then try again."
)
_OTHERWISE = "{place} could not be used ({said}): mend that, then try again."
_SENTENCES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EACCES: _CLOSED,
    errno.EPERM: _CLOSED,
    errno.EROFS: _READ_ONLY,
    errno.ENOENT: _GONE,
    errno.ENOTDIR: _GONE,
    errno.EIO: _BROKEN,
}


@contextmanager
def explained(place: str) -> Iterator[None]:
    """Say what a refusal of the operating system inside the block means for ``place``."""
    try:
        yield
    except OSError as error:
        raise explain(place, error) from None


def explain(place: str, error: OSError) -> ArchiveError:
    """What ``error`` means for ``place``, whose name begins the sentence."""
    sentence = _SENTENCES.get(error.errno or 0, _OTHERWISE)
    return ArchiveError(sentence.format(place=place, said=error.strerror or "no reason is given"))


def missing(name: str) -> FileMissingError:
    """That there is no file of this name."""
    return FileMissingError(
        f"The file {name} of this operation is no longer in the archive: it was purged, or removed "
        "by hand."
    )
