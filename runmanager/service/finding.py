"""Finding runs: pages of the list, what there is to filter by, and exact counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runmanager.errors import InvalidRequestError
from runmanager.filters import RunFilter
from runmanager.queries.listing import conditions, facets, freezing, pages, sorted_pages
from runmanager.queries.listing.counted import Counts
from runmanager.queries.listing.pages import Order
from runmanager.queries.listing.places import require_place
from runmanager.sorting import NEWEST_FIRST, Sort, SortKey
from runmanager.work.full_counts import FullCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.host.values import Reading
    from runmanager.paging import PageRequest, RowKey
    from runmanager.queries.listing.limits import Limits
    from runmanager.records import (
        Actor,
        CountView,
        FilterChoice,
        FilterChoices,
        FrozenRuns,
        RunPage,
    )
    from runmanager.service.access import Access

SEARCH_ON_SECONDS = 0.5
SEARCH_ON_SLICE = 50_000
MAX_FROZEN = 10_000


class Finding:
    """The list of runs, narrowed down. ``limits`` say what a page does while somebody waits."""

    def __init__(self, access: Access, limits: Limits) -> None:
        self._access = access
        self._limits = limits
        self._counts = Counts()
        self._full_counts = FullCounts(access.read)

    def close(self) -> None:
        """Stop every count."""
        self._full_counts.close()

    def forget_totals(self) -> None:
        """Count again what was counted a moment ago: runs have been deleted since."""
        self._counts.forget()

    @property
    def sorts(self) -> tuple[SortKey, ...]:
        """What this host's runs can be sorted by."""
        return sorted_pages.sorts(self._access.host)

    def list_runs(
        self,
        actor: Actor,
        run_filter: RunFilter,
        request: PageRequest,
        sort: Sort = NEWEST_FIRST,
        after: RowKey | None = None,
    ) -> RunPage:
        """One page of the runs, found in full; one past the end is empty.

        With ``after``, the place of a run in the list by time, it has the runs behind that one,
        whatever was deleted before it, and ``request`` says no more than how many.

        The total is exact wherever it can be counted within the time limit of a statement. Counts
        that take long are made one at a time, and one of the last ten seconds is not made again:
        where something was written since, the total is about that. Raises TooManyToSortError where
        more runs match than can be sorted by ``sort``, and InvalidRequestError for an ``after``
        that is no place in that order.
        """
        run_filter = _now(run_filter)
        if after is not None and sort.key is not SortKey.STARTED:
            raise InvalidRequestError("Only a list in order of time can be read on from a run.")

        def read(reading: Reading) -> RunPage:
            counted = self._counts.of((run_filter, reading.hidden))
            if sort.key is not SortKey.STARTED:
                return sorted_pages.list_sorted(
                    reading, run_filter, request, self._patient, sort, in_full=True, counted=counted
                )
            if after is not None:
                require_place(reading, after)
            order = Order(sort, after)
            return pages.list_runs(reading, run_filter, request, self._patient, order, counted)

        return self._access.read(actor, read)

    def browse(
        self,
        actor: Actor,
        run_filter: RunFilter,
        request: PageRequest,
        earlier: RunPage | None = None,
        sort: Sort = NEWEST_FIRST,
    ) -> RunPage:
        """One page for somebody who waits for it: at once, and the last one past the end.

        ``earlier`` is a page of the same filter that was read before; the page beside it is read
        from there, where its order is the same. Totals above 10,000 are not counted, and a search
        that takes long stops part of the way: ``search_on`` continues it. Where the text searched
        for is a run's whole id, that run is all there is, until it is searched on for others that
        have it in their name. Raises TooManyToSortError where more runs match than can be sorted by
        ``sort``.
        """
        run_filter = _now(run_filter)

        def read(reading: Reading) -> RunPage:
            if sort.key is not SortKey.STARTED:
                return sorted_pages.list_sorted(
                    reading, run_filter, request, self._limits, sort, in_full=False
                )
            return pages.browse(reading, run_filter, request, earlier, self._limits, sort)

        return self._access.read(actor, read)

    def search_on(self, actor: Actor, run_filter: RunFilter, page: RunPage) -> RunPage:
        """``page`` with what half a second of searching on has found."""
        search = replace(self._limits.search, first=SEARCH_ON_SLICE, seconds=SEARCH_ON_SECONDS)
        longer = replace(self._limits, search=search)
        now = _now(run_filter)
        return self._access.read(actor, lambda reading: pages.search_on(reading, now, page, longer))

    def freeze(self, actor: Actor, run_filter: RunFilter, most: int = MAX_FROZEN) -> FrozenRuns:
        """The ids of the newest ``most`` runs as they are at this moment, and whether that is all.

        Raises DatabaseTooSlowError where they are not found in time, instead of giving a part.
        """
        now = _now(run_filter)
        return self._access.read(
            actor, lambda reading: freezing.freeze(reading, now, most, self._patient)
        )

    @property
    def _patient(self) -> Limits:
        """The limits for who asks for all of it."""
        return replace(self._limits, count_seconds=self._access.database.statement_timeout)

    def usernames(self, actor: Actor) -> tuple[str, ...]:
        """The names of users that have runs, sorted."""
        return self._access.read(actor, facets.usernames)

    def workspaces(
        self, actor: Actor, run_filter: RunFilter | None = None
    ) -> tuple[FilterChoice, ...]:
        """The workspaces that the runs of ``run_filter`` name, sorted by name."""
        return self._access.read(
            actor, lambda reading: facets.workspaces(reading, run_filter or RunFilter())
        )

    def require_admin(self, actor: Actor) -> None:
        """Raises NotAdminError for anybody else; for what is answered without the database."""
        self._access.require_admin(actor)

    @property
    def offered(self) -> tuple[str, ...]:
        """The keys of the filters that this host's runs can be narrowed down by."""
        return conditions.offered(self._access.host)

    @property
    def listed(self) -> tuple[str, ...]:
        """The keys of those filters whose values ``choices`` lists."""
        return facets.listed(self._access.host)

    def choices(self, actor: Actor, key: str, run_filter: RunFilter) -> FilterChoices:
        """The values of one filter that runs have, those of ``run_filter`` where that shortens it.

        Raises UnknownNameError for a filter whose values are not listed.
        """
        return self._access.read(actor, lambda reading: facets.choices(reading, key, run_filter))

    def choices_of(
        self, actor: Actor, keys: Sequence[str], run_filter: RunFilter
    ) -> dict[str, FilterChoices]:
        """``choices`` of several filters by key, of those that the host offers at this moment.

        One transaction serves them all.
        """

        def read(reading: Reading) -> dict[str, FilterChoices]:
            offered = conditions.offered(reading.host)
            return {key: facets.choices(reading, key, run_filter) for key in keys if key in offered}

        return self._access.read(actor, read)

    def start_count(self, actor: Actor, run_filter: RunFilter) -> CountView:
        """Start counting all runs of ``run_filter``, for a minute at the most."""
        self._access.require_admin(actor)
        return self._full_counts.start(actor, _now(run_filter))

    def count(self, actor: Actor, count_id: str) -> CountView:
        """One of the actor's counts. Raises CountNotFoundError for any other."""
        self._access.require_admin(actor)
        return self._full_counts.view(actor, count_id)

    def stop_count(self, actor: Actor, count_id: str) -> None:
        """Stop one of the actor's counts."""
        self._access.require_admin(actor)
        self._full_counts.stop(actor, count_id)


def _now(run_filter: RunFilter) -> RunFilter:
    """The filter with the times that its relative ones mean at this moment."""
    return run_filter.at(datetime.now(UTC))
