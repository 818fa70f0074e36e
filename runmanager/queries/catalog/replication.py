"""Positions in the write-ahead log: what a database has written, what its standby has replayed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from runmanager.database import is_away


def written(connection: sa.Connection) -> int | None:
    """Where the log ends at this moment; None where the database does not say.

    Not pg_current_wal_lsn(): with synchronous_commit off a commit can be ahead of it.
    """
    return _position(connection, sa.func.pg_current_wal_insert_lsn())


def replayed(connection: sa.Connection) -> int | None:
    """Up to where this standby has replayed its primary's log; None for one that is no standby."""
    return _position(
        connection,
        sa.case((sa.func.pg_is_in_recovery(), sa.func.pg_last_wal_replay_lsn())),
    )


def _position(connection: sa.Connection, lsn: sa.ColumnElement[Any]) -> int | None:
    try:
        with connection.begin_nested():
            bytes_of_log = connection.scalar(
                sa.select(sa.func.pg_wal_lsn_diff(lsn, sa.text("'0/0'")))
            )
    except sa.exc.DBAPIError as error:
        # Some hosted databases of PostgreSQL's kind have no such function.
        if is_away(error):
            raise
        return None
    return None if bytes_of_log is None else int(bytes_of_log)
