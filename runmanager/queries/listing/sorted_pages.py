"""Pages of a list in another order than by time: gathered and sorted, or read value by value.

- Few enough runs: **gather** and sort them, whatever the key. 100,000 of them take some thirty
  times as long as a page of the newest.
- By user or status of more runs than that: the values are few and sorted by themselves, and the
  runs of each are a list of their own, read as any other. How far that goes is bounded by the runs
  that are counted on the way.

Texts are compared in lower case by the order of the database, then exactly, character by character.
What is missing comes last either way, and what is equal stands newest first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from runmanager.database import stopped_after
from runmanager.errors import DatabaseTooSlowError, InvalidRequestError, TooManyToSortError
from runmanager.host.ids import has_id, same_id
from runmanager.paging import PageRequest, Total
from runmanager.queries.listing import spans
from runmanager.queries.listing.access_paths import count_of, counted_beside, gathered
from runmanager.queries.listing.conditions import (
    Driver,
    Equality,
    Selection,
    having,
    is_of_nobody,
    select_by,
    taken_by,
)
from runmanager.queries.listing.loose_scan import distinct_values
from runmanager.queries.listing.order import newest_first
from runmanager.queries.listing.pages import rows_of
from runmanager.queries.listing.stored import bytes_of_runs
from runmanager.queries.listing.summaries import as_summary, listed, select_summaries
from runmanager.queries.listing.totals import Estimate, Totals, count_up_to, estimate
from runmanager.records import RunPage, RunSummary
from runmanager.sorting import Sort, SortKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runmanager.filters import RunFilter
    from runmanager.host.values import Host, Reading
    from runmanager.queries.listing.counted import Counted
    from runmanager.queries.listing.limits import Limits

T = TypeVar("T")
# Whose bytes are read in no longer than 100,000 names are sorted.
SIZED = 2_000
# For so long somebody waits for a sorted page.
SECONDS = 3.0
# So many users or statuses are gone through for one.
_VALUES = 2_000
_BLANKS = " \t\n\r\f\v"
_WORDS = {
    SortKey.STARTED: "time",
    SortKey.TOOK: "duration",
    SortKey.NAME: "name",
    SortKey.USER: "user",
    SortKey.STATUS: "status",
    SortKey.SIZE: "size",
}
_Names = Callable[[sa.FromClause], tuple[sa.FromClause, list[sa.ColumnElement[Any]]]]


def sorts(host: Host) -> tuple[SortKey, ...]:
    """What the runs of this host can be sorted by."""
    lacking = set() if spans.has_taken(host) else {SortKey.TOOK}
    return tuple(key for key in SortKey if key not in lacking)


def list_sorted(
    reading: Reading,
    run_filter: RunFilter,
    request: PageRequest,
    limits: Limits,
    sort: Sort,
    *,
    in_full: bool,
    counted: Counted | None = None,
) -> RunPage:
    """One page of the runs of ``run_filter`` in the order ``sort``, which is not that by time.

    Where ``in_full`` is not set, a page past the end is the last one. Raises TooManyToSortError
    where the runs are more than can be sorted by that.
    """
    if sort.key not in sorts(reading.host):
        raise InvalidRequestError(f"The runs of this host cannot be sorted by {_WORDS[sort.key]}.")
    selection = select_by(reading, run_filter)
    return _Sorted(selection, request, limits, sort, in_full, counted).read()


@dataclass(frozen=True)
class _Sorted:
    selection: Selection
    request: PageRequest
    limits: Limits
    sort: Sort
    in_full: bool
    counted: Counted | None
    began: float = field(default_factory=time.monotonic)

    def read(self) -> RunPage:
        """The page that is asked for."""
        found = None if self._are_surely_too_many else self._in_time(self._gathered)
        if found is None:
            return self._value_by_value()
        rows, total, request = found
        return self._page(rows, Total(total), request, has_next=request.offset + len(rows) < total)

    @property
    def _host(self) -> Host:
        return self.selection.host

    @property
    def _most(self) -> int:
        most = self.limits.gather_to
        return min(SIZED, most) if self.sort.key is SortKey.SIZE else most

    @cached_property
    def _totals(self) -> Totals:
        return Totals(self.selection, self.limits, self.began, self.counted)

    @cached_property
    def _estimate(self) -> Estimate:
        return estimate(self.selection)

    @property
    def _are_surely_too_many(self) -> bool:
        """Whether a sample of them says so: what the planner believes of one may be old."""
        is_sampled = self.selection.conditions > 1 and not self.selection.others
        return is_sampled and self._estimate.at_least > self._most

    def _in_time(self, read: Callable[[], T]) -> T:
        """What ``read`` finds, as long as somebody waits for it."""
        if self.in_full:
            return read()
        try:
            with stopped_after(self.selection.connection, SECONDS):
                return read()
        except DatabaseTooSlowError:
            raise TooManyToSortError(
                "The runs that match cannot be found in time to be sorted. Narrow the filters."
            ) from None

    def _too_many(self) -> TooManyToSortError:
        likely = self._estimate.count
        number = f"About {_rounded(likely)}" if likely > self._most else f"More than {self._most:,}"
        return TooManyToSortError(
            f"{number} runs match: up to {self._most:,} can be sorted by {_WORDS[self.sort.key]}. "
            "Narrow the filters."
        )

    # All of them

    def _gathered(self) -> tuple[list[RunSummary], int, PageRequest] | None:
        """The page's runs, how many there are in all, and which page it is; None: too many."""
        few = self._totals.if_few()
        driver = self._totals.moderate() if few is None else few.driver
        if self.sort.key is SortKey.SIZE:
            return self._by_size(driver)
        request = self.request
        if not request.from_end:
            rows, total = self._by_key(driver, request)
            if total > self._most:
                return None
            if rows or self._nearest(total) == request:
                return rows, total, request
            request = self._nearest(total)
        else:
            total = self._by_key(driver, PageRequest(1, 1))[1]
            request = request.within(total)
        rows, total = self._by_key(driver, request)
        return None if total > self._most else (rows, total, request)

    def _nearest(self, total: int) -> PageRequest:
        is_as_asked = self.in_full and not self.request.from_end
        return self.request if is_as_asked else self.request.within(total)

    def _by_key(self, driver: Driver | None, request: PageRequest) -> tuple[list[RunSummary], int]:
        """The rows of a page and how many there are, or more than that many are sorted."""
        runs = self._host.runs
        columns = [runs.c.created_at, runs.c.thread_id]
        keys, names = self._keys()
        all_of_them = gathered(self.selection, [*columns, *keys], driver)
        if names is None:
            found, total = counted_beside(self.selection, all_of_them, self._most)
        else:
            # They are read twice: for whose they are, and by those names.
            cte = all_of_them.limit(self._most + 1).cte("found").prefix_with("MATERIALIZED")
            found, total = cte, count_of(cte)
        rows: sa.FromClause = found
        if names is None:
            by: list[sa.ColumnElement[Any]] = [found.c[f"key_{n}"] for n in range(len(keys))]
        else:
            rows, by = names(found)
        page = (
            sa.select(found.c.thread_id, *(key.label(f"by_{n}") for n, key in enumerate(by)))
            .select_from(rows)
            .where(total <= self._most)
            .order_by(*map(self._directed, by), *newest_first(found))
            .limit(request.size)
            .offset(request.offset)
            .subquery("page")
        )
        chosen = (
            sa.select(
                *(runs.c[name] for name in listed(self._host)),
                *(page.c[f"by_{n}"] for n in range(len(by))),
            )
            .join(page, page.c.thread_id == runs.c.thread_id)
            .subquery("chosen")
        )
        counted = sa.select(total.label("total")).subquery("of_all")
        read = self.selection.connection.execute(
            select_summaries(self._host, chosen)
            .add_columns(counted.c.total)
            .select_from(counted.outerjoin(chosen, sa.true()))
            .order_by(
                *(self._directed(chosen.c[f"by_{n}"]) for n in range(len(by))),
                *newest_first(chosen),
            )
        ).all()
        shown = [as_summary(self._host, row) for row in read if row.thread_id is not None]
        return shown, read[0].total

    def _keys(self) -> tuple[list[sa.ColumnElement[Any]], _Names | None]:
        """What is sorted by, as ``key_0`` and so on; or by whose names, to be looked up once."""
        runs = self._host.runs.c
        if self.sort.key is SortKey.TOOK:
            return [taken_by(self.selection.reading).label("key_0")], None
        if self.sort.key is SortKey.USER:
            return [runs.user_id.label("user_id")], self._named
        text: sa.ColumnElement[str] = sa.cast(runs.status, sa.Text)
        if self.sort.key is SortKey.NAME:
            name = sa.cast(runs.run_name, sa.Text)
            # A blank name is shown as none.
            text = sa.case((sa.func.btrim(name, _BLANKS) != "", name))
        return [key.label(f"key_{number}") for number, key in enumerate(text_keys(text))], None

    def _named(self, found: sa.FromClause) -> tuple[sa.FromClause, list[sa.ColumnElement[Any]]]:
        """The gathered runs with their users' names, each of which is looked up once."""
        ids = sa.select(found.c.user_id).where(found.c.user_id.is_not(None)).distinct()
        users, some = self._host.users.c, ids.subquery("some_users")
        name = (
            sa.select(sa.cast(users.username, sa.Text))
            .where(same_id(users.id, sa.type_coerce(some.c.user_id, self._user_id.type)))
            .limit(1)
            .scalar_subquery()
        )
        named = sa.select(some.c.user_id, name.label("name")).cte("named")
        named = named.prefix_with("MATERIALIZED")
        joined = found.outerjoin(named, named.c.user_id == found.c.user_id)
        return joined, list(text_keys(named.c.name))

    @property
    def _user_id(self) -> sa.Column[Any]:
        return self._host.runs.c.user_id

    def _directed(self, key: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return (key.desc() if self.sort.is_descending else key.asc()).nulls_last()

    def _by_size(self, driver: Driver | None) -> tuple[list[RunSummary], int, PageRequest] | None:
        runs, reading = self._host.runs, self.selection.reading
        keys = gathered(self.selection, [runs.c.created_at, runs.c.thread_id], driver)
        some = keys.limit(self._most + 1).subquery("some")
        ids = self.selection.connection.scalars(
            sa.select(sa.cast(some.c.thread_id, sa.Text)).order_by(*newest_first(some))
        ).all()
        if len(ids) > self._most:
            return None
        sizes = bytes_of_runs(reading, ids) if ids else {}
        sign = -1 if self.sort.is_descending else 1
        # Sorted stably, so that those of one size stay newest first.
        ordered = sorted(ids, key=lambda one: sign * sizes[one])
        request = self._nearest(len(ids))
        wanted = ordered[request.offset : request.offset + request.size]
        rows = self.selection.connection.execute(
            select_summaries(self._host, runs).where(has_id(runs.c.thread_id, wanted))
        )
        known = {row.thread_id: as_summary(self._host, row) for row in rows}
        page = [replace(known[one], stored_bytes=sizes[one]) for one in wanted]
        return page, len(ids), request

    # More of them

    def _value_by_value(self) -> RunPage:
        """The page of more runs than are sorted: those of each value are a list by themselves."""
        request = self.request
        skip, size, rows = request.offset, request.size + 1, list[RunSummary]()
        if request.from_end or skip + size > self._most:
            raise self._too_many()
        for group in self._groups():
            left = size - len(rows)
            selection = self._narrowed(group)
            count = self._in_time(partial(count_up_to, selection, skip + left))
            if count > skip:
                found = self._in_time(partial(rows_of, selection, self.limits, left, skip=skip))
                rows += [as_summary(self._host, row) for row in found]
            skip = max(0, skip - count)
            if len(rows) >= size:
                break
            if time.monotonic() - self.began > SECONDS and not self.in_full:
                raise self._too_many()
        total = self._totals.in_full() if self.in_full else self._totals.at_once()
        has_next = len(rows) == size
        return self._page(rows[: request.size], total, request, has_next=has_next)

    def _narrowed(self, group: Equality | sa.ColumnElement[bool]) -> Selection:
        if isinstance(group, Equality):
            return replace(self.selection, equalities=(*self.selection.equalities, group))
        return self.selection.narrowed(group)

    def _groups(self) -> Iterator[Equality | sa.ColumnElement[bool]]:
        """The runs by what they are sorted by, one value after the other; those without one last.

        Raises TooManyToSortError for a key whose values are no few, or that no index finds.
        """
        reading = self.selection.reading
        status, indexed = self._host.runs.c.status, reading.hints.indexed
        if self.sort.key is SortKey.USER and self._user_id.name in indexed:
            groups, without = self._users(), is_of_nobody(reading)
        elif self.sort.key is SortKey.STATUS and status.name in indexed:
            groups, without = self._statuses(), status.is_(None)
        else:
            raise self._too_many()
        yield from reversed(groups) if self.sort.is_descending else groups
        yield without

    def _statuses(self) -> list[Equality]:
        reading = self.selection.reading
        some = distinct_values(reading, self._host.runs.c.status).limit(_VALUES + 1)
        word = sa.cast(some.subquery("words").c.id, sa.Text)
        words = reading.connection.scalars(sa.select(word).order_by(*text_keys(word))).all()
        column = self._host.runs.c.status
        return [having(column, [one]) for one in self._not_too_many(words)]

    def _users(self) -> list[Equality]:
        reading, users = self.selection.reading, self._host.users.c
        some = distinct_values(reading, self._user_id).limit(_VALUES + 1).subquery("with_runs")
        user_id = sa.type_coerce(some.c.id, self._user_id.type)
        found = (
            sa.select(sa.cast(users.username, sa.Text))
            .where(same_id(users.id, user_id))
            .limit(1)
            .scalar_subquery()
        )
        named = sa.select(sa.cast(some.c.id, sa.Text).label("id"), found.label("name"))
        names = named.cte("named").prefix_with("MATERIALIZED")
        rows = reading.connection.execute(sa.select(names).order_by(*text_keys(names.c.name))).all()
        by_name: dict[str, list[str]] = {}
        for row in self._not_too_many(rows):
            if row.name is not None:
                by_name.setdefault(row.name, []).append(row.id)
        return [having(self._user_id, ids) for ids in by_name.values()]

    def _not_too_many(self, values: Sequence[T]) -> Sequence[T]:
        if len(values) > _VALUES:
            raise self._too_many()
        return values

    def _page(
        self, items: Sequence[RunSummary], total: Total, request: PageRequest, *, has_next: bool
    ) -> RunPage:
        seen = request.offset + len(items) + has_next if items else 0
        return RunPage(
            items=tuple(items),
            total=total.count if total.is_exact else max(total.count, seen),
            number=request.number,
            size=request.size,
            exactness=total.exactness,
            has_next=has_next,
            has_previous=request.number > 1,
            sort=self.sort,
        )


def text_keys(text: sa.ColumnElement[str]) -> tuple[sa.ColumnElement[str], ...]:
    """What texts are sorted by: in lower case by the database's own order, then exactly."""
    return sa.func.lower(text), text.collate("C")


def _rounded(number: int) -> str:
    """To two digits, which is what an estimate is worth."""
    if number >= 1_000_000:  # noqa: PLR2004  a million
        return f"{number / 1_000_000:.1f} M"
    return f"{int(float(f'{number:.2g}')):,}"
