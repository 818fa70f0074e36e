"""One transaction of a restore: the runs of one file of rows come back, each wholly or not at all.

Nothing is ever overwritten: a run that has a row anywhere stays as it is. What the database refuses
is taken apart until the run that it refuses stands alone, and what came back is read again and
compared with the file.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.archive.copy_lines import fields_of, read_field
from runmanager.archive.rows_format import SETTINGS
from runmanager.batches import RefusedError
from runmanager.database import (
    INSUFFICIENT_PRIVILEGE,
    READ_ONLY_SQL_TRANSACTION,
    is_away,
    is_schema_changed,
    sqlstate,
)
from runmanager.host.relations import read_foreign_keys
from runmanager.host.values import stored_column
from runmanager.restoring import reasons
from runmanager.restoring.gone import find_gone, read_references
from runmanager.restoring.outcome import RestoredRows
from runmanager.restoring.proof import find_elsewhere, find_existing, read_back
from runmanager.restoring.references import put_references
from runmanager.restoring.rows import Filling, find_circles
from runmanager.restoring.sequences import advance
from runmanager.restoring.targets import read_targets
from runmanager.restoring.triggers import read_fired

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from runmanager.archive.rows_format import RowsHeader
    from runmanager.host.values import Host
    from runmanager.restoring.gone import Reading, Reference
    from runmanager.restoring.targets import Target

# What no other run would be spared: https://www.postgresql.org/docs/current/errcodes-appendix.html
_HOPELESS_CLASSES = ("53", "58", "XX")


class _RefusedRunsError(Exception):
    """Some runs of a part cannot come back, for these reasons; the others may."""

    def __init__(self, refused: dict[str, str]) -> None:
        self.refused = refused
        super().__init__()


@dataclass(frozen=True)
class Ground:
    """What a file's rows meet in the database: its tables as they are now."""

    targets: tuple[Target, ...]
    references: tuple[Reference, ...]
    circles: tuple[frozenset[str], ...]
    reasons: dict[str, str]

    @property
    def by_name(self) -> dict[str, Target]:
        """The targets by the names of their tables."""
        return {target.name: target for target in self.targets}

    @property
    def notes(self) -> list[str]:
        """What is different from when the rows went."""
        return [change for target in self.targets for change in target.changes]


def read_ground(connection: sa.Connection, host: Host, header: RowsHeader) -> Ground:
    """What the rows of a file meet now."""
    targets, unplaced = read_targets(connection, host, header.tables)
    keys = read_foreign_keys(connection)
    return Ground(
        tuple(targets),
        read_references(connection, keys, targets),
        find_circles(keys, targets),
        unplaced,
    )


def restore_batch(
    connection: sa.Connection, host: Host, reading: Reading, thread_ids: Collection[str]
) -> RestoredRows:
    """Put those of ``thread_ids`` back that the file has rows of; account for each of these.

    Raises RefusedError, or what the driver raised, where the database would refuse every run; all
    of the transaction is to be rolled back then.
    """
    let_print(connection)
    with reading() as rows:
        header = rows.header
    ground = read_ground(connection, host, header)
    outcome = RestoredRows()
    wanted = sorted({run for table in header.tables for run in table.rows}.intersection(thread_ids))
    for table in header.tables:
        if table.name in ground.reasons:
            for run in table.rows.keys() & set(wanted):
                outcome.failed[run] = ground.reasons[table.name]
    existing = find_existing(connection, host, ground.targets, wanted)
    outcome.failed |= {run: reasons.exists(table) for run, table in existing.items()}
    batch = _Batch(connection, host, reading, ground, outcome)
    batch.restore([run for run in wanted if run not in outcome.failed])
    if outcome.done:
        batch.mend_around(sorted(outcome.done))
        outcome.note(ground.notes)
    if outcome.failed:
        outcome.titles |= batch.read_titles(outcome.failed)
    return outcome


def let_print(connection: sa.Connection) -> None:
    """Let values be read and printed as the archive has them, until the transaction ends."""
    connection.execute(
        sa.select(*(sa.func.set_config(name, value, True) for name, value in SETTINGS.items()))
    )


