"""Triage: what a filter's runs are like as a whole, and which runs somebody has picked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runmanager.errors import InvalidRequestError
from runmanager.queries.triage.edges import MAX_BUCKETS
from runmanager.queries.triage.errors import count_with_error
from runmanager.queries.triage.histogram import read_histogram
from runmanager.queries.triage.picks import read_hidden, read_summaries
from runmanager.queries.triage.statuses import read_statuses

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from runmanager.filters import RunFilter
    from runmanager.paging import Total
    from runmanager.queries.triage.limits import TriageLimits
    from runmanager.records import Actor, Histogram, RunSummary, StatusCounts
    from runmanager.service.access import Access

# As many as are selected at once.
MAX_PICKED = 10_000
BUCKETS = 60


class Triage:
    """A filter's runs as a whole. ``limits`` say how far they are counted while somebody waits."""

    def __init__(self, access: Access, limits: TriageLimits) -> None:
        self._access = access
        self._limits = limits

    def statuses(self, actor: Actor, run_filter: RunFilter) -> StatusCounts:
        """How many runs have each status, the most frequent first.

        They are the runs of ``run_filter`` without its own statuses and kinds: the number beside
        each is what choosing it would show. Raises DatabaseTooSlowError where nothing is found in
        time.
        """
        asked = run_filter.at(datetime.now(UTC))
        return self._access.read(actor, lambda reading: read_statuses(reading, asked, self._limits))

    def histogram(
        self, actor: Actor, run_filter: RunFilter, buckets: int = BUCKETS, zone: tzinfo = UTC
    ) -> Histogram:
        """The runs over time, in at most ``buckets`` buckets that begin at round times of ``zone``.

        They go from the filter's times, or the first run's, to the last's; each day is one of
        ``zone``. Raises InvalidRequestError for another number than 1 to 200, and
        DatabaseTooSlowError where nothing is found in time.
        """
        if not 1 <= buckets <= MAX_BUCKETS:
            raise InvalidRequestError(
                f"There can be 1 to {MAX_BUCKETS} buckets, not {buckets}: ask for fewer."
            )
        asked = run_filter.at(datetime.now(UTC))
        return self._access.read(
            actor, lambda reading: read_histogram(reading, asked, buckets, zone, self._limits)
        )

    def with_error(self, actor: Actor, run_filter: RunFilter) -> Total | None:
        """How many runs have in their error what ``run_filter`` searches for in ids and names.

        Exactly, or at least so many. None where the host keeps no errors, the filter asks for an
        error as well, or the text has fewer than three characters.
        """
        asked = run_filter.at(datetime.now(UTC))
        return self._access.read(
            actor, lambda reading: count_with_error(reading, asked, self._limits)
        )

    def hidden(
        self, actor: Actor, run_filter: RunFilter, thread_ids: Sequence[str]
    ) -> tuple[str, ...]:
        """Those of ``thread_ids`` that ``run_filter`` does not show, in their order.

        Runs that are gone are among them. Raises InvalidRequestError for more than 10,000.
        """
        _require_few(thread_ids)
        asked = run_filter.at(datetime.now(UTC))
        return self._access.read(actor, lambda reading: read_hidden(reading, asked, thread_ids))

    def summaries(self, actor: Actor, thread_ids: Sequence[str]) -> tuple[RunSummary, ...]:
        """The runs with these ids, newest first; an id that no run has is left out.

        Raises InvalidRequestError for more than 10,000.
        """
        _require_few(thread_ids)
        return self._access.read(actor, lambda reading: read_summaries(reading, thread_ids))


def _require_few(thread_ids: Sequence[str]) -> None:
    if len(thread_ids) > MAX_PICKED:
        raise InvalidRequestError(
            f"{len(thread_ids):,} runs are more than can be looked at at once: pick "
            f"{MAX_PICKED:,} at the most."
        )
