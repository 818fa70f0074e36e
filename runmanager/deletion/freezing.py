"""The runs of a filter at one moment, streamed out of the database and told apart on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.archive.copy_lines import read_field, write_field
from runmanager.clamped_times import utc
from runmanager.deletion.tallies import Newest, Spread, Times, Values
from runmanager.errors import InvalidRequestError
from runmanager.queries.listing.spans import has_started, started_by
from runmanager.records import StatusKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    Buffer = bytes | bytearray | memoryview[int]

    from runmanager.host.values import Host
    from runmanager.queries.listing.conditions import Selection

MOST_RUNS = 1_000_000
# The first of them are shown; of those that started at the same time a few more are looked at.
_NEWEST = 500
_CHUNK = 4_096
_MAX_NAME = 300
# What the file of frozen runs has no place for comes first: status, user, workspace.
_BESIDE = 3


def lines_of(selection: Selection, until: datetime) -> sa.Select[Any]:
    """The runs of ``selection`` that started by ``until``, or at no known time, for ``Freezing``.

    Behind three further columns each row is a line of the file of frozen runs.
    """
    runs = selection.host.runs.c
    columns = (runs.status, runs.user_id, runs.workspace_id, runs.thread_id, runs.created_at)
    texts: list[sa.ColumnElement[Any]] = [sa.cast(column, sa.Text) for column in columns]
    texts.append(sa.func.left(sa.cast(runs.run_name, sa.Text), _MAX_NAME))
    texts.append(sa.literal("", sa.Text))
    statement = sa.select(*texts).where(*selection.where)
    if not has_started(selection.host):
        return statement
    return statement.where(sa.or_(started_by(selection.host, until), runs.created_at.is_(None)))


@dataclass
class Freezing:
    """What becomes of the runs of a filter.

    Those in ``excepting`` stay, and unless they are included those that are running; ``excepted``
    and ``running`` are how many that were, ``runs`` how many go. All else is of those that go.
    """

    host: Host
    until: datetime
    excepting: Collection[str]
    include_running: bool
    runs: int = 0
    running: int = 0
    excepted: int = 0
    statuses: Values = field(default_factory=Values)
    users: Values = field(default_factory=Values)
    workspaces: Values = field(default_factory=Values)
    newest: Newest = field(default_factory=lambda: Newest(_NEWEST))
    spread: Spread = field(default_factory=Spread)

    def __post_init__(self) -> None:
        are_texts = not has_started(self.host)
        self.times = Times(self.host.conventions.zone, are_texts)
        self._excepting = frozenset(map(write_field, self.excepting))
        self._running: dict[bytes, bool] = {}

    def lines(self, copy: Iterable[Buffer]) -> Iterator[list[bytes]]:
        """The lines of the runs that go, a few thousand at a time.

        Raises InvalidRequestError as soon as there are too many.
        """
        rows = (bytes(line).split(b"\t", 5) for line in copy)
        while some := list(islice(rows, _CHUNK)):
            going = self._going(some)
            self.runs += len(going)
            if self.runs > MOST_RUNS:
                raise InvalidRequestError(
                    f"More than {MOST_RUNS:,} runs are too many for one deletion: narrow the "
                    "filter, to a shorter time for one."
                )
            if going:
                self._count(going)
                yield [b"\t".join(row[_BESIDE:]) for row in going]

    def _going(self, rows: list[list[bytes]]) -> list[list[bytes]]:
        if self._excepting:
            number = len(rows)
            rows = [row for row in rows if row[_BESIDE] not in self._excepting]
            self.excepted += number - len(rows)
        if self.times.are_texts:
            rows = [row for row in rows if self._has_started(row[_BESIDE + 1])]
        if self.include_running:
            return rows
        number = len(rows)
        rows = [row for row in rows if not self._is_running(row[0])]
        self.running += number - len(rows)
        return rows

    def _is_running(self, status: bytes) -> bool:
        known = self._running.get(status)
        if known is None:
            kind = self.host.conventions.statuses.kind(read_field(status))
            known = kind is StatusKind.RUNNING
            if len(self._running) < _CHUNK:
                self._running[status] = known
        return known

    def _has_started(self, stamp: bytes) -> bool:
        moment = utc(read_field(stamp), self.host.conventions.zone)
        return moment is None or moment <= self.until

    def _count(self, rows: Sequence[list[bytes]]) -> None:
        statuses, users, workspaces, ids, stamps, _rest = zip(*rows, strict=True)
        self.statuses.add(statuses)
        self.users.add(users)
        self.workspaces.add(workspaces)
        self.times.add(stamps)
        self.newest.add(stamps, ids)
        self.spread.add(ids)
