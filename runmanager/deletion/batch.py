"""One transaction of a deletion: some runs go with every trace, or none of them does."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.accounts import require_admin
from runmanager.archive.rows_file import RowsFile
from runmanager.archive.rows_format import RowsHeader
from runmanager.batches import AddedRowsError, KeptRowsError, Outcome, RefusedError
from runmanager.commits import transaction_number
from runmanager.deletion.counters import names_of, rows_deleted
from runmanager.deletion.forms import archive_settings, read_forms
from runmanager.deletion.keeping import count_cleared, find_held, find_left_out
from runmanager.deletion.kind import DELETION
from runmanager.deletion.reasons import (
    ACTIVE,
    APPEARED,
    LEFT_OUT,
    LOCKED,
    NOT_FOUND,
    REPLACED,
    STILL_RUNNING,
    hopeless,
    may_pass,
    reason_for,
)
from runmanager.deletion.references import archive_references
from runmanager.deletion.rows import delete_rows
from runmanager.errors import HostError, OutdatedPlanError
from runmanager.host.catalog import read_host
from runmanager.host.ids import has_id
from runmanager.host.versions import read_version
from runmanager.queries.run.activity import active_since, find_active
from runmanager.records import StatusKind
from runmanager.store.identity import read_identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runmanager.deletion.forms import Form
    from runmanager.deletion.spec import DeletionSpec
    from runmanager.folders import Folder
    from runmanager.host.values import Host
    from runmanager.records import Actor, FrozenRun, OperationKind


@dataclass(frozen=True)
class _Locked:
    status: str | None
    stamp: str | None


@dataclass
class DeletedRows(Outcome):
    """What became of some runs.

    ``orphans`` are those that had no row of their own, ``held`` those that a row which is kept
    refers to, ``locked`` those that another session was at work on. ``cleared`` counts references
    that the database cleared, by table and by the run that the row with the reference goes with, if
    any; ``also_gone`` the rows that it deleted beside those that are accounted for, by table.
    ``stamps`` say which runs they were, by id; ``archived`` is the size of their rows' file.
    """

    orphans: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    locked: set[str] = field(default_factory=set)
    cleared: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    also_gone: Counter[str] = field(default_factory=Counter)
    stamps: dict[str, str | None] = field(default_factory=dict)
    archived: int = 0
    chunk: int = 0

    def add(self, other: Outcome) -> None:
        """Take over what became of other runs."""
        super().add(other)
        if isinstance(other, DeletedRows):
            self.orphans |= other.orphans
            self.held |= other.held
            self.locked |= other.locked
            self.cleared += other.cleared
            self.also_gone += other.also_gone
            self.archived += other.archived

    def to_json(self) -> dict[str, Any]:
        """All of it, for the ledger."""
        return {
            "done": self.done,
            "failed": self.failed,
            "orphans": sorted(self.orphans),
            "held": sorted(self.held),
            "locked": sorted(self.locked),
            "cleared": [[*key, count] for key, count in self.cleared.items()],
            "also_gone": self.also_gone,
            "stamps": self.stamps,
            "archived": self.archived,
            "chunk": self.chunk,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> DeletedRows:
        """What ``to_json`` wrote."""
        return cls(
            done={thread_id: Counter(rows) for thread_id, rows in record["done"].items()},
            failed=dict(record["failed"]),
            orphans=set(record["orphans"]),
            held=set(record["held"]),
            locked=set(record["locked"]),
            cleared=Counter({(table, run): count for table, run, count in record["cleared"]}),
            also_gone=Counter(record["also_gone"]),
            archived=record["archived"],
            chunk=record["chunk"],
        )


@dataclass(frozen=True)
class DeletionStep:
    """How a batch of some frozen runs is deleted.

    With ``folder`` their rows are written there before they go. ``is_patient``: a run that another
    session is at work on is waited for; else it is set apart at once.
    """

    host: Host
    actor: Actor
    spec: DeletionSpec
    chunk: int
    frozen: Mapping[str, FrozenRun]
    folder: Folder | None = None
    active_minutes: float = 0.0
    operation_id: str = ""
    is_patient: bool = False
    _versions: set[str] = field(default_factory=set)
    _forms: dict[str, Form] = field(default_factory=dict)
    _identity: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> OperationKind:
        """That it deletes."""
        return DELETION

    def do(self, connection: sa.Connection, batch: list[str], number: int) -> DeletedRows:
        """Lock, ask again, set apart, delete what refers before what is referred to, count."""
        require_admin(connection, self.host, self.actor)
        if self.host.shape != self.spec.shape:
            raise OutdatedPlanError
        before = rows_deleted(connection)
        outcome = DeletedRows(chunk=self.chunk)
        locked = self._lock(connection, batch)
        outcome.failed |= self._set_apart(connection, locked)
        going = [thread_id for thread_id in locked if thread_id not in outcome.failed]
        # An id without a run row may still have traces: those go too.
        without_row = [thread_id for thread_id in batch if thread_id not in locked]
        outcome.locked = self._others_work_on(connection, without_row)
        outcome.failed |= dict.fromkeys(outcome.locked, LOCKED)
        without_row = [thread_id for thread_id in without_row if thread_id not in outcome.locked]
        left_out = find_left_out(connection, self.host, without_row)
        outcome.failed |= dict.fromkeys(left_out, LEFT_OUT)
        without_row = [thread_id for thread_id in without_row if thread_id not in left_out]
        held = find_held(connection, self.host, going + without_row)
        outcome.failed |= held
        outcome.held |= held.keys()
        going = [thread_id for thread_id in going if thread_id not in held]
        without_row = [thread_id for thread_id in without_row if thread_id not in held]
        cleared = count_cleared(connection, self.host, going + without_row, list(self.frozen))
        outcome.cleared = cleared
        if self.folder is None or not going + without_row:
            self._go(connection, outcome, before, locked, (going, without_row), None)
            return outcome
        with RowsFile(self.folder, number) as rows_file:
            path = archive_settings(connection)
            if not self._forms:
                # The schema they are of is made sure of at the end of each batch.
                identity = asdict(read_identity(connection))
                # Both or neither, whatever is lost on the way.
                self._forms.update(read_forms(connection, self.host))
                self._identity.update(identity)
            archive_references(connection, self.host, going + without_row, rows_file)
            self._go(connection, outcome, before, locked, (going, without_row), rows_file)
            if outcome.done:
                header = RowsHeader(
                    operation_id=self.operation_id,
                    batch=number,
                    xid=transaction_number(connection),
                    host=dict(self._identity),
                    search_path=path,
                )
                outcome.archived = rows_file.finish(header)
        return outcome

    def _go(
        self,
        connection: sa.Connection,
        outcome: DeletedRows,
        before: dict[int, int] | None,
        locked: Mapping[str, _Locked],
        runs: tuple[list[str], list[str]],
        into: RowsFile | None,
    ) -> None:
        """Delete the runs, those with a row and those without, and account for what went."""
        going, without_row = runs
        outcome.done = self._delete(connection, going, without_row, into)
        outcome.orphans = {thread_id for thread_id in outcome.done if thread_id not in locked}
        for thread_id in without_row:
            if thread_id not in outcome.done:
                outcome.failed[thread_id] = NOT_FOUND
        outcome.also_gone = self._compare(connection, before, outcome, is_archived=into is not None)
        # Last, because what a statement of ours has touched nobody can change the keys of any more.
        self._require_same_schema(connection)
        outcome.stamps = {
            thread_id: locked[thread_id].stamp if thread_id in locked else None
            for thread_id in outcome.done
        }

    def _set_apart(
        self, connection: sa.Connection, locked: Mapping[str, _Locked]
    ) -> dict[str, str]:
        """Why those of the locked runs stay that are not as they were confirmed."""
        failed: dict[str, str] = {}
        kind = self.host.conventions.statuses.kind
        for thread_id, run in locked.items():
            planned = self.frozen[thread_id]
            if planned.is_orphan:
                failed[thread_id] = APPEARED
            elif run.stamp != planned.stamp:
                failed[thread_id] = REPLACED
            elif kind(run.status) is StatusKind.RUNNING and not self.spec.include_running:
                failed[thread_id] = STILL_RUNNING
        if self.active_minutes and not self.spec.include_running:
            since = active_since(connection, self.active_minutes)
            asked = [thread_id for thread_id in locked if thread_id not in failed]
            failed |= dict.fromkeys(find_active(connection, self.host, asked, since), ACTIVE)
        return failed

    def may_pass(self, error: Exception) -> bool:
        """Whether the same run may well be deleted at a second try."""
        return may_pass(error)

    def reason_for(self, error: Exception) -> str:
        """Why one run could not be deleted, in plain words."""
        return reason_for(error)

    def hopeless(self, error: Exception) -> str | None:
        """Why every other batch would meet ``error`` just the same; None where it would not."""
        return hopeless(error)

    def _lock(self, connection: sa.Connection, batch: list[str]) -> dict[str, _Locked]:
        runs = self.host.runs
        key = runs.c.thread_id
        statement = (
            sa.select(
                sa.cast(key, sa.Text).label("thread_id"),
                sa.cast(runs.c.status, sa.Text).label("status"),
                sa.cast(runs.c.created_at, sa.Text).label("stamp"),
            )
            .where(has_id(key, batch))
            .order_by(key)
            .with_for_update(skip_locked=not self.is_patient)
        )
        try:
            rows = connection.execute(statement).all()
        except sa.exc.SQLAlchemyError as error:
            raise RefusedError(runs.name, error) from error
        return {row.thread_id: _Locked(row.status, row.stamp) for row in rows}

    def _others_work_on(self, connection: sa.Connection, thread_ids: list[str]) -> set[str]:
        """Those of ``thread_ids`` whose row is there, and which another session has locked.

        Raises KeptRowsError where that was waited for, and the row could not be locked all the
        same: a row policy can let a role read a row and not lock it. Its traces must not go alone.
        """
        if not thread_ids:
            return set()
        runs = self.host.runs
        key = runs.c.thread_id
        there = sa.select(sa.cast(key, sa.Text)).where(has_id(key, thread_ids))
        found = set(connection.scalars(there))
        if found and self.is_patient:
            raise KeptRowsError(runs.name)
        return found

    def _delete(
        self,
        connection: sa.Connection,
        going: list[str],
        without_row: list[str],
        into: RowsFile | None,
    ) -> dict[str, Counter[str]]:
        """Delete every row of these runs; how many went, by thread_id and table."""
        rows: dict[str, Counter[str]] = {thread_id: Counter() for thread_id in going}
        thread_ids = going + without_row
        for unit in self.host.units if thread_ids else ():
            for table, thread_id, count in delete_rows(
                connection, self.host, unit, thread_ids, into, self._forms
            ):
                rows.setdefault(thread_id, Counter())[table] += count
        own = self.host.own.name
        if any(rows[thread_id][own] == 0 for thread_id in going):
            raise KeptRowsError(own)
        return rows

    def _compare(
        self,
        connection: sa.Connection,
        before: dict[int, int] | None,
        outcome: DeletedRows,
        *,
        is_archived: bool,
    ) -> Counter[str]:
        """The rows that went beside those that are accounted for, as PostgreSQL counts them.

        Raises KeptRowsError where fewer went of those that the database was to take along, and, of
        what is archived, AddedRowsError where it took along more of a run's rows than the file
        has: somebody added one when the others had gone, or been read.
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
            is_taken = trace.name in self.host.privileges.undeletable
            more = gone[trace.name] - expected[trace.name]
            if is_taken and more < 0:
                raise KeptRowsError(trace.name)
            if is_archived and more > 0 and (is_taken or trace.links):
                raise AddedRowsError(trace.name)
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
        if shape != self.spec.shape:
            raise OutdatedPlanError
        self._versions.add(version)
