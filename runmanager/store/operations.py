"""Operations: a row for each, from the plan until long after its receipt.

What a row says of an operation at work is for who looks on; the files of the operation decide what
became of it. Everything that is not a column is JSON, and is only ever read as JSON.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.records import Actor, OperationState
from runmanager.store.tables import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

# What a spec may have that lists show; all else in it is the kind's own.
SENTENCE, REASON, TOTAL = "sentence", "reason", "total"
_ASKED_AT_ONCE = 500

_o = OPERATIONS.c
_IS_EXPIRED = sa.and_(_o.state == OperationState.PLANNED.value, _o.ended_at.is_not(None))
_WITHOUT_SPEC = [column for column in _o if column is not _o.spec]


@dataclass(frozen=True)
class StoredOperation:
    """One operation as the store has it, but for its spec. Times are seconds since 1970.

    ``state`` is what is shown: one whose lease has lapsed is interrupted. ``wanted`` is "stop" or
    "pause". ``is_expired``: a plan that nobody has started in its hour.
    """

    operation_id: str
    kind: str
    state: OperationState
    actor: Actor
    origin: str
    sentence: str
    reason: str | None
    total: int
    done: int
    failed: int
    wanted: str | None
    owner: str | None
    epoch: int
    created_at: float
    started_at: float | None
    ended_at: float | None
    summary: Mapping[str, Any]
    message: str | None
    interruptions: int
    retries: int
    parent: str | None
    archive_until: float | None
    archive_bytes: int
    purged_at: float | None
    is_expired: bool


@dataclass(frozen=True)
class NewOperation:
    """What is known of an operation before it begins."""

    operation_id: str
    kind: str
    actor: Actor
    origin: str
    spec: Mapping[str, Any]
    parent: str | None = None


def clock(connection: sa.Connection) -> sa.ColumnElement[float]:
    """The present time inside a statement: of the database that all instances share."""
    if connection.dialect.name == "sqlite":
        return sa.literal(time.time(), sa.Double)
    return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)


def now(connection: sa.Connection) -> float:
    """The present time, by the clock that leases and ages are counted by."""
    return float(connection.execute(sa.select(clock(connection))).scalar_one())


def insert(connection: sa.Connection, new: NewOperation, state: OperationState) -> None:
    """Write a new operation down, as a plan or waiting for its turn."""
    connection.execute(
        sa.insert(OPERATIONS).values(
            id=new.operation_id,
            kind=new.kind,
            state=state.value,
            actor_id=new.actor.user_id,
            actor_name=new.actor.username,
            origin=new.origin,
            done=0,
            failed=0,
            epoch=0,
            created_at=clock(connection),
            summary="{}",
            interruptions=0,
            retries=0,
            parent=new.parent,
            archive_bytes=0,
            **of_spec(new.spec),
        )
    )


def find(
    connection: sa.Connection, operation_id: str, *, for_update: bool = False
) -> StoredOperation | None:
    """One operation; ``for_update`` lets nobody else change it until the transaction ends."""
    statement = sa.select(*shown(connection)).where(_o.id == operation_id)
    row = connection.execute(statement.with_for_update() if for_update else statement).one_or_none()
    return None if row is None else stored(row)


def unknown(connection: sa.Connection, operation_ids: Sequence[str]) -> set[str]:
    """Those of the ids that no operation and no plan has."""
    left = set(operation_ids)
    for start in range(0, len(operation_ids), _ASKED_AT_ONCE):
        some = operation_ids[start : start + _ASKED_AT_ONCE]
        left.difference_update(
            connection.execute(sa.select(_o.id).where(_o.id.in_(some))).scalars()
        )
    return left


def find_spec(connection: sa.Connection, operation_id: str) -> dict[str, Any] | None:
    """What an operation is to do, as it was written down; None where nobody can tell."""
    text = connection.execute(sa.select(_o.spec).where(_o.id == operation_id)).scalar_one_or_none()
    return None if text is None else read_json(text)


def page(
    connection: sa.Connection,
    *,
    offset: int,
    size: int,
    states: Collection[OperationState] | None = None,
    parent: str | None = None,
    kinds: Collection[str] | None = None,
    admin: str | None = None,
) -> tuple[StoredOperation, ...]:
    """So many operations behind the first ``offset``, newest first: all but plans, or of states.

    ``admin`` is the name of who asked for them.
    """
    which = _which(connection, states, parent, kinds, admin)
    # By an index alone: a row is wide, and the page is a few of many.
    ids = sa.select(_o.id).where(which).order_by(_o.created_at.desc(), _o.id.desc())
    wanted = connection.execute(ids.limit(size).offset(offset)).scalars().all()
    return _all(connection, wanted)


def count(
    connection: sa.Connection,
    states: Collection[OperationState] | None = None,
    parent: str | None = None,
    kinds: Collection[str] | None = None,
    admin: str | None = None,
) -> int:
    """How many operations ``page`` would go through."""
    statement = sa.select(sa.func.count()).select_from(OPERATIONS)
    which = _which(connection, states, parent, kinds, admin)
    return int(connection.execute(statement.where(which)).scalar_one())


def change(connection: sa.Connection, operation_id: str, **values: Any) -> None:
    """Write these columns of one operation."""
    connection.execute(sa.update(OPERATIONS).where(_o.id == operation_id).values(**values))


def due_for_purge(connection: sa.Connection, limit: int = 100) -> tuple[str, ...]:
    """The ids of operations whose archive has been kept for as long as it was to be."""
    is_due = sa.and_(
        _o.archive_until <= clock(connection),
        _o.state == OperationState.FINISHED.value,
        _o.purged_at.is_(None),
    )
    due = sa.select(_o.id).where(is_due).order_by(_o.archive_until, _o.id)
    return tuple(connection.execute(due.limit(limit)).scalars())


def mark_purged(connection: sa.Connection, operation_id: str) -> None:
    """Note that nothing of what an operation archived is there any more."""
    connection.execute(
        sa.update(OPERATIONS)
        .where(_o.id == operation_id, _o.purged_at.is_(None))
        .values(purged_at=clock(connection), archive_until=None, archive_bytes=0)
    )


def admins(connection: sa.Connection) -> tuple[str, ...]:
    """The names of all who have asked for an operation."""
    is_begun = _o.state != OperationState.PLANNED.value
    return tuple(
        sorted(connection.execute(sa.select(_o.actor_name).distinct().where(is_begun)).scalars())
    )


def archived(connection: sa.Connection) -> tuple[int, int]:
    """Of how many operations something archived is still there, and how many bytes it has."""
    total = sa.func.coalesce(sa.func.sum(_o.archive_bytes), 0)
    kept = sa.select(sa.func.count(), total).where(_o.archive_until.is_not(None))
    row = connection.execute(kept).one()
    return int(row[0]), int(row[1])


def write_json(value: Mapping[str, Any]) -> str:
    """What is kept of ``value``, which is of JSON's types alone: TypeError for any other."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def read_json(text: str) -> dict[str, Any] | None:
    """What ``write_json`` wrote; None for what it never wrote, whoever did."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def keepable(text: str) -> str:
    """``text`` without what no text column holds, whatever an admin or a host put into it."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def shown(connection: sa.Connection) -> list[sa.ColumnElement[Any]]:
    """The columns that ``stored`` reads."""
    lapsed = is_lapsed(connection)
    state = sa.case((lapsed, OperationState.INTERRUPTED.value), else_=_o.state)
    return [*_WITHOUT_SPEC, state.label("shown_state"), _IS_EXPIRED.label("is_expired")]


