"""Finding runs: pages of the list, what there is to filter by, and exact counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runmanager.filters import RunFilter
from runmanager.queries.listing import conditions, facets, pages
from runmanager.work.full_counts import FullCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.host.values import Reading
    from runmanager.paging import PageRequest
    from runmanager.queries.listing.limits import Limits
    from runmanager.records import Actor, CountView, FilterChoice, FilterChoices, RunPage
    from runmanager.service.access import Access

SEARCH_ON_SECONDS = 0.5
SEARCH_ON_SLICE = 50_000


class Finding:
    """The list of runs, narrowed down. ``limits`` say what a page does while somebody waits."""

    def __init__(self, access: Access, limits: Limits) -> None:
        self._access = access
        self._limits = limits
        self._full_counts = FullCounts(access.read)

    def close(self) -> None:
        """Stop every count."""
        self._full_counts.close()

    def list_runs(self, actor: Actor, run_filter: RunFilter, request: PageRequest) -> RunPage:
        """One page of the runs, found in full; one past the end is empty.

        The total is exact wherever it can be counted within the time limit of a statement.
        """
        patient = replace(self._limits, count_seconds=self._access.database.statement_timeout)
        return self._access.read(
            actor, lambda reading: pages.list_runs(reading, run_filter, request, patient)
        )

    def browse(
        self,
        actor: Actor,
        run_filter: RunFilter,
        request: PageRequest,
        earlier: RunPage | None = None,
    ) -> RunPage:
        """One page for somebody who waits for it: at once, and the last one past the end.

        ``earlier`` is a page of the same filter that was read before; the page beside it is read
        from there. Totals above 10,000 are not counted, and a search that takes long stops part of
        the way: ``search_on`` continues it.
        """
        return self._access.read(
            actor,
            lambda reading: pages.browse(reading, run_filter, request, earlier, self._limits),
        )

    def search_on(self, actor: Actor, run_filter: RunFilter, page: RunPage) -> RunPage:
        """``page`` with what half a second of searching on has found."""
        search = replace(self._limits.search, first=SEARCH_ON_SLICE, seconds=SEARCH_ON_SECONDS)
        longer = replace(self._limits, search=search)
        return self._access.read(
            actor, lambda reading: pages.search_on(reading, run_filter, page, longer)
        )

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
        return self._full_counts.start(actor, run_filter)

    def count(self, actor: Actor, count_id: str) -> CountView:
        """One of the actor's counts. Raises CountNotFoundError for any other."""
        self._access.require_admin(actor)
        return self._full_counts.view(actor, count_id)

    def stop_count(self, actor: Actor, count_id: str) -> None:
        """Stop one of the actor's counts."""
        self._access.require_admin(actor)
        self._full_counts.stop(actor, count_id)
