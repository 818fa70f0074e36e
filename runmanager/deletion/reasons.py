"""Why a run was not deleted: what the database can refuse, and how that is said in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runmanager.batches import AddedRowsError, KeptRowsError, RefusedError
from runmanager.database import (
    DEADLOCK_DETECTED,
    FOREIGN_KEY_VIOLATION,
    INSUFFICIENT_PRIVILEGE,
    LOCK_NOT_AVAILABLE,
    QUERY_CANCELED,
    RESTRICT_VIOLATION,
    SERIALIZATION_FAILURE,
    diagnostic,
    sqlstate,
    translate,
)
from runmanager.host.values import settings_name
from runmanager.text import shorten

if TYPE_CHECKING:
    from runmanager.host.values import Host, Link

NOT_FOUND = "Run not found"
STILL_RUNNING = "Run is still running"
APPEARED = "This run has a row now that it had not when the plan was made. Look it over first."
ACTIVE = "This run has written a moment ago: its worker may be at it still. Wait, or include it."
ACTIVE_UNSEEN = (
    "Which runs have written within the last minutes was not found in time. Each batch looks again "
    "before it deletes, and leaves those out."
)
REPLACED = "Another run has this id by now, which was not confirmed. Look it over first."
LEFT_OUT = (
    "Its row is there, though the view “run_metadata” leaves it out, so nothing of this run is "
    "deleted."
)
PUT_BACK = (
    "It was deleted, and is there again: the database was put back to an earlier state since. "
    "Nothing more was done to it."
)
LOCKED = "Another session is working on this run. Try again in a moment."
TOO_SLOW = "Deleting this run took too long and was undone. Try again, or at a quieter time."
KEPT = (
    "The database kept rows of “{table}” (a trigger or a row policy), so nothing of this run was "
    "deleted."
)
ADDED = (
    "Rows of “{table}” went that the copy does not have: somebody added them just then, or a "
    "trigger deleted them. So nothing of this run was deleted. Try again, or delete it without a "
    "copy."
)
HAS_RERUNS = (
    "Runs that were started from this one would be deleted by the database with it, and their "
    "traces left over. Select those runs too."
)


def replaced(stamp: str | None) -> str:
    """That a run has the id of one that was planned, and is another, which began at ``stamp``."""
    if stamp is None:
        return "Another run, without a time, has this id now: it was not confirmed, and stays."
    return f"Another run has this id now, started {stamp}: it was not confirmed, and stays."


def held_by(host: Host, link: Link) -> str:
    """That rows which the host keeps refer to a run, and what would let it go."""
    child, parent = host.name_of(link.child), host.name_of(link.parent)
    return (
        f"Rows of “{child}” refer to its row of “{parent}” (constraint “{link.name}”), and the "
        "database keeps them. Remove those references; or name "
        f"“{settings_name(link.child)}” in RUNMANAGER_TRACE_TABLES, and such rows go with their "
        "run."
    )


def held_by_run(host: Host, link: Link) -> str:
    """That another run, which stays, refers to this one."""
    child, parent = host.name_of(link.child), host.name_of(link.parent)
    return (
        f"Another run's row of “{child}” refers to its row of “{parent}” (constraint "
        f"“{link.name}”). Select that run too."
    )


def may_pass(error: Exception) -> bool:
    """Whether the same run may well be deleted at a second try: another session was in the way."""
    cause = error.cause if isinstance(error, RefusedError) else error
    return isinstance(cause, KeptRowsError) or sqlstate(cause) in {
        DEADLOCK_DETECTED,
        SERIALIZATION_FAILURE,
    }


def reason_for(error: Exception) -> str:
    """Why one run could not be deleted, in plain words."""
    if isinstance(error, AddedRowsError):
        return ADDED.format(table=error.table)
    if isinstance(error, KeptRowsError):
        return KEPT.format(table=error.table)
    cause = error.cause if isinstance(error, RefusedError) else error
    table = error.table if isinstance(error, RefusedError) else "run_metadata"
    state = sqlstate(cause)
    said = diagnostic(cause)
    if state in {FOREIGN_KEY_VIOLATION, RESTRICT_VIOLATION} and said is not None:
        return (
            f"A row of “{table}” is still referenced from table “{said.table_name}” "
            f"(constraint “{said.constraint_name}”). Remove that reference, then delete again."
        )
    if state in {LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED, SERIALIZATION_FAILURE}:
        return LOCKED
    if state == QUERY_CANCELED:
        return TOO_SLOW
    if said is not None and said.message_primary:
        return f"The database refused, at table “{table}”: {shorten(said.message_primary, 300)}"
    return translate(cause).message


def hopeless(error: Exception) -> str | None:
    """Why every other run would meet ``error`` just the same; None where it would not."""
    cause = error.cause if isinstance(error, RefusedError) else error
    if sqlstate(cause) != INSUFFICIENT_PRIVILEGE:
        return None
    said = diagnostic(cause)
    at = f", at table “{error.table}”" if isinstance(error, RefusedError) else ""
    why = f": {shorten(said.message_primary, 300)}" if said and said.message_primary else ""
    if said is not None and said.context:
        # Only what runs inside a statement of ours, such as a trigger's function, has a context.
        inside = shorten(said.context.splitlines()[-1], 200)
        return (
            f"A trigger of the host's was denied what it does when rows go{at}{why} (in {inside}). "
            "Let the owner of that table grant it to the role, or let the function run as its "
            "owner; then try again."
        )
    return (
        f"The database denied the deletion{at}{why}. docs/own-database.md lists what the role "
        "needs. Grant it, then try again."
    )
