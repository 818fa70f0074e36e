"""Looking again after the last transaction: what somebody has written to deleted runs since."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runmanager.errors import DatabaseAwayError, RunManagerError
from runmanager.queries.run.footprint import footprints, ids_with_traces, run_tables
from runmanager.records import Footprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runmanager.database import Database
    from runmanager.host.values import Host, TraceTable

# So many are named; all are counted.
MAX_NAMED = 10_000
# A server that crashed, or fails over, is there again in seconds.
_PAUSES = (0.0, 0.2, 1.0, 2.0)


@dataclass(frozen=True)
class CameBack:
    """Rows by table that deleted runs have again, None where nobody could look; and those runs."""

    tables: tuple[Footprint, ...] | None
    runs: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows there are again."""
        return sum(table.rows for table in self.tables or ())


def look_again(database: Database, host: Host, parts: Iterable[Sequence[str]]) -> CameBack:
    """What runs that are deleted have again; ``parts`` are their ids, some thousands at a time."""
    # What is found by foreign keys went with what it referred to.
    by_id = [trace for trace in run_tables(host) if not trace.links]
    rows: Counter[str] = Counter()
    size: Counter[str] = Counter()
    runs: list[str] = []
    try:
        for thread_ids in parts:
            found, named = _look(database, host, by_id, thread_ids)
            runs += named if len(runs) < MAX_NAMED else ()
            for table in found:
                rows[table.table] += table.rows
                size[table.table] += table.stored_bytes
    except RunManagerError:
        # The deletion is done and counted; that it cannot be looked at again changes nothing.
        return CameBack(None)
    tables = (Footprint(name, count, size[name]) for name, count in rows.items() if count)
    return CameBack(tuple(tables), tuple(runs[:MAX_NAMED]))


def _look(
    database: Database, host: Host, tables: Sequence[TraceTable], thread_ids: Sequence[str]
) -> tuple[tuple[Footprint, ...], list[str]]:
    """What these runs have, and which of them have any of it; over a new connection if need be."""
    for pause in (*_PAUSES, None):
        try:
            with database.read() as connection:
                found = footprints(connection, host, tables, thread_ids)
                if not any(table.rows for table in found):
                    return found, []
                return found, sorted(ids_with_traces(connection, host, thread_ids))
        except DatabaseAwayError:
            if pause is None:
                raise
            time.sleep(pause)
    raise AssertionError  # the last one was raised
