"""Looking one run over: everything the database has about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runmanager.errors import RunNotFoundError, UnknownNameError
from runmanager.paging import Page
from runmanager.queries.run import checkpoints, detail, footprint, logs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runmanager.host.values import Host, Reading, TraceTable
    from runmanager.paging import PageRequest
    from runmanager.records import (
        Actor,
        Blob,
        CheckpointDetail,
        CheckpointSummary,
        Footprint,
        LeftBehind,
        LogEntry,
        RunDetail,
    )
    from runmanager.service.access import Access


@dataclass(frozen=True)
class Reviewing:
    """One run in full."""

    _access: Access

    def run(self, actor: Actor, thread_id: str) -> RunDetail:
        """Everything about one run. Raises RunNotFoundError for an id with no row anywhere."""
        return self._access.read(
            actor, lambda reading: detail.run_detail(reading, thread_id), thread_id=thread_id
        )

    def whole_text(self, actor: Actor, thread_id: str, column: str) -> str | None:
        """One column of one run's row as text, however long; None where it is NULL.

        Raises UnknownNameError for a column that is no text of the run's, and InvalidRequestError
        for one of more than 50 MB.
        """
        return self._access.read(
            actor,
            lambda reading: detail.whole_text(reading, thread_id, column),
            thread_id=thread_id,
        )

    def footprint(
        self, actor: Actor, thread_id: str
    ) -> tuple[tuple[Footprint, ...], tuple[LeftBehind, ...]]:
        """One run's rows and stored bytes by table: what goes with it, and what is left behind.

        Tables of ``unreadable`` are not among the first.
        """

        def count(
            reading: Reading,
        ) -> tuple[tuple[Footprint, ...], tuple[LeftBehind, ...]]:
            connection, host = reading.connection, reading.host
            tables = footprint.readable_tables(host)
            going = footprint.footprints(connection, host, tables, [thread_id])
            return going, footprint.left_behind(connection, host, [thread_id])

        return self._access.read(actor, count, thread_id=thread_id, of_all_tables=True)

    @property
    def unreadable(self) -> Mapping[str, str]:
        """The tables with rows of runs that the database role may not read, by name.

        Each has a sentence with the GRANT to make.
        """
        return self._access.host.privileges.unreadable

    @property
    def log_tables(self) -> tuple[str, ...]:
        """The names of the host's log tables: none, ``logs``, ``thread_logs`` or both."""
        return _log_tables(self._access.host)

    def log_levels(self, actor: Actor, thread_id: str, table: str) -> tuple[str, ...]:
        """The levels that appear in one run's log, sorted."""
        return self._access.read(
            actor,
            lambda reading: logs.log_levels(
                reading.connection, _log_table(reading.host, table), thread_id
            ),
            thread_id=thread_id,
        )

    def logs(
        self,
        actor: Actor,
        thread_id: str,
        table: str | None,
        request: PageRequest,
        *,
        levels: Sequence[str] = (),
        newest_first: bool = True,
    ) -> Page[LogEntry]:
        """One page of one run's log in ``table``, the last one past the end.

        None is the first of the log tables; where the host has none at all, the page is empty.
        """

        def read(reading: Reading) -> Page[LogEntry]:
            if table is None and not reading.host.logs:
                return Page((), 0, 1, request.size)
            return logs.list_logs(
                reading.connection,
                _log_table(reading.host, table),
                thread_id,
                request,
                zone=reading.host.conventions.zone,
                levels=levels,
                newest_first=newest_first,
            )

        return self._access.read(actor, read, thread_id=thread_id)

    def log_line(self, actor: Actor, thread_id: str, table: str | None, key: str) -> LogEntry:
        """The line of one run's log with this ``LogEntry.key``, nothing of it cut.

        Raises RunNotFoundError when it is gone, and InvalidRequestError where it is over 50 MB.
        """

        def read(reading: Reading) -> LogEntry:
            if table is None and not reading.host.logs:
                raise RunNotFoundError
            return logs.read_log_line(
                reading.connection,
                _log_table(reading.host, table),
                thread_id,
                key,
                zone=reading.host.conventions.zone,
            )

        return self._access.read(actor, read, thread_id=thread_id)

    def checkpoints(
        self, actor: Actor, thread_id: str, request: PageRequest
    ) -> Page[CheckpointSummary]:
        """One page of one run's checkpoints, newest first, the last one past the end."""
        return self._access.read(
            actor,
            lambda reading: checkpoints.list_checkpoints(
                reading.connection, reading.host, thread_id, request
            ),
            thread_id=thread_id,
        )

    def checkpoint(
        self, actor: Actor, thread_id: str, namespace: str, key: str
    ) -> CheckpointDetail:
        """One checkpoint opened, by its ``key`` or id. Raises RunNotFoundError when it is gone."""
        return self._access.read(
            actor,
            lambda reading: checkpoints.open_checkpoint(
                reading.connection, reading.host, thread_id, namespace, key
            ),
            thread_id=thread_id,
        )

    def blobs(self, actor: Actor, thread_id: str, request: PageRequest) -> Page[Blob]:
        """One page of one run's stored channel values, measured and never decoded."""
        return self._access.read(
            actor,
            lambda reading: checkpoints.list_blobs(
                reading.connection, reading.host, thread_id, request
            ),
            thread_id=thread_id,
        )


def _log_tables(host: Host) -> tuple[str, ...]:
    return tuple(sorted(trace.name for trace in host.logs))


def _log_table(host: Host, name: str | None) -> TraceTable:
    for trace in host.logs:
        if trace.name == (name or _log_tables(host)[0]):
            host.require_readable(trace.name)
            return trace
    raise UnknownNameError(f"The database has no log table “{name}”.")
