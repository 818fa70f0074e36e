"""One transaction of a deletion: some runs go with every trace, or none of them does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.accounts import require_admin
from runmanager.batches import KeptRowsError, Outcome, RefusedError
from runmanager.deletion.kind import DELETION
from runmanager.deletion.reasons import (
    APPEARED,
    HAS_RERUNS,
    NOT_FOUND,
    STILL_RUNNING,
    hopeless,
    may_pass,
    reason_for,
)
from runmanager.host.ids import has_id
from runmanager.host.values import TraceTable
from runmanager.records import StatusKind

if TYPE_CHECKING:
    from runmanager.host.values import Host
    from runmanager.records import Actor, DeletionPlan, OperationKind


@dataclass
class DeletedRows(Outcome):
    """What became of some runs; ``orphans`` are those that had no row of their own."""

    orphans: set[str] = field(default_factory=set)

    def add(self, other: Outcome) -> None:
        """Take over what became of other runs."""
        super().add(other)
        if isinstance(other, DeletedRows):
            self.orphans |= other.orphans


@dataclass(frozen=True)
class DeletionStep:
    """How a batch of one plan's runs is deleted."""

    host: Host
    actor: Actor
    plan: DeletionPlan

    @property
    def kind(self) -> OperationKind:
        """That it deletes."""
        return DELETION

    @cached_property
    def planned_orphans(self) -> set[str]:
        """The ids that had no row of their own when the plan was made."""
        return {run.thread_id for run in self.plan.runs if run.is_orphan}

    def do(self, connection: sa.Connection, batch: list[str]) -> DeletedRows:
        """Lock, ask again, set apart, delete children first, count."""
        require_admin(connection, self.host, self.actor)
        outcome = DeletedRows()
        locked = self._lock(connection, batch)
        kind = self.host.conventions.statuses.kind
        for thread_id, status in locked.items():
            if kind(status) is StatusKind.RUNNING and not self.plan.include_running:
                outcome.failed[thread_id] = STILL_RUNNING
            elif thread_id in self.planned_orphans:
                outcome.failed[thread_id] = APPEARED
        going = [thread_id for thread_id in locked if thread_id not in outcome.failed]
        apart = self._parents_of_others(connection, going)
        outcome.failed |= dict.fromkeys(apart, HAS_RERUNS)
        going = [thread_id for thread_id in going if thread_id not in apart]
        # An id without a run row may still have traces: those go too.
        without_row = [thread_id for thread_id in batch if thread_id not in locked]
        self._require_no_row(connection, without_row)
        rows: dict[str, Counter[str]] = {thread_id: Counter() for thread_id in going}
        for trace in self.host.traces:
            for thread_id, count in _delete_rows(connection, trace, going + without_row).items():
                rows.setdefault(thread_id, Counter())[trace.name] += count
        self._delete_runs(connection, going, rows)
        outcome.done = rows
        outcome.orphans = {thread_id for thread_id in rows if thread_id not in locked}
        for thread_id in without_row:
            if thread_id not in rows:
                outcome.failed[thread_id] = NOT_FOUND
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

    def _parents_of_others(self, connection: sa.Connection, going: list[str]) -> set[str]:
        """The runs of ``going`` that have a rerun which is not going.

        A foreign key with CASCADE would make the database delete the rerun's row as well.
        """
        if not self.host.cascades or not going:
            return set()
        parents = self.host.runs
        reruns = parents.alias("reruns")
        pairs = connection.execute(
            sa.select(sa.cast(parents.c.thread_id, sa.Text), sa.cast(reruns.c.thread_id, sa.Text))
            .join(
                reruns,
                sa.or_(*(reruns.c[own] == parents.c[to] for own, to in self.host.cascades)),
            )
            .where(has_id(parents.c.thread_id, going))
        ).all()
        staying: set[str] = set()
        while True:
            # A parent set apart stays, so the one that it was itself started from stays as well.
            found = {
                parent
                for parent, rerun in pairs
                if parent not in staying and (rerun in staying or rerun not in going)
            }
            if not found:
                return staying
            staying |= found

    def _delete_runs(
        self, connection: sa.Connection, going: list[str], rows: dict[str, Counter[str]]
    ) -> None:
        runs = TraceTable(self.host.runs.name, self.host.runs, self.host.runs.c.thread_id)
        gone = _delete_rows(connection, runs, going)
        if gone.keys() != set(going):
            raise KeptRowsError(runs.name)
        for thread_id, count in gone.items():
            rows[thread_id][runs.name] += count


def _delete_rows(
    connection: sa.Connection, trace: TraceTable, thread_ids: list[str]
) -> dict[str, int]:
    """Delete the rows of ``thread_ids`` in one table; how many went, by thread_id.

    Raises KeptRowsError when the database lets a row stay without a word: one statement counts
    what is there and what goes, on one snapshot.
    """
    if not thread_ids:
        return {}
    table = trace.table
    gone = sa.delete(table).where(trace.of(thread_ids)).returning(trace.thread_id.label("id"))
    there = sa.select(trace.thread_id.label("id"), sa.literal(0).label("gone"))
    both = sa.union_all(
        there.where(trace.of(thread_ids)),
        sa.select(gone.cte("gone").c.id, sa.literal(1)),
    ).subquery()
    went = sa.func.sum(both.c.gone)
    statement = sa.select(both.c.id, went, sa.func.count() - went).group_by(both.c.id)
    try:
        rows = connection.execute(statement).all()
    except sa.exc.SQLAlchemyError as error:
        raise RefusedError(trace.name, error) from error
    if any(gone != there for _thread_id, gone, there in rows):
        raise KeptRowsError(trace.name)
    return {thread_id: gone for thread_id, gone, _there in rows}
