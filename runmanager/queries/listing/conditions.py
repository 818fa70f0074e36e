"""The one place where a RunFilter becomes SQL: list, count, facets and all that follow use it."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from runmanager.errors import InvalidRequestError
from runmanager.filters import ENTRIES, Without
from runmanager.host.ids import has_id, same_id, storable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta

    from runmanager.filters import RunFilter
    from runmanager.host.values import Host, Reading

# A shorter text holds no trigram: the index would be read from end to end.
_HAS_TRIGRAM = re.compile(r"[^\W_]{3}")


@dataclass(frozen=True)
class Part:
    """What one entry of a filter asks of a run.

    ``id_column`` is set where it compares an id, which a host's index can find; ``is_one`` where
    only one id is asked for.
    """

    where: sa.ColumnElement[bool]
    id_column: str | None = None
    is_one: bool = False


@dataclass(frozen=True)
class Condition:
    """One entry's SQL. The entry is offered where ``run_metadata`` has ``column``."""

    column: str
    of: Callable[[Reading, Any], Part]
    without: Callable[[Reading], sa.ColumnElement[bool]] | None = None


@dataclass(frozen=True)
class Selection:
    """The runs of one filter, as conditions on ``run_metadata``.

    ``equalities`` compare an id, which a host's index can find; ``others`` have to be tried on
    each row. ``search`` is the text searched for, "" for none. ``by_one`` is the column where one
    id is all that is asked for.
    """

    reading: Reading
    equalities: tuple[sa.ColumnElement[bool], ...] = ()
    others: tuple[sa.ColumnElement[bool], ...] = ()
    search: str = ""
    by_one: str | None = None

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
        return self.equalities + self.others + not_hidden(self.reading)

    @property
    def is_everything(self) -> bool:
        """Whether no run is left out."""
        return not (self.equalities or self.others)

    @property
    def is_in_order(self) -> bool:
        """Whether an index of the host has exactly these runs in the order of the list."""
        return self.is_everything or self.by_one in self.reading.hints.ordered

    @property
    def has_trigram(self) -> bool:
        """Whether there is text enough in the search for a trigram index."""
        return _HAS_TRIGRAM.search(self.search) is not None

    def on(self, rows: sa.FromClause) -> list[sa.ColumnElement[bool]]:
        """Every condition, asked of ``rows`` that were taken from ``run_metadata``."""

        def moved(element: Any, **_: Any) -> Any:
            is_own = isinstance(element, sa.Column) and element.table is self.host.runs
            return rows.c[element.name] if is_own else None

        return [visitors.replacement_traverse(one, {}, moved) for one in self.where]

    def only_equalities(self) -> Selection:
        """The runs of these ids, whatever else is asked of them."""
        return replace(self, others=(), search="")


def offered(host: Host) -> tuple[str, ...]:
    """The keys of the entries that this host's runs can be narrowed down by."""
    return tuple(key for key in ENTRIES if _CONDITIONS[key].column in host.runs.c)


def select_by(reading: Reading, run_filter: RunFilter) -> Selection:
    """The selection of exactly the runs of ``run_filter``.

    The database is asked for the ids behind a username: a join inside the statement was measured to
    hide the index on ``user_id``. Raises InvalidRequestError for an entry that is not offered here.
    """
    parts = tuple(_part(reading, key, value) for key, value in run_filter.chosen())
    (only,) = parts if len(parts) == 1 else (None,)
    return Selection(
        reading,
        equalities=tuple(part.where for part in parts if part.id_column is not None),
        others=tuple(part.where for part in parts if part.id_column is None),
        search=run_filter.search,
        by_one=only.id_column if only is not None and only.is_one else None,
    )