@dataclass
class _Batch:
    """A file's runs on their way back. ``unmet`` are those that refer to what is not there yet."""

    connection: sa.Connection
    host: Host
    reading: Reading
    ground: Ground
    outcome: RestoredRows
    unmet: dict[str, str] = field(default_factory=dict)

    def restore(self, thread_ids: Sequence[str]) -> None:
        """Put these back, as many as can be."""
        self._put(thread_ids, thread_ids)
        # What one refers to may have come back after it.
        alone = False
        while self.unmet:
            waiting, self.unmet = sorted(self.unmet), {}
            before = len(self.outcome.done)
            if alone:
                for run in waiting:
                    self._put([run], [run])
            else:
                self._put(waiting, waiting)
            if len(self.outcome.done) == before:
                if alone:
                    break
                alone = True
        self.outcome.failed |= self.unmet

    def mend_around(self, thread_ids: Sequence[str]) -> None:
        """Put back what the deletion cleared elsewhere, and move passed sequences on."""
        with self.reading() as rows:
            if rows.header.references:
                for _table, _lines in rows.tables():
                    pass
                for put in put_references(self.connection, rows.references(set(thread_ids))):
                    self.outcome.account(put)
            self.outcome.note(map(reasons.unrecorded, rows.header.unrecorded))
        self.outcome.note(advance(self.connection, self.ground.targets, self.host, thread_ids))

    def _put(self, part: Sequence[str], open_ids: Sequence[str]) -> None:
        """Put ``part`` back; where it is refused, each half of it, down to single runs."""
        if not part:
            return
        try:
            with self.connection.begin_nested():
                filling = self._fill(part, open_ids)
        except _RefusedRunsError as error:
            self.outcome.failed |= error.refused
            self._put([run for run in part if run not in error.refused], open_ids)
        except (RefusedError, sa.exc.DBAPIError) as error:
            if self._ends_all(error):
                raise
            if len(part) == 1:
                failed = self.unmet if reasons.is_unmet(error) else self.outcome.failed
                failed[part[0]] = reasons.reason_for(error)
                return
            middle = len(part) // 2
            self._put(part[:middle], open_ids)
            self._put(part[middle:], open_ids)
        else:
            self._keep(part, filling)

    def _fill(self, part: Sequence[str], open_ids: Sequence[str]) -> Filling:
        """Put ``part`` back and look whether it is there as it was."""
        hopeful = [run for run in open_ids if run not in self.outcome.failed]
        gone = find_gone(self.connection, self.ground.references, self.reading, part, hopeful)
        if gone.refused:
            raise _RefusedRunsError(gone.refused)
        targets = self.ground.by_name
        filling = Filling(self.connection, targets, self.ground.circles, gone, self._titled())
        with self.reading() as rows:
            filling.put(rows, set(part))
        try:
            # What is looked at the end of the transaction is looked at now, while it can be told.
            self.connection.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
        except sa.exc.DBAPIError as error:
            raise RefusedError(self.host.own.name, error) from error
        there = read_back(self.connection, self.host, self.ground.targets, part)
        altered = filling.tally.differing(there, part)
        altered |= find_elsewhere(self.connection, self.host, self.ground.targets, part)
        if altered:
            raise _RefusedRunsError(
                {run: reasons.altered(table, self._triggers()) for run, table in altered.items()}
            )
        return filling

    def _keep(self, part: Sequence[str], filling: Filling) -> None:
        own = self.host.own.name
        for run in part:
            rows = filling.tally.of(run)
            self.outcome.done[run] = rows
            if not rows[own]:
                self.outcome.orphans.add(run)
        self.outcome.titles |= filling.titles
        self.outcome.cleared += Counter(
            {reference.sides: rows for reference, rows in filling.cleared.items()}
        )

    def read_titles(self, thread_ids: Collection[str]) -> dict[str, str]:
        """The names that runs had."""
        titled = self._titled()
        found: dict[str, str] = {}
        with self.reading() as rows:
            for table, lines in rows.tables(thread_ids) if titled is not None else ():
                if titled is not None and table.name == titled[0]:
                    names = ((run, read_field(fields_of(line)[titled[1]])) for run, line in lines)
                    found = {run: name for run, name in names if name}
                    break
        return found

    def _titled(self) -> tuple[str, int] | None:
        own = self.ground.by_name.get(self.host.own.name)
        if own is None:
            return None
        names = {stored_column(self.host.runs.c.run_name).name, "run_name"}
        for place, column in zip(own.fields, own.columns, strict=True):
            if column.name in names:
                return own.name, place
        return None

    def _triggers(self) -> str:
        names = {target.oid: target.name for target in self.ground.targets}
        fired = read_fired(self.connection, names)
        return ", ".join(sorted({f"“{one.name}” of “{one.table}”" for one in fired}))

    def _ends_all(self, error: Exception) -> bool:
        """Whether every other run would meet ``error`` just the same."""
        cause = error.cause if isinstance(error, RefusedError) else error
        state = sqlstate(cause) or ""
        if state == INSUFFICIENT_PRIVILEGE and isinstance(error, RefusedError):
            target = self.ground.by_name.get(error.table)
            return target is None or not (target.is_guarded and target.may_insert)
        return (
            is_away(cause)
            or is_schema_changed(cause)
            or state in {READ_ONLY_SQL_TRANSACTION, INSUFFICIENT_PRIVILEGE}
            or state.startswith(_HOPELESS_CLASSES)
        )
