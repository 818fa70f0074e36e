"""The ids of a filter's runs at one moment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runmanager.queries.listing.access_paths import KEYS
from runmanager.queries.listing.conditions import select_by
from runmanager.queries.listing.limits import SearchBudget
from runmanager.queries.listing.pages import rows_of
from runmanager.records import FrozenRuns

if TYPE_CHECKING:
    from runmanager.filters import RunFilter
    from runmanager.host.values import Reading
    from runmanager.queries.listing.limits import Limits

# Many are wanted, most often of the newest: it goes on for longer than for a page.
_SEARCH = SearchBudget(first=2_000, growth=10, seconds=0.5)


def freeze(reading: Reading, run_filter: RunFilter, most: int, limits: Limits) -> FrozenRuns:
    """The ids of the newest ``most`` runs of ``run_filter``, and whether those are all.

    Raises DatabaseTooSlowError where they are not found within the time limit of a statement: it
    never gives a part only.
    """
    longer = replace(limits, search=_SEARCH)
    rows = rows_of(select_by(reading, run_filter), longer, most + 1, show=KEYS)
    ids = tuple(row.thread_id for row in rows[:most])
    return FrozenRuns(ids, is_complete=len(rows) <= most)
