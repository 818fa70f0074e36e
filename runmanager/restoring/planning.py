"""What putting runs back would do, before anything is done: looked up, never tried."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from runmanager.archive.reading import damaged, open_rows, read_header
from runmanager.archive.rows_format import file_name
from runmanager.errors import ArchiveError, FileMissingError
from runmanager.host.values import Rule
from runmanager.ledger import read_records, rows_numbers
from runmanager.records import RestorePlan
from runmanager.restoring import reasons
from runmanager.restoring.batch import let_print, read_ground
from runmanager.restoring.gone import find_gone
from runmanager.restoring.lacks import lacking
from runmanager.restoring.proof import find_existing
from runmanager.restoring.triggers import read_fired, read_fired_by_update
from runmanager.store.identity import HostIdentity, read_identity
from runmanager.text import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import sqlalchemy as sa

    from runmanager.archive.rows_format import RowsHeader
    from runmanager.folders import Folder
    from runmanager.host.values import Host

# Of a larger archive each batch looks as it goes.
MAX_FILES = 200
_NOTHING_KEPT = (
    "Nothing of this deletion is kept: its archive was purged, or it was made without one."
)
_ANOTHER = (
    "These rows are of another database ({name}): connect Run Manager to that one, or restore them "
    "with psql, as docs/deleting.md says."
)


def committed(folder: Folder) -> list[tuple[int, bool]]:
    """The numbers of an operation's transactions that took runs, and whether their rows are kept.

    The last comes first, as they are put back: an earlier one may refer to what a later one has.
    """
    kept = set(rows_numbers(folder))
    numbers = [record["number"] for record in read_records(folder) if record.get("done")]
    return [(number, number in kept) for number in reversed(numbers)]


def plan_restore(
    connection: sa.Connection, host: Host, folder: Folder, thread_ids: Sequence[str] | None = None
) -> RestorePlan:
    """What putting back the runs in ``folder``, or those of ``thread_ids``, would do."""
    operation_id = ""
    plan = _Planning(connection, host, folder, thread_ids)
    let_print(connection)
    try:
        for number, header in _headers(folder):
            operation_id = header.operation_id
            plan.obstacle = plan.obstacle or obstacle(connection, header)
            if plan.obstacle:
                break
            plan.look_at(number, header)
        else:
            plan.end()
    except FileMissingError:
        plan.obstacle = _NOTHING_KEPT
    except ArchiveError as error:
        plan.obstacle = error.message
    return plan.result(operation_id)


def obstacle(connection: sa.Connection, header: RowsHeader) -> str | None:
    """Why nothing of a file can be put back into this database; None where it can."""
    try:
        of = HostIdentity(**header.host)
    except TypeError:
        return damaged(file_name(header.batch))
    if read_identity(connection).is_same(of):
        return None
    return _ANOTHER.format(name=of.name)


def _headers(folder: Folder) -> Iterator[tuple[int, RowsHeader]]:
    numbers = committed(folder)
    if not any(is_kept for _number, is_kept in numbers):
        raise FileMissingError(_NOTHING_KEPT)
    for number, is_kept in numbers:
        if is_kept:
            yield number, read_header(folder, number)


@dataclass
class _Planning:
    """A plan while it is made, file by file."""

    connection: sa.Connection
    host: Host
    folder: Folder
    thread_ids: Sequence[str] | None
    obstacle: str | None = None
    files: int = 0
    found: set[str] = field(default_factory=set)
    runs: int = 0
    tables: Counter[str] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)
    triggers: dict[str, None] = field(default_factory=dict)
    changes: dict[str, None] = field(default_factory=dict)
    cleared: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def look_at(self, number: int, header: RowsHeader) -> None:
        """Add what a file has of the runs."""
        runs = {run for table in header.tables for run in table.rows}
        wanted = sorted(runs if self.thread_ids is None else runs.intersection(self.thread_ids))
        if self.thread_ids is not None:
            self.found.update(wanted)
        if not wanted:
            return
        self.files += 1
        refused: dict[str, str] = {}
        if self.files <= MAX_FILES:
            refused = self._refused(number, header, wanted)
        self.refused |= refused
        going = [run for run in wanted if run not in refused]
        self.runs += len(going)
        for table in header.tables:
            self.tables[table.name] += sum(table.rows.get(run, 0) for run in going)

    def _refused(self, number: int, header: RowsHeader, wanted: Sequence[str]) -> dict[str, str]:
        ground = read_ground(self.connection, self.host, header)
        lacks = [lack.sentence for lack in lacking(self.connection, ground.targets)]
        if lacks:
            self.obstacle = " ".join(lacks)
        self.changes |= dict.fromkeys(ground.notes)
        self.changes |= dict.fromkeys(map(reasons.unrecorded, header.unrecorded))
        names = {target.table.info["oid"]: target.name for target in ground.targets}
        fired = read_fired(self.connection, names)
        if header.references:
            cleared = [link.child for link in self.host.links if link.rule is Rule.CLEARS]
            updated = {table.info["oid"]: self.host.name_of(table) for table in cleared}
            fired += read_fired_by_update(self.connection, updated)
        self.triggers |= dict.fromkeys(one.sentence for one in fired)
        refused = {
            run: ground.reasons[table.name]
            for table in header.tables
            if table.name in ground.reasons
            for run in table.rows.keys() & set(wanted)
        }
        existing = find_existing(self.connection, self.host, ground.targets, wanted)
        refused |= {run: reasons.exists(table) for run, table in existing.items()}
        going = [run for run in wanted if run not in refused]
        reading = partial(open_rows, self.folder, number)
        gone = find_gone(self.connection, ground.references, reading, going, going)
        for reference, values in gone.values.items():
            if reference.clears and values:
                self.cleared[reference.sides] += len(values)
        return refused | gone.refused

    def end(self) -> None:
        """Account for what no file has, and say what was not looked at."""
        if self.thread_ids is not None:
            missing = [one for one in dict.fromkeys(self.thread_ids) if one not in self.found]
            self.refused |= dict.fromkeys(missing, reasons.NOT_ARCHIVED)
        for (table, columns, parent), values in self.cleared.items():
            what = count(values, "row")
            self.changes[
                f"Rows of “{table}” come back with {columns} cleared: {what} of “{parent}” to "
                "which they referred are gone since."
            ] = None
        if self.files > MAX_FILES:
            self.changes[
                "Whether runs exist again, and what is gone since, was looked up of the last ones "
                "only: each batch looks as it goes."
            ] = None

    def result(self, operation_id: str) -> RestorePlan:
        """The plan."""
        return RestorePlan(
            operation_id=operation_id,
            runs=self.runs,
            tables=tuple(sorted((name, rows) for name, rows in self.tables.items() if rows)),
            refused=tuple(sorted(self.refused.items())),
            triggers=tuple(self.triggers),
            changes=tuple(self.changes),
            obstacle=self.obstacle,
            thread_ids=None if self.thread_ids is None else tuple(self.thread_ids),
        )
