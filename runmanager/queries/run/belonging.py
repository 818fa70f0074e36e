"""Which rows of the host's tables belong to some runs: by the id they hold, or by foreign keys.

Most tables hold the id of a row's run. Of those that do not, rows are found from the rows that they
refer to, as the database finds them when it cascades: whatever the depth, whatever the columns.
Such a row is told by its table and its place in it (``tableoid``, ``ctid``), for as long as the
transaction lasts.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.host.ids import has_id
from runmanager.reach import reached

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runmanager.host.values import Host, Link, TraceTable


class Belonging:
    """The rows of some runs, as SQL. Statements made by one object may share its parts."""

    def __init__(self, host: Host, thread_ids: Sequence[str]) -> None:
        self._host = host
        self.thread_ids = thread_ids
        self._rows: dict[str, sa.CTE] = {}

    def held(self, trace: TraceTable) -> sa.ColumnElement[bool]:
        """The condition that a row of ``trace`` holds the id of one of the runs."""
        return trace.of(self.thread_ids)

    def found(self, trace: TraceTable) -> sa.CTE:
        """The rows of a table that has links: ``rel`` and ``tid`` say where, ``run`` whose it is.

        A row that belongs to two runs is there twice.
        """
        if trace.name not in self._rows:
            if trace.name in self._circle:
                self._find_circle()
            else:
                parts = [*self._held(trace), *map(self._linked, trace.links)]
                self._rows[trace.name] = _each_once(parts).cte()
        return self._rows[trace.name]

    def places(self, trace: TraceTable) -> sa.CTE:
        """The rows of a table that has links, each once; ``run`` is one of those that it is of."""
        found = self.found(trace).c
        return (
            sa.select(found.rel, found.tid, sa.func.min(found.run).label("run"))
            .group_by(found.rel, found.tid)
            .cte()
        )

    def referred(self, link: Link) -> sa.Select[Any]:
        """The rows that go and that ``link`` may refer to: ``run``, and ``k0``, ``k1``, …"""
        trace = self._host.nodes[link.parent.info["oid"]]
        if trace.links:
            rows = self.found(trace)
            parent = link.parent.alias("parent")
            is_row = sa.and_(
                sa.literal_column("parent.tableoid") == rows.c.rel,
                sa.literal_column("parent.ctid") == rows.c.tid,
            )
            keys = [parent.c[name] for name in link.to_columns]
            return sa.select(rows.c.run, *_numbered(keys)).select_from(
                sa.join(rows, parent, is_row)
            )
        key, keys = self._seen(trace, link)
        source = key.table
        statement = sa.select(sa.cast(key, sa.Text).label("run"), *_numbered(keys)).where(
            has_id(key, self.thread_ids)
        )
        return _only(statement, source)

    def keeps(self, link: Link) -> sa.Select[Any]:
        """The rows of the child of ``link`` that refer to what goes and do not go themselves.

        ``rel`` and ``tid`` say where, ``run`` whose reference it is.
        """
        child = link.child.alias("child")
        referred = self.referred(link).subquery("referred")
        statement = _only(
            sa.select(*_place("child"), referred.c.run).select_from(
                sa.join(child, referred, _refers(child, link, referred))
            ),
            child,
        )
        trace = self._host.nodes.get(link.child.info["oid"])
        return statement if trace is None else self._without(statement, trace, child)

    def owners(self, trace: TraceTable) -> sa.FromClause:
        """The rows of ``trace`` that go: ``rel`` and ``tid`` say where, ``run`` with which run."""
        if trace.links:
            return self.places(trace)
        return sa.union_all(*self._held(trace)).subquery()

    def _without(
        self, statement: sa.Select[Any], trace: TraceTable, child: sa.FromClause
    ) -> sa.Select[Any]:
        """``statement`` about rows of ``child``, without those that go."""
        if trace.links:
            rows = self.found(trace).alias()
            return statement.where(~sa.exists(_is_at(rows, "child")))
        key = trace.stored_key
        if key is None or key.name not in child.c:
            return statement
        held = has_id(key, self.thread_ids, child.c[key.name])
        return statement.where(~sa.func.coalesce(held, sa.false()))

    def kin(self, link: Link) -> sa.Select[Any]:
        """Which other run, ``other``, refers by ``link`` to what goes with a ``run``."""
        child = link.child.alias("child")
        referred = self.referred(link).subquery("referred")
        key = self._host.own.stored_key
        assert key is not None  # noqa: S101  a view that computes the id has no table behind it
        other = sa.cast(child.c[key.name], sa.Text)
        return _only(
            sa.select(referred.c.run, other.label("other"))
            .select_from(sa.join(child, referred, _refers(child, link, referred)))
            .where(other != referred.c.run),
            child,
        )

    def stays(self, trace: TraceTable) -> sa.ColumnElement[bool]:
        """The condition that a row which holds a run's id does not go all the same."""
        held = trace.of(self.thread_ids)
        going = self._host.nodes.get(trace.stored.info["oid"])
        if going is None:
            return held
        if not going.links:
            gone = going.of(self.thread_ids)
            return sa.and_(held, ~sa.func.coalesce(gone, False))
        rows = self.found(going)
        place = sa.tuple_(sa.literal_column("tableoid"), sa.literal_column("ctid"))
        return sa.and_(held, place.not_in(sa.select(rows.c.rel, rows.c.tid)))

    def _held(self, trace: TraceTable) -> Iterator[sa.Select[Any]]:
        """The rows that hold a run's id themselves."""
        key = trace.stored_key
        if key is None:
            return
        columns: list[sa.Label[Any]] = [*_place(), sa.cast(key, sa.Text).label("run")]
        yield sa.select(*columns).where(has_id(key, self.thread_ids))

    def _linked(self, link: Link) -> sa.Select[Any]:
        """The rows that refer by ``link`` to a row that goes."""
        child = link.child.alias("child")
        referred = self.referred(link).subquery("referred")
        statement = sa.select(*_place("child"), referred.c.run).select_from(
            sa.join(child, referred, _refers(child, link, referred))
        )
        return _only(statement, child)

    def _seen(self, trace: TraceTable, link: Link) -> tuple[sa.Column[Any], list[sa.Column[Any]]]:
        """The id of a run and the columns that ``link`` refers to, of one table or view."""
        assert trace.key is not None  # noqa: S101  a table without links holds ids of runs
        shown = trace.shown(link)
        if shown is not None:
            return trace.key, shown
        key = trace.stored_key
        assert key is not None  # noqa: S101  a view that computes the id shows what is referred to
        source = link.parent if link.parent is not trace.stored else trace.stored
        return source.c[key.name], [source.c[name] for name in link.to_columns]

    @cached_property
    def _circle(self) -> dict[str, int]:
        """The tables whose rows lead back to themselves, and what follows from those; numbered."""
        linked = {trace.name: trace for trace in self._host.traces if trace.links}
        leads = {
            name: {self._host.nodes[link.parent.info["oid"]].name for link in trace.links}
            for name, trace in linked.items()
        }
        above = {name: reached(name, leads) for name in leads}
        closed = {name for name, of in above.items() if name in of}
        names = [name for name in linked if name in closed or above[name] & closed]
        return {name: number for number, name in enumerate(names)}

    def _find_circle(self) -> None:
        """Find the rows of all these tables at once, step by step, until none is new."""
        traces = [trace for trace in self._host.traces if trace.name in self._circle]
        first: list[sa.Select[Any]] = []
        inner: list[tuple[int, int, Link]] = []
        for trace in traces:
            number = self._circle[trace.name]
            starting = list(self._held(trace))
            for link in trace.links:
                above = self._host.nodes[link.parent.info["oid"]].name
                if above in self._circle:
                    inner.append((self._circle[above], number, link))
                else:
                    starting.append(self._linked(link))
            first += [
                sa.select(sa.literal(number).label("of"), *one.subquery().c) for one in starting
            ]
        # A recursion of Core's begins with a plain SELECT.
        circle = sa.select(*_each_once(first).subquery().c).cte(recursive=True)
        steps = [self._step(circle, *one) for one in inner]
        step = (sa.union_all(*steps) if len(steps) > 1 else steps[0]).lateral("step")
        circle = circle.union(
            sa.select(step.c.of, step.c.rel, step.c.tid, circle.c.run).select_from(
                sa.join(circle, step, sa.true())
            )
        )
        for trace in traces:
            self._rows[trace.name] = (
                sa.select(circle.c.rel, circle.c.tid, circle.c.run)
                .where(circle.c.of == self._circle[trace.name])
                .cte()
            )

    def _step(self, circle: sa.CTE, above: int, number: int, link: Link) -> sa.Select[Any]:
        parent, child = link.parent.alias("parent"), link.child.alias("child")
        refers = sa.and_(
            *(
                child.c[own] == parent.c[to]
                for own, to in zip(link.columns, link.to_columns, strict=True)
            )
        )
        statement = (
            sa.select(sa.literal(number).label("of"), *_place("child"))
            .select_from(sa.join(parent, child, refers))
            .where(
                circle.c.of == above,
                sa.literal_column("parent.tableoid") == circle.c.rel,
                sa.literal_column("parent.ctid") == circle.c.tid,
            )
            .correlate(circle)
        )
        return _only(statement, child)


