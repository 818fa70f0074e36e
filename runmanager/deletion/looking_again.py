"""Looking again after the last transaction: what somebody has written to deleted runs since."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runmanager.errors import RunManagerError
from runmanager.queries.run.footprint import footprints, ids_with_traces, run_tables
from runmanager.records import Footprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runmanager.database import Database
    from runmanager.host.values import Host

# So many are named; all are counted.
MAX_NAMED = 10_000


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
            with database.read() as connection:
                found = footprints(connection, host, by_id, thread_ids)
                if any(table.rows for table in found) and len(runs) < MAX_NAMED:
                    runs += sorted(ids_with_traces(connection, host, thread_ids))
            for table in found:
                rows[table.table] += table.rows
                size[table.table] += table.stored_bytes
    except RunManagerError:
        # The deletion is done and counted; that it cannot be looked at again changes nothing.
        return CameBack(None)
    tables = (Footprint(name, count, size[name]) for name, count in rows.items() if count)
    return CameBack(tuple(tables), tuple(runs[:MAX_NAMED]))
