"""One transaction of a deletion: some runs go with every trace, or none of them does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.accounts import require_admin
from runmanager.batches import KeptRowsError, Outcome, RefusedError
from runmanager.deletion.counters import names_of, rows_deleted
from runmanager.deletion.keeping import count_cleared, find_held, find_left_out
from runmanager.deletion.kind import DELETION
from runmanager.deletion.reasons import (
    APPEARED,
    LEFT_OUT,
    NOT_FOUND,
    STILL_RUNNING,
    hopeless,
    may_pass,
    reason_for,
)
from runmanager.deletion.rows import delete_rows
from runmanager.errors import HostError, OutdatedPlanError
from runmanager.host.catalog import read_host
from runmanager.host.ids import has_id
from runmanager.host.versions import read_version
from runmanager.records import StatusKind

if TYPE_CHECKING:
    from runmanager.host.values import Host
    from runmanager.records import Actor, DeletionPlan, OperationKind


@dataclass
class DeletedRows(Outcome):
    """What became of some runs.

    ``orphans`` are those that had no row of their own, ``held`` those that a row which is kept
    refers to. ``cleared`` counts references that the database cleared, by table and by the run that
    the row with the reference goes with, if any; ``also_gone`` the rows that it deleted beside
    those that are accounted for, by table.
    """

    orphans: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    cleared: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    also_gone: Counter[str] = field(default_factory=Counter)

    def add(self, other: Outcome) -> None:
        """Take over what became of other runs."""
        super().add(other)
        if isinstance(other, DeletedRows):
            self.orphans |= other.orphans
            self.held |= other.held
            self.cleared += other.cleared
            self.also_gone += other.also_gone


@dataclass(frozen=True)
class DeletionStep:
    """How a batch of one plan's runs is deleted."""

    host: Host
    actor: Actor
    plan: DeletionPlan
    _versions: set[str] = field(default_factory=set)

    @property
    def kind(self) -> OperationKind:
        """That it deletes."""
        return DELETION

    @cached_property
    def planned_orphans(self) -> set[str]:
        """The ids that had no row of their own when the plan was made."""
        return {run.thread_id for run in self.plan.runs if run.is_orphan}

    @cached_property
    def planned(self) -> list[str]:
        """The ids of all runs that go."""
        return [run.thread_id for run in self.plan.runs]

    def do(self, connection: sa.Connection, batch: list[str]) -> DeletedRows:
        """Lock, ask again, set apart, delete what refers before what is referred to, count."""
        require_admin(connection, self.host, self.actor)
        if self.host.shape != self.plan.shape:
            raise OutdatedPlanError
        before = rows_deleted(connection)
        outcome = DeletedRows()
        locked = self._lock(connection, batch)
        kind = self.host.conventions.statuses.kind
        for thread_id, status in locked.items():
            if kind(status) is StatusKind.RUNNING and not self.plan.include_running:
                outcome.failed[thread_id] = STILL_RUNNING
            elif thread_id in self.planned_orphans:
                outcome.failed[thread_id] = APPEARED
        going = [thread_id for thread_id in locked if thread_id not in outcome.failed]
        # An id without a run row may still have traces: those go too.
        without_row = [thread_id for thread_id in batch if thread_id not in locked]
        self._require_no_row(connection, without_row)
        left_out = find_left_out(connection, self.host, without_row)
        outcome.failed |= dict.fromkeys(left_out, LEFT_OUT)
        without_row = [thread_id for thread_id in without_row if thread_id not in left_out]
        held = find_held(connection, self.host, going + without_row)
        outcome.failed |= held
        outcome.held |= held.keys()
        going = [thread_id for thread_id in going if thread_id not in held]
        without_row = [thread_id for thread_id in without_row if thread_id not in held]
        outcome.cleared = count_cleared(connection, self.host, going + without_row, self.planned)
        outcome.done = self._delete(connection, going, without_row)
        outcome.orphans = {thread_id for thread_id in outcome.done if thread_id not in locked}
        for thread_id in without_row:
            if thread_id not in outcome.done:
                outcome.failed[thread_id] = NOT_FOUND
        outcome.also_gone = self._compare(connection, before, outcome)
        # Last, because what a statement of ours has touched nobody can change the keys of any more.
        self._require_same_schema(connection)
        return outcome

    def may_pass(self, error: Exception) -> bool:
        """Whether the same run may well be deleted at a second try."""
        return may_pass(error)

    def reason_for(self, error: Exception) -> str:
        """Why one run could not be deleted, in plain words."""
        return reason_for(error)

    def hopeless(self, error: Exception) -> str | None:
        """Why every other batch would meet ``error`` just the same; None where it would not."""
        return hopeless(error)

    def _lock(self, connection: sa.Connection, batch: list[str]) -> dict[str, str | None]:
        key = self.host.runs.c.thread_id
        statement = (
            sa.select(
                sa.cast(key, sa.Text).label("thread_id"),
                sa.cast(self.host.runs.c.status, sa.Text).label("status"),
            )
            .where(has_id(key, batch))
            .order_by(key)
            .with_for_update()
        )
        try:
            rows = connection.execute(statement).all()
        except sa.exc.SQLAlchemyError as error:
            raise RefusedError(self.host.runs.name, error) from error
        return {row.thread_id: row.status for row in rows}

    def _require_no_row(self, connection: sa.Connection, thread_ids: list[str]) -> None:
        """Raises KeptRowsError where a run's row is there but could not be locked.

        A row policy can let a role read a row and not lock it. Its traces must not go alone.
        """
        if not thread_ids:
            return
        runs = self.host.runs
        there = sa.select(sa.literal(1)).where(has_id(runs.c.thread_id, thread_ids))
        if connection.scalar(there.limit(1)) is not None:
            raise KeptRowsError(runs.name)

    def _delete(
        self, connection: sa.Connection, going: list[str], without_row: list[str]
    ) -> dict[str, Counter[str]]:
        """Delete every row of these runs; how many went, by thread_id and table."""
        rows: dict[str, Counter[str]] = {thread_id: Counter() for thread_id in going}
        thread_ids = going + without_row
        for unit in self.host.units if thread_ids else ():
            for table, thread_id, count in delete_rows(connection, self.host, unit, thread_ids):
                rows.setdefault(thread_id, Counter())[table] += count
        own = self.host.own.name
        if any(rows[thread_id][own] == 0 for thread_id in going):
            raise KeptRowsError(own)
        return rows

    def _compare(
        self, connection: sa.Connection, before: dict[int, int] | None, outcome: DeletedRows
    ) -> Counter[str]:
        """The rows that went beside those that are accounted for, as PostgreSQL counts them.

        Raises KeptRowsError where fewer went of those that the database was to take along.
        """
        after = rows_deleted(connection)
        if before is None or after is None:
            return Counter()
        went = {oid: rows - before.get(oid, 0) for oid, rows in after.items()}
        nodes = self.host.nodes
        unknown = names_of(connection, {oid: n for oid, n in went.items() if oid not in nodes})
        gone: Counter[str] = Counter()
        for oid, rows in went.items():
            gone[nodes[oid].name if oid in nodes else unknown.get(oid, "a table")] += rows
        expected: Counter[str] = Counter()
        for counts in outcome.done.values():
            expected.update(counts)
        for trace in self.host.traces:
            if trace.name in self.host.privileges.undeletable and (
                gone[trace.name] < expected[trace.name]
            ):
                raise KeptRowsError(trace.name)
        return gone - expected

    def _require_same_schema(self, connection: sa.Connection) -> None:
        """Raises OutdatedPlanError where the plan was made of another schema than this one."""
        version = read_version(connection)
        if version in {self.host.version, *self._versions}:
            return
        try:
            shape = read_host(connection, self.host.conventions).shape
        except HostError:
            shape = None
        if shape != self.plan.shape:
            raise OutdatedPlanError
        self._versions.add(version)
