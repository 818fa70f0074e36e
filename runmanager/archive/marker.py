"""What every place of the archive has: a marker of whose it is, a folder for each operation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from runmanager.errors import ArchiveError

if TYPE_CHECKING:
    from runmanager.folders import Folder

MARKER = ".run-manager-archive"
_OPERATION_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Place(Protocol):
    """Where the files of operations are kept. Every method raises ArchiveError, in a sentence."""

    @property
    def name(self) -> str:
        """What it is called where a sentence begins."""

    def folder(self, operation_id: str) -> Folder:
        """The files of one operation, which has none at first."""

    def remove(self, operation_id: str) -> None:
        """Remove all files of an operation, those half written too."""

    def size(self, operation_id: str) -> int:
        """How many bytes the files of an operation have."""

    def operations(self) -> tuple[str, ...]:
        """The ids of the operations that have files, also half written ones."""

    def free(self) -> int | None:
        """How many bytes there is room for; None where nobody knows."""


class MarkedPlace(Place, Protocol):
    """A place outside the store, which may be the wrong one."""

    def read_marker(self) -> str | None:
        """What the place says whose it is; None where it says nothing."""

    def write_marker(self, text: str) -> None:
        """Let the place say whose it is; made with it where it is not there."""


def is_operation_id(name: str) -> bool:
    """Whether this could be the name of an operation's folder."""
    return _OPERATION_ID.fullmatch(name) is not None


def require_operation_id(operation_id: str) -> str:
    """``operation_id``, which is a name of a folder. Raises ArchiveError for what could be more."""
    if not is_operation_id(operation_id):
        raise ArchiveError("The archive has no operation of this id: look at the list of them.")
    return operation_id
