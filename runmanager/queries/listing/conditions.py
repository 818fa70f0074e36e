"""The one place where a RunFilter becomes SQL: list, count, facets and all that follow use it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from runmanager.errors import InvalidRequestError
from runmanager.filters import ENTRIES, Without
from runmanager.host.ids import (
    array_of,
    has_id,
    native_ids,
    printed_value,
    same_id,
    storable,
)
from runmanager.queries.listing import kinds, spans

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta

    from runmanager.filters import RunFilter
    from runmanager.host.values import Host, Reading

# A shorter text holds no trigram: the index would be read from end to end.
_HAS_TRIGRAM = re.compile(r"[^\W_]{3}")


@dataclass(frozen=True)
class Equality:
    """One of some values of a column, whose runs a host's index can find.

    ``has_one`` is that condition, ``values`` are those values in the column's own type, None where
    there is none; ``is_one``: all of its runs have the same. ``with_none``: runs without a value
    are meant as well.
    """

    column: sa.Column[Any]
    has_one: sa.ColumnElement[bool]
    values: sa.ColumnElement[Any] | None
    is_one: bool
    with_none: bool = False

    @property
    def alternatives(self) -> tuple[sa.ColumnElement[bool], ...]:
        """Conditions of which each run fulfils one at the most, and each by itself has an index.

        For both in one condition the planner reads a whole index, as it expects to find some soon.
        """
        return (self.has_one, self.column.is_(None)) if self.with_none else (self.has_one,)

    @property
    def can_be_merged(self) -> bool:
        """Whether there is anything to look up."""
        return self.values is not None or self.with_none

    @property
    def where(self) -> sa.ColumnElement[bool]:
        """The condition that a run is one of them."""
        return sa.or_(*self.alternatives)


@dataclass(frozen=True)
class Driver:
    """What an index finds runs by; ``equality`` is set where it is one.

    ``alternatives`` are conditions of which a run fulfils one at the most.
    """

    alternatives: tuple[sa.ColumnElement[bool], ...]
    equality: Equality | None = None


@dataclass(frozen=True)
class Range:
    """A condition on when runs started."""

    where: sa.ColumnElement[bool]


# What one entry of a filter asks of a run: by what its runs are found, or a condition to be tried.
Part = Equality | Range | sa.ColumnElement[bool]


@dataclass(frozen=True)
class Condition:
    """One entry's SQL over ``columns``. It is offered where ``is_offered`` of the host."""

    columns: tuple[str, ...]
    is_offered: Callable[[Host], bool]
    of: Callable[[Reading, Any], Part]
    without: Callable[[Reading], sa.ColumnElement[bool]] | None = None