def not_hidden(reading: Reading) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions that leave out runs which only a lagging replica still has; mostly none."""
    if not reading.hidden:
        return ()
    return (~has_id(reading.host.runs.c.thread_id, reading.hidden),)


def _part(reading: Reading, key: str, value: Any) -> Part:
    condition = _CONDITIONS[key]
    if condition.column not in reading.host.runs.c:
        raise InvalidRequestError(
            f"Runs cannot be filtered by {ENTRIES[key].word} here: “{reading.host.runs.name}” has "
            f"no column “{condition.column}”."
        )
    if not isinstance(value, Without):
        return condition.of(reading, value)
    if condition.without is None:
        raise InvalidRequestError(f"There are no runs without a {ENTRIES[key].word} to filter by.")
    return Part(condition.without(reading))


def _has_text(reading: Reading, search: str) -> Part:
    if not storable(search):
        return Part(sa.false())
    runs = reading.host.runs.c
    # autoescape makes %, _ and the escape character mean themselves.
    return Part(
        sa.or_(
            sa.cast(runs.thread_id, sa.Text).icontains(search, autoescape=True),
            sa.cast(runs.run_name, sa.Text).icontains(search, autoescape=True),
        )
    )


def _is_of_user(reading: Reading, username: str) -> Part:
    ids = _user_ids(reading, username)
    return Part(has_id(reading.host.runs.c.user_id, ids), "user_id", is_one=len(ids) == 1)


def _is_of_no_user(reading: Reading) -> sa.ColumnElement[bool]:
    return ~_exists_in(reading.host.users, reading.host.runs.c.user_id)


def _is_in_workspace(reading: Reading, workspace: str) -> Part:
    column = reading.host.runs.c.workspace_id
    return Part(has_id(column, [workspace]), "workspace_id", is_one=True)


def _is_in_no_workspace(reading: Reading) -> sa.ColumnElement[bool]:
    column, workspaces = reading.host.runs.c.workspace_id, reading.host.workspaces
    return column.is_(None) if workspaces is None else ~_exists_in(workspaces, column)


def _is_of_model(reading: Reading, model: str) -> Part:
    column = sa.cast(reading.host.runs.c.llm_model, sa.Text)
    return Part(column == model if storable(model) else sa.false())


def _is_of_no_model(reading: Reading) -> sa.ColumnElement[bool]:
    return reading.host.runs.c.llm_model.is_(None)


def _has_status(reading: Reading, words: tuple[str, ...]) -> Part:
    return Part(has_id(reading.host.runs.c.status, words))


def _is_of_kind(reading: Reading, kinds: tuple[str, ...]) -> Part:
    column = reading.host.runs.c.status
    known = reading.host.conventions.statuses
    words = reading.connection.scalars(
        sa.select(sa.cast(column, sa.Text)).where(column.is_not(None)).distinct()
    )
    chosen = [word for word in words if known.kind(word).shown in kinds]
    is_chosen = has_id(column, chosen)
    return Part(sa.or_(is_chosen, column.is_(None)) if "other" in kinds else is_chosen)


def _started(compare: Callable[[Any, Any], Any]) -> Callable[[Reading, datetime], Part]:
    def part(reading: Reading, moment: datetime) -> Part:
        column = reading.host.runs.c.created_at
        # The column bare, the value of its own type: a cast of the column hides its index.
        stored = moment
        if column.info["type"] != "timestamp with time zone":
            stored = moment.astimezone(reading.host.conventions.zone).replace(tzinfo=None)
        return Part(compare(column, stored))

    return part


def _has_error(reading: Reading, text: str) -> Part:
    column = sa.cast(reading.host.runs.c.error_message, sa.Text)
    return Part(column.icontains(text, autoescape=True) if storable(text) else sa.false())


def _took_longer(reading: Reading, length: timedelta) -> Part:
    runs = reading.host.runs.c
    return Part(runs.completed_at - runs.created_at > length)


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


_CONDITIONS: Mapping[str, Condition] = {
    "search": Condition("thread_id", _has_text),
    "username": Condition("user_id", _is_of_user, _is_of_no_user),
    "workspace": Condition("workspace_id", _is_in_workspace, _is_in_no_workspace),
    "model": Condition("llm_model", _is_of_model, _is_of_no_model),
    "status": Condition("status", _has_status),
    "kind": Condition("status", _is_of_kind),
    "since": Condition("created_at", _started(operator.ge)),
    "until": Condition("created_at", _started(operator.lt)),
    "error": Condition("error_message", _has_error),
    "longer_than": Condition("completed_at", _took_longer),
}
