"""What is counted of a filter's runs: by status, and by the bucket of time that they started in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from runmanager.queries.listing.conditions import Selection, select_by
from runmanager.queries.listing.totals import planned

if TYPE_CHECKING:
    from runmanager.filters import RunFilter
    from runmanager.host.values import Reading
    from runmanager.queries.triage.buckets import Edges

TIMES = ("since", "until")
# How many runs have a status, None for none, and lie in a bucket, from 0; without buckets in 0.
Counts = dict[tuple[int, str | None], int]
# What rows with these keys are grouped by: their position, as a bound value that is named twice
# would be two values.
BY_KEYS: tuple[sa.ColumnElement[Any], ...] = (sa.literal_column("1"), sa.literal_column("2"))


@dataclass(frozen=True)
class Question:
    """The runs of ``selection``, counted by status, and by bucket where there are ``edges``.

    ``within`` has those of its time, whatever else it asks of them.
    """

    run_filter: RunFilter
    selection: Selection
    within: Selection
    edges: Edges | None = None

    @classmethod
    def of(cls, reading: Reading, run_filter: RunFilter) -> Question:
        """That of the runs of ``run_filter``."""
        selection = select_by(reading, run_filter)
        times = run_filter.only(TIMES)
        within = selection if times == run_filter else select_by(reading, times)
        return cls(run_filter, selection, within)

    def by(self, edges: Edges) -> Question:
        """The same with buckets."""
        return replace(self, edges=edges)

    @property
    def reading(self) -> Reading:
        """Where they are read."""
        return self.selection.reading

    @property
    def is_by_time_alone(self) -> bool:
        """Whether every run of its time is meant."""
        return self.selection is self.within

    @property
    def columns(self) -> list[sa.Column[Any]]:
        """The columns of ``run_metadata`` that it looks at."""
        runs = self.reading.host.runs.c
        asked = asked_columns(self.selection)
        return list(dict.fromkeys([runs.status, runs.created_at, *asked]))

    def keys(self, rows: sa.FromClause) -> tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]]:
        """The part of a bucket, and the status, of ``rows`` that are from ``run_metadata``."""
        status = sa.cast(rows.c.status, sa.Text).label("status")
        if self.edges is None:
            return sa.literal_column("0").label("place"), status
        return self.edges.part(rows.c.created_at).label("place"), status

    def add(self, counts: Counts, place: int | None, status: str | None, runs: int) -> None:
        """Add a row of these keys, unless it is in no bucket."""
        bucket = place if self.edges is None else self.edges.bucket(place)
        if runs and bucket is not None:
            counts[bucket, status] = counts.get((bucket, status), 0) + runs

    def counts(self, statement: sa.Select[Any]) -> Counts:
        """What rows of place, status and number say."""
        found: Counts = {}
        for place, status, runs in self.selection.connection.execute(statement):
            self.add(found, place, status, runs)
        return found

    @cached_property
    def guess_by_time(self) -> int:
        """How many runs its time has, as the planner guesses: right within an eighth."""
        return planned(self.within)

    @cached_property
    def guess(self) -> int:
        """How many runs there are at the most, as the planner guesses.

        It multiplies the shares of two conditions, and said 8,000 for none: so each that an index
        may answer is asked about alone. Of a text it knows nothing.
        """
        if self.is_by_time_alone:
            return self.guess_by_time
        found = [planned(self.selection.only_by(one)) for one in self.selection.drivers]
        return min(found) if found else self.guess_of_all

    @cached_property
    def guess_of_all(self) -> int:
        """How many runs the host has, as the planner guesses."""
        return max(1, planned(Selection(self.reading)))


def asked_columns(selection: Selection) -> list[sa.Column[Any]]:
    """The columns of ``run_metadata`` that the conditions of ``selection`` look at."""
    return [
        element
        for condition in selection.where
        for element in visitors.iterate(condition)
        if isinstance(element, sa.Column) and element.table is selection.host.runs
    ]
