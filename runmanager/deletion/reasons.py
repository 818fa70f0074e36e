"""Why a run was not deleted: what the database can refuse, and how that is said in plain words."""

from __future__ import annotations

from runmanager.batches import KeptRowsError, RefusedError
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
from runmanager.text import shorten

NOT_FOUND = "Run not found"
STILL_RUNNING = "Run is still running"
APPEARED = "This run has a row now that it had not when the plan was made. Look it over first."
LOCKED = "Another session is working on this run. Try again in a moment."
TOO_SLOW = "Deleting this run took too long and was undone. Try again, or at a quieter time."
KEPT = (
    "The database kept rows of “{table}” (a trigger or a row policy), so nothing of this run was "
    "deleted."
)
HAS_RERUNS = (
    "Runs that were started from this one would be deleted by the database with it, and their "
    "traces left over. Select those runs too."
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
    # Whose right is missing is not known: it may be one of a trigger's, on a table of its own.
    return (
        f"The database denied the deletion{at}{why}. docs/own-database.md lists what the role "
        "needs; triggers may need more. Grant it, then try again."
    )