def _each_once(parts: Sequence[sa.Select[Any]]) -> sa.SelectBase:
    return sa.union(*parts) if len(parts) > 1 else parts[0].distinct()


def _place(name: str | None = None) -> tuple[sa.Label[Any], sa.Label[Any]]:
    of = "" if name is None else f"{name}."
    return (
        sa.literal_column(f"{of}tableoid").label("rel"),
        sa.literal_column(f"{of}ctid").label("tid"),
    )


def _is_at(rows: sa.FromClause, name: str) -> sa.Select[Any]:
    return sa.select(sa.literal(1)).where(
        rows.c.rel == sa.literal_column(f"{name}.tableoid"),
        rows.c.tid == sa.literal_column(f"{name}.ctid"),
    )


def _numbered(keys: Iterable[sa.ColumnElement[Any]]) -> list[sa.Label[Any]]:
    return [key.label(f"k{number}") for number, key in enumerate(keys)]


def _refers(child: sa.FromClause, link: Link, referred: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(
        *(child.c[name] == referred.c[f"k{number}"] for number, name in enumerate(link.columns))
    )


def _only(statement: sa.Select[Any], table: Any) -> sa.Select[Any]:
    """The statement on the table itself where others inherit from it: its keys are not theirs."""
    itself = getattr(table, "element", table)
    if not itself.info.get("has_heirs"):
        return statement
    return statement.with_hint(table, "ONLY", "postgresql")
