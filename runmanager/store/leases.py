"""Leases: who is at work on which operation, until when; nobody else is, for as long as it lasts.

An owner that has not renewed its lease is taken for dead. It may only have slept: each claim raises
the operation's epoch, and what an earlier one writes is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.errors import LeaseLostError
from runmanager.records import OperationState
from runmanager.store.operations import (
    StoredOperation,
    clock,
    keepable,
    read_json,
    shown,
    stored,
    write_json,
)
from runmanager.store.tables import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

STOP, PAUSE = "stop", "pause"
# Nobody else claims in the meantime: two that count who is at work at once would both begin.
_CLAIMING_LOCK = 0x52756E4F7073  # "RunOps"
_QUEUED, _RUNNING = OperationState.QUEUED.value, OperationState.RUNNING.value
_PAUSED, _INTERRUPTED = OperationState.PAUSED.value, OperationState.INTERRUPTED.value

_o = OPERATIONS.c


@dataclass(frozen=True)
class Lease:
    """What an owner holds of an operation."""

    operation_id: str
    owner: str
    epoch: int


@dataclass(frozen=True)
class Wish:
    """Which operations an owner would take up: of kinds that it knows, one that it has not yet.

    One to be stopped is taken up however many are at work: it has only its end before it.
    ``only_stopped`` takes no other.
    """

    kinds: Collection[str]
    but: Collection[str] = ()
    at_once: int = 2
    only_stopped: bool = False


def is_any(connection: sa.Connection, wish: Wish) -> bool:
    """Whether there may be something to claim; it only reads."""
    found = sa.select(_o.id).where(_claimable(connection, wish)).limit(1)
    return connection.execute(found).one_or_none() is not None


def claim(
    connection: sa.Connection, wish: Wish, owner: str, seconds: float
) -> tuple[StoredOperation, dict[str, Any] | None] | None:
    """Take up the oldest operation that waits for somebody, with its spec; None for none.

    Where ``wish.at_once`` are at work already, by whomever, only one to be stopped is taken up. Its
    spec is None where it cannot be read.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CLAIMING_LOCK)))
    found = connection.execute(
        sa.select(_o.id)
        .where(_claimable(connection, wish))
        .order_by((sa.func.coalesce(_o.wanted, "") == STOP).desc(), _o.created_at, _o.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).scalar_one_or_none()
    if found is None:
        return None
    goes_on = sa.case((_o.state == _QUEUED, 0), else_=1)
    connection.execute(
        sa.update(OPERATIONS)
        .where(_o.id == found)
        .values(
            state=_RUNNING,
            owner=owner,
            lease_until=clock(connection) + seconds,
            epoch=_o.epoch + 1,
            started_at=sa.func.coalesce(_o.started_at, clock(connection)),
            interruptions=_o.interruptions + goes_on,
            message=None,
        )
    )
    columns: list[sa.ColumnElement[Any]] = [*shown(connection), _o.spec]
    row = connection.execute(sa.select(*columns).where(_o.id == found)).one()
    return stored(row), read_json(row.spec)


def renew(
    connection: sa.Connection, lease: Lease, seconds: float, done: int, failed: int
) -> str | None:
    """Hold the lease for so many seconds more, and say how far it is; what is wanted of it.

    Raises LeaseLostError where it is somebody else's, or nobody's, by now.
    """
    renewed = connection.execute(
        sa.update(OPERATIONS)
        .where(_is_held(lease))
        .values(lease_until=clock(connection) + seconds, done=done, failed=failed)
        .returning(_o.wanted)
    ).one_or_none()
    if renewed is None:
        raise LeaseLostError
    wanted: str | None = renewed.wanted
    return wanted


def is_held(connection: sa.Connection, lease: Lease) -> bool:
    """Whether the lease is still its owner's, and has not lapsed; it only reads."""
    is_live = _o.lease_until > clock(connection)
    held = sa.select(_o.id).where(_is_held(lease), is_live)
    return connection.execute(held).one_or_none() is not None


def finish(
    connection: sa.Connection,
    lease: Lease,
    *,
    done: int,
    failed: int,
    summary: Mapping[str, Any],
    archive_bytes: int = 0,
    archive_until: float | None = None,
    message: str | None = None,
) -> None:
    """Note the end of an operation, with a ``message`` where it has no receipt that says it.

    LeaseLostError where it is not its owner's any more.
    """
    _settle(
        connection,
        lease,
        state=OperationState.FINISHED.value,
        done=done,
        failed=failed,
        summary=write_json(summary),
        archive_bytes=archive_bytes,
        archive_until=archive_until,
        ended_at=clock(connection),
        wanted=None,
        lease_until=None,
        retries=0,
        message=None if message is None else keepable(message),
    )


def pause(connection: sa.Connection, lease: Lease, message: str | None = None) -> None:
    """Let an operation rest until somebody resumes it. Raises LeaseLostError as ``finish``."""
    text = None if message is None else keepable(message)
    _settle(connection, lease, state=_PAUSED, wanted=None, lease_until=None, message=text)


def let_go(connection: sa.Connection, lease: Lease) -> None:
    """Give the lease back, as it was wanted: paused, or else for another turn at once.

    Raises LeaseLostError as ``finish`` does.
    """
    is_to_pause = sa.func.coalesce(_o.wanted, "") == PAUSE
    _settle(
        connection,
        lease,
        state=sa.case((is_to_pause, _PAUSED), else_=_QUEUED),
        wanted=sa.case((is_to_pause, None), else_=_o.wanted),
        lease_until=None,
    )


def interrupt(
    connection: sa.Connection,
    lease: Lease,
    *,
    message: str | None = None,
    wait_seconds: float | None = None,
    retries: int = 0,
) -> None:
    """Give the lease back in the middle, for another turn after so many seconds.

    Raises LeaseLostError as ``finish`` does.
    """
    _settle(
        connection,
        lease,
        state=_INTERRUPTED,
        message=None if message is None else keepable(message),
        lease_until=None if wait_seconds is None else clock(connection) + wait_seconds,
        retries=retries,
    )


def tell(connection: sa.Connection, lease: Lease, done: int, failed: int) -> None:
    """Note how far an operation is; nothing where it is not its owner's any more."""
    connection.execute(
        sa.update(OPERATIONS).where(_is_held(lease)).values(done=done, failed=failed)
    )


def count_at_work(connection: sa.Connection) -> int:
    """How many operations are at work now, in all instances."""
    return int(connection.execute(sa.select(_at_work(connection))).scalar_one())


def _claimable(connection: sa.Connection, wish: Wish) -> sa.ColumnElement[bool]:
    is_to_stop = sa.func.coalesce(_o.wanted, "") == STOP
    has_room = sa.false() if wish.only_stopped else _at_work(connection) < wish.at_once
    return sa.and_(
        # All of these first, by their index: nearly every operation is finished.
        _o.state.in_([_QUEUED, _RUNNING, _INTERRUPTED]),
        sa.or_(_o.lease_until.is_(None), _o.lease_until <= clock(connection)),
        _o.kind.in_(list(wish.kinds)),
        _o.id.not_in(list(wish.but)),
        sa.or_(is_to_stop, has_room),
    )


def _at_work(connection: sa.Connection) -> sa.ScalarSelect[int]:
    other = OPERATIONS.alias()
    return (
        sa.select(sa.func.count())
        .where(other.c.state == _RUNNING, other.c.lease_until > clock(connection))
        .scalar_subquery()
    )


def _is_held(lease: Lease) -> sa.ColumnElement[bool]:
    return sa.and_(
        _o.id == lease.operation_id,
        _o.owner == lease.owner,
        _o.epoch == lease.epoch,
        _o.state == _RUNNING,
    )


def _settle(connection: sa.Connection, lease: Lease, **values: Any) -> None:
    settled = connection.execute(
        sa.update(OPERATIONS).where(_is_held(lease)).values(owner=None, **values)
    )
    if settled.rowcount != 1:
        raise LeaseLostError
