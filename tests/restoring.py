"""Deletions that are archived, and restores, as the tests ask for them: in this thread."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa
from runmanager.deletion.forms import archive_settings, read_forms

from runmanager.archive.reading import open_rows
from runmanager.archive.rows_file import RowsFile
from runmanager.archive.rows_format import RowsHeader
from runmanager.database import Database
from runmanager.deletion.rows import delete_rows
from runmanager.host.catalog import read_host
from runmanager.restoring.batch import restore_batch
from runmanager.settings import Settings
from runmanager.store.identity import read_identity
from tests.folders import MemoryFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runmanager.host.values import Host
    from runmanager.restoring.outcome import RestoredRows


@dataclass
class Undo:
    """One deletion with its archive, in batches as they come, and the way back from it."""

    database: Database
    trace_tables: tuple[str, ...] = ()
    folder: MemoryFolder = field(default_factory=MemoryFolder)
    batches: int = 0

    def host(self, connection: sa.Connection) -> Host:
        """The host's schema at this moment."""
        settings = Settings(trace_tables=self.trace_tables)
        return read_host(connection, settings.conventions)

    def delete(self, thread_ids: Sequence[str]) -> None:
        """Delete these in one transaction, their rows in the next file."""
        self.batches += 1
        with self.database.write() as connection:
            host = self.host(connection)
            path = archive_settings(connection)
            forms = read_forms(connection, host)
            header = RowsHeader(
                operation_id="op",
                batch=self.batches,
                xid=str(connection.scalar(sa.text("SELECT pg_current_xact_id()::text"))),
                host=vars(read_identity(connection)),
                search_path=path,
            )
            with RowsFile(self.folder, self.batches) as file:
                for unit in host.units:
                    delete_rows(connection, host, unit, list(thread_ids), file, forms)
                file.finish(header)

    def restore(
        self, thread_ids: Sequence[str], number: int | None = None, database: Database | None = None
    ) -> RestoredRows:
        """Restore these from one of the files, the last unless another is named."""
        reading = partial(open_rows, self.folder, number or self.batches)
        with (database or self.database).write() as connection:
            return restore_batch(connection, self.host(connection), reading, list(thread_ids))


@contextmanager
def undoing(url: sa.URL, trace_tables: tuple[str, ...] = ()) -> Iterator[Undo]:
    """A deletion to be undone, on the database at ``url``."""
    database = Database(url, Settings(pool_size=2, lock_timeout=0.3))
    try:
        yield Undo(database, trace_tables)
    finally:
        database.close()