@dataclass(frozen=True)
class Selection:
    """The runs of one filter, as conditions on ``run_metadata``.

    ``equalities`` and ``ranges`` are what a host's index can find; ``others`` have to be tried on
    each row. ``search`` is the text searched for, "" for none.
    """

    reading: Reading
    equalities: tuple[Equality, ...] = ()
    ranges: tuple[sa.ColumnElement[bool], ...] = ()
    others: tuple[sa.ColumnElement[bool], ...] = ()
    search: str = ""

    @property
    def connection(self) -> sa.Connection:
        """Where they are read."""
        return self.reading.connection

    @property
    def host(self) -> Host:
        """Whose they are."""
        return self.reading.host

    @property
    def where(self) -> tuple[sa.ColumnElement[bool], ...]:
        """Every condition."""
        return self.beside()

    @property
    def not_equalities(self) -> tuple[sa.ColumnElement[bool], ...]:
        """Every condition but the equalities."""
        return self.ranges + self.others + not_hidden(self.reading)

    @property
    def is_everything(self) -> bool:
        """Whether no run is left out."""
        return not (self.equalities or self.ranges or self.others)

    @property
    def moves_with_time(self) -> bool:
        """Whether other runs are selected a moment later, though nothing was written since."""
        elements = (element for one in self.where for element in visitors.iterate(one))
        return any(isinstance(element, sa.sql.functions.now) for element in elements)

    @property
    def is_in_order(self) -> bool:
        """Whether the host's indexes have exactly these runs in the order of the list."""
        if self.others or len(self.equalities) > 1:
            return False
        hints = self.reading.hints
        return all(
            one.column.name in (hints.ordered if one.is_one else hints.rising | hints.falling)
            for one in self.equalities
        )

    @property
    def in_branches(self) -> Equality | None:
        """What an index has in order value by value: the rows of each are to be merged.

        Of one value, too: with a plain condition the planner may walk the index on the time, as it
        takes the runs of a status to be spread evenly over all times.
        """
        hints = self.reading.hints
        merged = [one for one in self.equalities if one.column.name in hints.rising | hints.falling]
        return merged[0] if merged and merged[0].can_be_merged and self.is_in_order else None

    @property
    def drivers(self) -> tuple[Driver, ...]:
        """What an index finds the runs of, each by itself: a user's, a status's, those of a day."""
        hints = self.reading.hints
        found = [
            Driver(one.alternatives, one)
            for one in self.equalities
            if one.column.name in hints.indexed
        ]
        if self.ranges and "created_at" in hints.indexed:
            found.append(Driver((sa.and_(*self.ranges),)))
        return tuple(found)

    @property
    def alternatives(self) -> tuple[tuple[sa.ColumnElement[bool], ...], ...]:
        """All conditions in one or several forms, of which each run fulfils one at the most."""
        several = [one for one in self.equalities if len(one.alternatives) > 1]
        if len(several) != 1:
            return (self.where,)
        (split,) = several
        rest = tuple(one.where for one in self.equalities if one is not split)
        return tuple((one, *rest, *self.not_equalities) for one in split.alternatives)

    @property
    def conditions(self) -> int:
        """How many there are that say nothing of each other; a text searched for is one."""
        return len(self.equalities) + bool(self.ranges) + len(self.others)

    @property
    def has_trigram(self) -> bool:
        """Whether there is text enough in the search for a trigram index."""
        return _HAS_TRIGRAM.search(self.search) is not None

    def beside(self, driver: Driver | None = None) -> tuple[sa.ColumnElement[bool], ...]:
        """Every condition but the equality that ``driver`` is."""
        known = None if driver is None else driver.equality
        asked = tuple(one.where for one in self.equalities if one is not known)
        return asked + self.not_equalities

    def on(self, rows: sa.FromClause, driver: Driver | None = None) -> list[Any]:
        """The conditions ``beside`` the driver, asked of ``rows`` of ``run_metadata``."""
        return [self.moved(one, rows) for one in self.beside(driver)]

    def moved(self, expression: sa.ColumnElement[Any], rows: sa.FromClause) -> Any:
        """An expression over ``run_metadata``, over ``rows`` that were taken from there."""

        def own(element: Any, **_: Any) -> Any:
            is_own = isinstance(element, sa.Column) and element.table is self.host.runs
            return rows.c[element.name] if is_own else None

        return visitors.replacement_traverse(expression, {}, own)

    def only_found(self) -> Selection:
        """The runs that indexes find, whatever else is asked of them."""
        return replace(self, others=(), search="")

    def only_by(self, driver: Driver) -> Selection:
        """All the runs of one of ``drivers``."""
        if driver.equality is not None:
            return Selection(self.reading, equalities=(driver.equality,))
        return Selection(self.reading, ranges=driver.alternatives)

    def narrowed(self, *further: sa.ColumnElement[bool]) -> Selection:
        """Those of the runs that fulfil ``further`` as well."""
        return replace(self, others=self.others + further)


def offered(host: Host) -> tuple[str, ...]:
    """The keys of the entries that this host's runs can be narrowed down by."""
    return tuple(key for key in ENTRIES if _CONDITIONS[key].is_offered(host))


def select_by(reading: Reading, run_filter: RunFilter) -> Selection:
    """The selection of exactly the runs of ``run_filter``, whose times must be absolute.

    The database is asked for the ids behind a username: a join inside the statement was measured to
    hide the index on ``user_id``. Raises InvalidRequestError for an entry that is not offered here.
    """
    parts = tuple(_part(reading, key, value) for key, value in run_filter.chosen())
    return Selection(
        reading,
        equalities=tuple(part for part in parts if isinstance(part, Equality)),
        ranges=tuple(part.where for part in parts if isinstance(part, Range)),
        others=tuple(part for part in parts if isinstance(part, sa.ColumnElement)),
        search=run_filter.search,
    )


