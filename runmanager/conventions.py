"""What the settings say of the host, which its schema cannot."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

from runmanager.records import Statuses

UTC_ZONE = ZoneInfo("UTC")


@dataclass(frozen=True)
class Conventions:
    """How one host names its tables and statuses, and by which clock it writes times.

    ``trace_tables`` are further tables whose rows go with a run, ``running_words`` further statuses
    of runs that are not over, ``zone`` that of times which name none.
    """

    trace_tables: tuple[str, ...] = ()
    running_words: frozenset[str] = frozenset()
    zone: ZoneInfo = UTC_ZONE

    @cached_property
    def statuses(self) -> Statuses:
        """What the statuses of runs mean."""
        return Statuses(self.running_words)
