"""What a run's status means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# A character that makes no difference in a status.
SEPARATOR = re.compile(r"[\s_-]")


class StatusKind(Enum):
    """What a status means to an admin; the host's own word is always shown beside it.

    OTHER is known to mean that the run is over. UNKNOWN may mean anything, and so does no status.
    """

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    PAUSED = "paused"
    OTHER = "other"
    UNKNOWN = "unknown"

    @property
    def shown(self) -> str:
        """The kind as it is filtered by and counted: what nobody knows is among the others."""
        return StatusKind.OTHER.value if self is StatusKind.UNKNOWN else self.value


# As _plain has them.
_WORDS = {
    StatusKind.RUNNING: "active busy inprogress pending queued running started streaming",
    StatusKind.COMPLETED: "complete completed done finished succeeded success successful",
    StatusKind.FAILED: "error errored fail failed failure timedout timeout",
    StatusKind.PAUSED: "interrupted paused",
    StatusKind.OTHER: (
        "aborted archived canceled cancelled closed ended expired idle killed skipped stopped "
        "terminated"
    ),
}
_KINDS = {word: kind for kind, words in _WORDS.items() for word in words.split()}


@dataclass(frozen=True)
class Statuses:
    """What the statuses of one host mean, whatever their case, blanks and hyphens.

    ``running`` are the host's own words for a run that is not over, which the settings name.
    """

    running: frozenset[str] = frozenset()

    def kind(self, status: str | None) -> StatusKind:
        """What a host's status text means."""
        return self._kinds.get(_plain(status or ""), StatusKind.UNKNOWN)

    def words(self, kinds: Collection[str]) -> frozenset[str]:
        """The words of these kinds, as they are shown, in the form in which they are looked up."""
        return frozenset(word for word, kind in self._kinds.items() if kind.shown in kinds)

    @cached_property
    def _kinds(self) -> Mapping[str, StatusKind]:
        named = {word: StatusKind.RUNNING for word in map(_plain, self.running) if word}
        return _KINDS | named


def _plain(word: str) -> str:
    """The word by which a status is looked up: "In Progress" is "in_progress"."""
    return SEPARATOR.sub("", word).casefold()
