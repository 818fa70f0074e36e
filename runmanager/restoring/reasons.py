"""Why a run was not put back, and what is not as it was, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runmanager.batches import RefusedError
from runmanager.database import (
    DEADLOCK_DETECTED,
    FOREIGN_KEY_VIOLATION,
    INSUFFICIENT_PRIVILEGE,
    LOCK_NOT_AVAILABLE,
    QUERY_CANCELED,
    SERIALIZATION_FAILURE,
    diagnostic,
    sqlstate,
    translate,
)
from runmanager.text import shorten

if TYPE_CHECKING:
    from runmanager.archive.rows_format import ArchivedTable, Unrecorded
    from runmanager.restoring.gone import Reference

UNIQUE_VIOLATION = "23505"
NOT_KEPT = "The rows of this run are no longer in the archive: they were purged, or never kept."
NOT_ARCHIVED = "The archive of this operation has no rows of this run."
GONE_AGAIN = (
    "It was put back, and is not there: deleted again since, or the database was put back to an "
    "earlier state."
)
OTHER_AT_WORK = "Another operation is at work on the same archive: this one goes on after it."
LOCKED = "Another session is working on what belongs to this run. Try again in a moment."
TOO_SLOW = "Restoring this run took too long and was undone. Try again, or at a quieter time."


def exists(table: str) -> str:
    """That there is a run with this id, or a trace of one."""
    return (
        f"A run with this id is there again, with rows in “{table}”: nothing of it was touched. "
        "Delete that one first, or keep it."
    )


def parent_gone(reference: Reference) -> str:
    """That something which a row must refer to is gone."""
    columns = ", ".join(reference.child.archived.columns[one].name for one in reference.fields)
    return (
        f"What “{reference.child.name}.{columns}” of this run refers to is no longer in "
        f"“{reference.parent.info['name']}” (constraint “{reference.name}”), and the host's key "
        "does not let a row be without it. Add it again, then restore again."
    )


def table_gone(table: ArchivedTable) -> str:
    """That a table is not there any more, so that its rows cannot come back."""
    return (
        f"The table “{table.name}”, which held rows of this run, is no longer there as "
        f"{table.schema}.{table.table}, so nothing of this run was restored."
    )


def id_gone(table: ArchivedTable) -> str:
    """That a table has lost the column with the id of a row's run."""
    return (
        f"“{table.name}” has no column “{table.columns[0].name}” any more, which says whose its "
        "rows are, so nothing of this run was restored."
    )


def unrelated(table: ArchivedTable) -> str:
    """That nobody can say any more to which run the rows of a table belong."""
    return (
        f"By which foreign key rows of “{table.name}” belong to a run is not known any more, so "
        "nothing of this run was restored."
    )


def unrecorded(one: Unrecorded) -> str:
    """That the archive lacks references that the deletion cleared."""
    return (
        f"References of “{one.table}” that the deletion cleared are not in the archive (constraint "
        f"“{one.constraint}”: {one.why.rstrip('.')}), and stay cleared."
    )


def altered(table: str, triggers: str) -> str:
    """That what was put back is not there as it was."""
    by = f"the triggers {triggers}" if triggers else "the database"
    return (
        f"The rows of “{table}” were not there as they had been once they were put back ({by} "
        "changed, added or dropped some), so nothing of this run was restored."
    )


def is_unmet(error: Exception) -> bool:
    """Whether the database missed what a row refers to, which another run may bring back."""
    return sqlstate(_cause(error)) == FOREIGN_KEY_VIOLATION


def reason_for(error: Exception) -> str:
    """Why one run could not be put back, in plain words."""
    cause = _cause(error)
    table = error.table if isinstance(error, RefusedError) else "run_metadata"
    state, said = sqlstate(cause), diagnostic(cause)
    if said is not None and state == FOREIGN_KEY_VIOLATION:
        return (
            f"A row of “{said.table_name or table}” refers to one that is not there (constraint "
            f"“{said.constraint_name}”). Restore or add that one first."
        )
    if said is not None and state == UNIQUE_VIOLATION:
        return (
            f"“{said.table_name or table}” has another row by now with what may be there once "
            f"only (constraint “{said.constraint_name}”), so nothing of this run was restored."
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
    cause = _cause(error)
    if sqlstate(cause) != INSUFFICIENT_PRIVILEGE:
        return None
    said = diagnostic(cause)
    at = f", at table “{error.table}”" if isinstance(error, RefusedError) else ""
    why = f": {shorten(said.message_primary, 300)}" if said and said.message_primary else ""
    # The last line of it is about the row that was copied.
    inside = [one for one in (said.context or "").splitlines() if "COPY" not in one] if said else []
    if inside:
        # Only what runs inside a statement of ours, such as a trigger's function, has a context.
        return (
            f"A trigger of the host's was denied what it does when rows come{at}{why} (in "
            f"{shorten(inside[-1], 200)}). Let the owner of that table grant it to the role, or "
            "let the function run as its owner; then try again."
        )
    return (
        f"The database denied the restore{at}{why}. docs/own-database.md lists what the role "
        "needs. Grant it, then try again."
    )


def _cause(error: Exception) -> Exception:
    return error.cause if isinstance(error, RefusedError) else error
