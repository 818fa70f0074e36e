"""Deletions that are archived, and restores, as the tests ask for them: in this thread."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from runmanager.archive.reading import open_rows
from runmanager.archive.rows_file import RowsFile
from runmanager.archive.rows_format import RowsHeader
from runmanager.commits import transaction_number
from runmanager.database import Database
from runmanager.deletion.forms import archive_settings, read_forms
from runmanager.deletion.keeping import find_held
from runmanager.deletion.references import archive_references
from runmanager.deletion.rows import delete_rows
from runmanager.host.catalog import read_host
from runmanager.receipts import read_receipt
from runmanager.records import Actor, Origin, RestorePlan
from runmanager.restoring import RestoreWork, plan_restore
from runmanager.restoring.batch import restore_batch
from runmanager.restoring.receipts import NAME
from runmanager.settings import Settings
from runmanager.store.identity import read_identity
from runmanager.tasks import Ending, Task
from tests.folders import MemoryFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import sqlalchemy as sa

    from runmanager.folders import Folder
    from runmanager.host.values import Host
    from runmanager.restoring.outcome import RestoredRows
    from runmanager.tasks import Finished, Kind

PARENT, CHILD = "parent", "child"


@dataclass
class Control:
    """What a kind of operation hears of the outside: what the test says."""

    ends: Ending | None = None
    lease: Callable[[], None] = lambda: None
    on_tell: Callable[[int, int], None] = lambda _done, _failed: None
    told: list[tuple[int, int]] = field(default_factory=list)

    def ending(self) -> Ending | None:
        """Why it is to end."""
        return self.ends

    def require_lease(self) -> None:
        """What the test says of the lease."""
        self.lease()

    def tell(self, done: int, failed: int) -> None:
        """Note how far it is."""
        self.told.append((done, failed))
        self.on_tell(done, failed)


def task_of(
    actor: Actor, spec: dict[str, Any] | None = None, control: Control | None = None, total: int = 0
) -> Task:
    """A turn at an operation whose parent is the deletion."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Task(
        operation_id=CHILD,
        actor=actor,
        origin=Origin.PAGE,
        spec=spec or {},
        parent=PARENT,
        epoch=1,
        total=total,
        created_at=now,
        started_at=now,
        interruptions=0,
        control=control or Control(),
    )


@dataclass
class Undo:
    """One deletion with its archive, in batches as they come, and the way back from it."""

    database: Database
    trace_tables: tuple[str, ...] = ()
    folders: dict[str, Folder] = field(default_factory=dict)
    batches: int = 0
    known_host: Host | None = None

    def of(self, operation_id: str) -> Folder:
        """The files of an operation."""
        return self.folders.setdefault(operation_id, MemoryFolder())

    @property
    def folder(self) -> Folder:
        """The files of the deletion."""
        return self.of(PARENT)

    def host(self, connection: sa.Connection) -> Host:
        """The host's schema at this moment, unless the test knows it already."""
        if self.known_host is not None:
            return self.known_host
        settings = Settings(trace_tables=self.trace_tables)
        return read_host(connection, settings.conventions)

    def current_host(self) -> Host:
        """The same, on a connection of its own."""
        with self.database.read() as connection:
            return self.host(connection)

    def delete(self, thread_ids: Sequence[str]) -> list[str]:
        """Delete these in one transaction, their rows and its record in the next files.

        Returns those that went: what something that is kept refers to stays.
        """
        self.batches += 1
        done: dict[str, dict[str, int]] = {}
        with self.database.write() as connection:
            host = self.host(connection)
            path = archive_settings(connection)
            forms = read_forms(connection, host)
            held = find_held(connection, host, thread_ids)
            going = [one for one in thread_ids if one not in held]
            xid = transaction_number(connection)
            header = RowsHeader(
                operation_id=PARENT,
                batch=self.batches,
                xid=xid,
                host=vars(read_identity(connection)),
                search_path=path,
            )
            with RowsFile(self.folder, self.batches) as file:
                archive_references(connection, host, going, file)
                for unit in host.units:
                    rows = delete_rows(connection, host, unit, going, file, forms)
                    for table, run, number in rows:
                        done.setdefault(run, {})[table] = number
                file.finish(header)
            record = {"done": done, "failed": {}, "xid": xid}
            self.folder.write(f"{self.batches:06}.json", json.dumps(record).encode())
        return going

    def restore(
        self, thread_ids: Sequence[str], number: int | None = None, database: Database | None = None
    ) -> RestoredRows:
        """Restore these from one of the files, the last unless another is named."""
        reading = partial(open_rows, self.folder, number or self.batches)
        with (database or self.database).write() as connection:
            return restore_batch(connection, self.host(connection), reading, list(thread_ids))

    def plan(self, thread_ids: Sequence[str] | None = None) -> RestorePlan:
        """What restoring these would do."""
        with self.database.read() as connection:
            return plan_restore(connection, self.host(connection), self.folder, thread_ids)

    def work(self) -> RestoreWork:
        """The restore as the engine carries it out."""
        return RestoreWork(self.database, self.current_host, self.of)

    def carry_out(
        self,
        actor: Actor,
        thread_ids: Sequence[str] | None = None,
        *,
        control: Control | None = None,
        kind: Kind | None = None,
    ) -> Finished | None:
        """Carry the restore out, or go on with it."""
        ids = None if thread_ids is None else list(thread_ids)
        return (kind or self.work()).carry_out(task_of(actor, {"thread_ids": ids}, control))

    def receipt(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The receipt of the restore: its facts and its runs."""
        with self.of(CHILD).reading(NAME) as source:
            head, runs = read_receipt(source)
            return head, list(runs)


@contextmanager
def undoing(
    url: sa.URL, trace_tables: tuple[str, ...] = (), *, lock_timeout: float = 0.3
) -> Iterator[Undo]:
    """A deletion to be undone, on the database at ``url``."""
    database = Database(url, Settings(pool_size=4, lock_timeout=lock_timeout))
    try:
        yield Undo(database, trace_tables)
    finally:
        database.close()