def not_hidden(reading: Reading) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions that leave out runs which only a lagging replica still has; mostly none."""
    if not reading.hidden:
        return ()
    return (~has_id(reading.host.runs.c.thread_id, reading.hidden),)


def _part(reading: Reading, key: str, value: Any) -> Part:
    condition = _CONDITIONS[key]
    if not condition.is_offered(reading.host):
        runs = reading.host.runs
        missing = [one for one in condition.columns if one not in runs.c]
        lack = f"has no column “{missing[0]}”" if missing else "keeps its times as texts"
        raise InvalidRequestError(f"Runs cannot be filtered by “{key}” here: “{runs.name}” {lack}.")
    if not isinstance(value, Without):
        return condition.of(reading, value)
    if condition.without is None:
        raise InvalidRequestError(f"There are no runs without a {ENTRIES[key].word} to filter by.")
    return condition.without(reading)


def _has_text(reading: Reading, search: str) -> Part:
    if not storable(search):
        return sa.false()
    runs = reading.host.runs.c
    # autoescape makes %, _ and the escape character mean themselves.
    return sa.or_(
        sa.cast(runs.thread_id, sa.Text).icontains(search, autoescape=True),
        sa.cast(runs.run_name, sa.Text).icontains(search, autoescape=True),
    )


def _is_of_user(reading: Reading, username: str) -> Part:
    return _has_one(reading.host.runs.c.user_id, _user_ids(reading, username))


def _is_of_no_user(reading: Reading) -> sa.ColumnElement[bool]:
    return ~_exists_in(reading.host.users, reading.host.runs.c.user_id)


def _is_in_workspace(reading: Reading, workspace: str) -> Part:
    return _has_one(reading.host.runs.c.workspace_id, [workspace])


def having(column: sa.Column[Any], texts: Sequence[str]) -> Equality:
    """The runs with one of these values of ``column``, each as PostgreSQL prints it."""
    values = array_of(column, texts)
    if len(texts) == 1:
        return Equality(column, column == printed_value(column, texts[0]), values, is_one=True)
    has_one = sa.false() if values is None else column == sa.any_(values)
    return Equality(column, has_one, values, is_one=False)


def is_of_nobody(reading: Reading) -> sa.ColumnElement[bool]:
    """The condition that a run has no user whose name is known."""
    users = reading.host.users.c
    is_user = same_id(users.id, reading.host.runs.c.user_id)
    return ~sa.exists(sa.select(sa.literal(1)).where(is_user, users.username.is_not(None)))


def _has_one(column: sa.Column[Any], texts: list[str]) -> Equality:
    is_one = len(native_ids(column, texts)) <= 1
    return Equality(column, has_id(column, texts), array_of(column, texts), is_one)


def _is_in_no_workspace(reading: Reading) -> sa.ColumnElement[bool]:
    column, workspaces = reading.host.runs.c.workspace_id, reading.host.workspaces
    return column.is_(None) if workspaces is None else ~_exists_in(workspaces, column)


def _is_of_model(reading: Reading, model: str) -> Part:
    column = sa.cast(reading.host.runs.c.llm_model, sa.Text)
    return column == model if storable(model) else sa.false()


def _is_of_no_model(reading: Reading) -> sa.ColumnElement[bool]:
    return reading.host.runs.c.llm_model.is_(None)


def _has_status(reading: Reading, given: tuple[str, ...]) -> Part:
    words = kinds.words_as_given(reading, given)
    return kinds.is_spelled(reading, given) if words is None else _by_words(words)


def _is_of_kind(reading: Reading, chosen: tuple[str, ...]) -> Part:
    words = kinds.words_of_kinds(reading, chosen)
    return kinds.is_of_kinds(reading, chosen) if words is None else _by_words(words)


def _by_words(words: kinds.Words) -> Equality:
    is_one = len(words.words) <= 1 and not words.with_none
    return Equality(words.column, words.has_one, words.values, is_one, words.with_none)


def _has_error(reading: Reading, text: str) -> Part:
    column = sa.cast(reading.host.runs.c.error_message, sa.Text)
    return column.icontains(text, autoescape=True) if storable(text) else sa.false()


def _took_longer(reading: Reading, length: timedelta) -> Part:
    return taken_by(reading) > sa.literal(length, sa.Interval())


def taken_by(reading: Reading) -> sa.ColumnElement[timedelta]:
    """How long a run took, which for a running one is until now; NULL where nobody knows."""
    is_running = _is_of_kind(reading, ("running",))
    where = is_running.where if isinstance(is_running, Equality) else is_running
    assert isinstance(where, sa.ColumnElement)  # noqa: S101  a kind is no range
    return spans.taken(reading.host, where)


def _user_ids(reading: Reading, username: str) -> list[str]:
    """The ids, as strings, of the users with exactly this name; [] when there is none."""
    if not storable(username):
        return []
    users = reading.host.users.c
    return list(
        reading.connection.scalars(
            sa.select(sa.cast(users.id, sa.Text)).where(
                sa.cast(users.username, sa.Text) == username
            )
        )
    )


def _exists_in(table: sa.Table, id_column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    return sa.exists(sa.select(sa.literal(1)).where(same_id(table.c.id, id_column)))


def _over(
    column: str,
    of: Callable[[Reading, Any], Part],
    without: Callable[[Reading], sa.ColumnElement[bool]] | None = None,
) -> Condition:
    """The condition on one column of any type."""
    return Condition((column,), lambda host: column in host.runs.c, of, without)


_CONDITIONS: Mapping[str, Condition] = {
    "search": _over("thread_id", _has_text),
    "username": _over("user_id", _is_of_user, _is_of_no_user),
    "workspace": _over("workspace_id", _is_in_workspace, _is_in_no_workspace),
    "model": _over("llm_model", _is_of_model, _is_of_no_model),
    "status": _over("status", _has_status),
    "kind": _over("status", _is_of_kind),
    "since": Condition(
        ("created_at",),
        spans.has_started,
        lambda reading, moment: Range(spans.started_since(reading.host, moment)),
    ),
    "until": Condition(
        ("created_at",),
        spans.has_started,
        lambda reading, moment: Range(spans.started_before(reading.host, moment)),
    ),
    "error": _over("error_message", _has_error),
    "longer_than": Condition(("created_at", "completed_at"), spans.has_taken, _took_longer),
}
