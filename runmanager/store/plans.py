"""Plans: operations that wait for somebody to start them, once, within an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.records import OperationState
from runmanager.store.operations import clock, of_spec
from runmanager.store.tables import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PLAN_SECONDS = 3600.0
_KNOWN_SECONDS = 7 * 86400.0

_o = OPERATIONS.c
_IS_PLAN = sa.and_(_o.state == OperationState.PLANNED.value, _o.ended_at.is_(None))
_IS_EXPIRED = sa.and_(_o.state == OperationState.PLANNED.value, _o.ended_at.is_not(None))


def start(
    connection: sa.Connection, operation_id: str, spec: Mapping[str, Any], origin: str
) -> bool:
    """Let a plan wait for its turn, with this spec; False where it is no plan, or too old."""
    return bool(
        connection.execute(
            sa.update(OPERATIONS)
            .where(_o.id == operation_id, _is_fresh(connection))
            # An operation is as old as its start: it waits in line behind those before it.
            .values(
                state=OperationState.QUEUED.value,
                origin=origin,
                created_at=clock(connection),
                **of_spec(spec),
            )
        ).rowcount
    )


def can_start(connection: sa.Connection, operation_id: str) -> bool:
    """Whether ``start`` would take it at this moment: it is a plan, and not too old."""
    found = sa.select(_o.id).where(_o.id == operation_id, _is_fresh(connection))
    return connection.execute(found).one_or_none() is not None


def old(connection: sa.Connection, limit: int = 100) -> tuple[str, ...]:
    """The ids of plans that nobody started in their hour, and whose files may still be there."""
    is_old = _o.created_at <= clock(connection) - PLAN_SECONDS
    found = connection.execute(sa.select(_o.id).where(_IS_PLAN, is_old).limit(limit))
    return tuple(found.scalars())


def expire(connection: sa.Connection, operation_ids: Collection[str]) -> None:
    """Keep of these plans that they were there, for a week: their files are gone now."""
    connection.execute(
        sa.update(OPERATIONS)
        .where(_o.id.in_(operation_ids), _IS_PLAN)
        .values(ended_at=clock(connection), spec="{}")
    )
    is_forgotten = _o.created_at <= clock(connection) - _KNOWN_SECONDS
    connection.execute(sa.delete(OPERATIONS).where(_IS_EXPIRED, is_forgotten))


def _is_fresh(connection: sa.Connection) -> sa.ColumnElement[bool]:
    return sa.and_(_IS_PLAN, _o.created_at > clock(connection) - PLAN_SECONDS)
