"""Throttles: how often in a row signing in has failed, for a name or from an address.

A key is short, and holds what a stranger sent as a digest only: they choose it, and how long it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from runmanager.records.sessions import Failures
from runmanager.store.tables import THROTTLES

if TYPE_CHECKING:
    from collections.abc import Collection

# A stranger can make up names for ever. The oldest go: they are the ones that matter least.
MAX_THROTTLES = 50_000

_t = THROTTLES.c


def read(
    connection: sa.Connection, keys: Collection[str], *, for_update: bool = False
) -> dict[str, Failures]:
    """What is noted under these keys; those without failures are left out.

    ``for_update`` lets nobody else note anything under them until the transaction ends; on SQLite a
    transaction that writes keeps all others out anyway.
    """
    statement = sa.select(THROTTLES).where(_t.key.in_(keys))
    rows = connection.execute(statement.with_for_update() if for_update else statement)
    return {row.key: Failures(count=row.failures, last_at=row.last_at) for row in rows}


def note(connection: sa.Connection, key: str, at: float, forget_after: float) -> Failures:
    """Count one more failure; they begin anew where the last one is ``forget_after`` seconds old.

    Two at the same moment count as two. Who notes several keys in one transaction does so in the
    same order everywhere, or two of them wait for each other.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    insert = sqlite.insert(THROTTLES) if is_sqlite else postgresql.insert(THROTTLES)
    is_forgotten = _t.last_at < at - forget_after
    connection.execute(
        insert.values(key=key, failures=1, last_at=at).on_conflict_do_update(
            index_elements=[_t.key],
            set_={
                "failures": sa.case((is_forgotten, 1), else_=_t.failures + 1),
                "last_at": sa.case((_t.last_at > at, _t.last_at), else_=at),
            },
        )
    )
    noted = read(connection, [key])[key]
    if noted.count == 1:
        _keep_the_newest(connection)
    return noted


def forgive(connection: sa.Connection, key: str) -> None:
    """Take back one failure that turned out to be none."""
    connection.execute(
        sa.update(THROTTLES).where(_t.key == key, _t.failures > 0).values(failures=_t.failures - 1)
    )


def clear(connection: sa.Connection, key: str) -> None:
    """Forget the failures of a key."""
    connection.execute(sa.delete(THROTTLES).where(_t.key == key))


def purge(connection: sa.Connection, before: float) -> int:
    """Forget what failed last before this time; how many keys there were."""
    # Who has just failed again is left alone instead of waited for: both would wait in turn.
    old = sa.select(_t.key).where(_t.last_at < before).with_for_update(skip_locked=True)
    return connection.execute(sa.delete(THROTTLES).where(_t.key.in_(old))).rowcount


def _keep_the_newest(connection: sa.Connection) -> None:
    number = connection.execute(sa.select(sa.func.count()).select_from(THROTTLES)).scalar_one()
    if number <= MAX_THROTTLES:
        return
    surplus = (
        sa.select(_t.key)
        .order_by(_t.last_at)
        .limit(number - MAX_THROTTLES)
        .with_for_update(skip_locked=True)
    )
    connection.execute(sa.delete(THROTTLES).where(_t.key.in_(surplus)))