def is_lapsed(connection: sa.Connection) -> sa.ColumnElement[bool]:
    """Whether nobody is known to be at work on what is said to be running."""
    is_running = _o.state == OperationState.RUNNING.value
    return sa.and_(is_running, _o.lease_until <= clock(connection))


def stored(row: sa.Row[Any]) -> StoredOperation:
    """The operation of a row with the columns of ``shown``."""
    values = row._asdict()
    for name in ("id", "state", "lease_until", "actor_id", "actor_name", "shown_state", "spec"):
        values.pop(name, None)
    return StoredOperation(
        **values
        | {
            "operation_id": row.id,
            "state": OperationState(row.shown_state),
            "actor": Actor(row.actor_id, row.actor_name),
            "summary": read_json(row.summary) or {},
            "is_expired": bool(row.is_expired),
        }
    )


def of_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that hold a spec."""
    reason = spec.get(REASON)
    return {
        "spec": write_json(spec),
        "sentence": keepable(str(spec.get(SENTENCE, ""))),
        "reason": None if reason is None else keepable(str(reason)),
        "total": int(spec.get(TOTAL, 0)),
    }


def _all(connection: sa.Connection, ids: Sequence[str]) -> tuple[StoredOperation, ...]:
    rows = connection.execute(sa.select(*shown(connection)).where(_o.id.in_(ids)))
    by_id = {row.id: stored(row) for row in rows}
    return tuple(by_id[one] for one in ids if one in by_id)


def _which(
    connection: sa.Connection,
    states: Collection[OperationState] | None,
    parent: str | None,
    kinds: Collection[str] | None,
    admin: str | None,
) -> sa.ColumnElement[bool]:
    of_parent = sa.true() if parent is None else _o.parent == parent
    if kinds is not None:
        of_parent = sa.and_(of_parent, _o.kind.in_([keepable(kind) for kind in kinds]))
    if admin is not None:
        of_parent = sa.and_(of_parent, _o.actor_name == keepable(admin))
    if states is None:
        return sa.and_(_o.state != OperationState.PLANNED.value, of_parent)
    lapsed = is_lapsed(connection)
    of_states = [
        sa.and_(_o.state == state.value, sa.not_(lapsed))
        if state is OperationState.RUNNING
        else _o.state == state.value
        for state in states
    ]
    if OperationState.INTERRUPTED in states:
        of_states.append(lapsed)
    return sa.and_(sa.or_(sa.false(), *of_states), of_parent)
