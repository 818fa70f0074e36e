"""Sessions: every sign-in that is, and for a while those that were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.records.sessions import SessionKind, SignInMethod, StoredSession
from runmanager.store.tables import SESSIONS

if TYPE_CHECKING:
    from collections.abc import Collection

_s = SESSIONS.c


def create(connection: sa.Connection, session: StoredSession) -> None:
    """Keep a new session."""
    connection.execute(
        sa.insert(SESSIONS).values(
            key=session.key,
            kind=session.kind.value,
            method=session.method.value,
            user_id=session.user_id,
            username=session.username,
            provider_session=session.provider_session,
            provider_user=session.provider_user,
            created_at=session.created_at,
            used_at=session.used_at,
            expires_at=session.expires_at,
            ended_at=session.ended_at,
        )
    )


def find(connection: sa.Connection, key: str) -> StoredSession | None:
    """The session of this key, also one that has ended or expired."""
    row = connection.execute(sa.select(SESSIONS).where(_s.key == key)).one_or_none()
    return None if row is None else _session(row)


def live(connection: sa.Connection, keys: Collection[str], now: float) -> tuple[StoredSession, ...]:
    """Those of the sessions of these keys that have neither ended nor expired."""
    rows = connection.execute(
        sa.select(SESSIONS).where(_s.key.in_(keys), _s.ended_at.is_(None), _s.expires_at > now)
    )
    return tuple(map(_session, rows))


def touch(connection: sa.Connection, key: str, at: float) -> None:
    """Note when a session was used; one that has ended stays as it was, and so does a later use."""
    connection.execute(
        sa.update(SESSIONS)
        .where(_s.key == key, _s.ended_at.is_(None), _s.used_at < at)
        .values(used_at=at)
    )


def end(connection: sa.Connection, key: str, at: float) -> int:
    """End one session; how many have ended by it (none, where it had ended before)."""
    return _end(connection, at, _s.key == key)


def end_all(
    connection: sa.Connection, user_id: str, at: float, kind: SessionKind | None = None
) -> int:
    """End every session of a user, or only those of one kind; how many have ended by it."""
    of_kind = sa.true() if kind is None else _s.kind == kind.value
    return _end(connection, at, sa.and_(_s.user_id == user_id, of_kind))


def end_by_provider(connection: sa.Connection, provider_session: str, at: float) -> int:
    """End what began with this session at the provider; how many sessions have ended by it."""
    return _end(connection, at, _s.provider_session == provider_session)


def end_by_provider_user(connection: sa.Connection, provider_user: str, at: float) -> int:
    """End what this user of the provider's has begun; how many sessions have ended by it."""
    return _end(connection, at, _s.provider_user == provider_user)


def purge(connection: sa.Connection, before: float) -> int:
    """Forget the sessions that expired or ended before this time; how many there were."""
    # Instances that purge at once leave each other's rows alone instead of waiting.
    old = (
        sa.select(_s.key)
        .where((_s.expires_at < before) | (_s.ended_at < before))
        .with_for_update(skip_locked=True)
    )
    return connection.execute(sa.delete(SESSIONS).where(_s.key.in_(old))).rowcount


def _end(connection: sa.Connection, at: float, which: sa.ColumnElement[bool]) -> int:
    return connection.execute(
        sa.update(SESSIONS).where(which, _s.ended_at.is_(None)).values(ended_at=at)
    ).rowcount


def _session(row: sa.Row[Any]) -> StoredSession:
    return StoredSession(
        key=row.key,
        kind=SessionKind(row.kind),
        method=SignInMethod(row.method),
        user_id=row.user_id,
        username=row.username,
        provider_session=row.provider_session,
        provider_user=row.provider_user,
        created_at=row.created_at,
        used_at=row.used_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
    )
