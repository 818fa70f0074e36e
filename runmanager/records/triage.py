"""What a filter's runs are like as a whole: their statuses, their times, and which they are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runmanager.records.statuses import StatusKind


class Accuracy(Enum):
    """Whether numbers are counted, taken from a sample, or what there is at least."""

    EXACT = "exact"
    SAMPLED = "sampled"
    AT_LEAST = "at_least"


@dataclass(frozen=True)
class StatusCount:
    """How many runs have the host's own word ``status``, None for those without one."""

    status: str | None
    kind: StatusKind
    runs: int


@dataclass(frozen=True)
class StatusCounts:
    """The statuses of a filter's runs, whichever of them the filter itself asks for."""

    items: tuple[StatusCount, ...]
    accuracy: Accuracy

    def of(self, kind: str) -> int:
        """How many runs are of one of ``filters.KINDS``."""
        return sum(one.runs for one in self.items if one.kind.shown == kind)


@dataclass(frozen=True)
class Bucket:
    """The runs that started from ``start`` on, and before ``end``, by each of ``filters.KINDS``."""

    start: datetime
    end: datetime
    runs: Mapping[str, int]


@dataclass(frozen=True)
class Histogram:
    """A filter's runs over time, without those that have none; no bucket where none has one.

    The buckets follow each other without a gap.
    """

    buckets: tuple[Bucket, ...]
    accuracy: Accuracy


@dataclass(frozen=True)
class FrozenRuns:
    """The ids of a filter's runs as they were at one moment, newest first.

    Where it is not complete, there are more than are taken at once.
    """

    thread_ids: tuple[str, ...]
    is_complete: bool
