"""What became of a transaction whose COMMIT was sent: asked of the server, by the number it gave.

Looking at the rows alone would lie: while a commit waits for a synchronous standby they look
untouched, and are gone later. The number alone would lie on a server that was put back from a
backup: it may say "committed" of a transaction whose rows are there. So both are asked.
https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.database import sqlstate

if TYPE_CHECKING:
    from runmanager.database import Database

# What pg_xact_status says of a number that this server has not given to anybody yet.
_IN_THE_FUTURE = "22023"


class Fate(Enum):
    """What a server knows of a transaction. UNKNOWN: it is too old, or not of this server."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    OPEN = "in progress"
    UNKNOWN = "unknown"


def transaction_number(connection: sa.Connection) -> str:
    """The number by which the server will know this transaction, which is given one by this."""
    return str(connection.scalar(sa.select(sa.cast(sa.func.pg_current_xact_id(), sa.Text))))


def fate_of(database: Database, number: str) -> Fate:
    """What the server says of the transaction with this number, now. Raises DatabaseError."""
    xid = sa.cast(sa.literal(number, sa.Text), _Xid8)
    with database.read() as connection:
        savepoint = connection.begin_nested()
        try:
            said = connection.scalar(sa.select(sa.func.pg_xact_status(xid)))
        except sa.exc.SQLAlchemyError as error:
            if sqlstate(error) != _IN_THE_FUTURE:
                raise
            savepoint.rollback()
            return Fate.UNKNOWN
    return Fate.UNKNOWN if said is None else Fate(said)


class _Xid8(sa.types.UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        """PostgreSQL's type of a transaction's whole number."""
        return "xid8"
