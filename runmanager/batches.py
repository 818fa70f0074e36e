"""Work on many runs, batch by batch, with an account of every run.

A batch is one short transaction: it is done to all of its runs or to none. Batches are taken in one
sorted order, so that two operations never wait for each other in a circle. A batch that the
database refuses is halved until the run that it refuses stands alone.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import sqlalchemy as sa

from runmanager.database import (
    READ_ONLY_SQL_TRANSACTION,
    is_away,
    is_schema_changed,
    sqlstate,
    translate,
)
from runmanager.errors import NotAdminError, OutdatedPlanError
from runmanager.logs import report

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable

    from runmanager.database import Database
    from runmanager.records import OperationKind

logger = logging.getLogger(__name__)

# Another session that wants a row of the batch waits this long: it sets how many runs a batch has.
LOCKED_SECONDS = 0.08
# Before the first batch it is not known whether a run has some rows or thousands.
FIRST_BATCH_SIZE = 50
# More in one statement are hardly faster.
BATCH_SIZE = 200
# While a refused batch is halved, each part waits this long for a lock at the most.
SPLIT_LOCK_TIMEOUT_SECONDS = 0.5


class RefusedError(Exception):
    """The database refused a statement on one table; ``cause`` is what it said."""

    def __init__(self, table: str, cause: Exception) -> None:
        self.table = table
        self.cause = cause
        super().__init__(table)


class KeptRowsError(Exception):
    """Rows of one table were still there though a statement should have changed them."""

    def __init__(self, table: str) -> None:
        self.table = table
        super().__init__(table)


class AbortedError(Exception):
    """No further batch can succeed, or none is wanted, for the reason given."""


@dataclass
class Outcome:
    """What became of some runs: rows by table of those that are done, reasons of the others."""

    done: dict[str, Counter[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, other: Outcome) -> None:
        """Take over what became of other runs."""
        self.done |= other.done
        self.failed |= other.failed


O_co = TypeVar("O_co", bound=Outcome, covariant=True)


class Step(Protocol[O_co]):
    """What an operation does to a batch of runs, in one transaction, and says of failures."""

    @property
    def kind(self) -> OperationKind:
        """Whose words are used."""

    def do(self, connection: sa.Connection, batch: list[str]) -> O_co:
        """Do it to all of ``batch``.

        Raises NotAdminError for an actor who is no admin any more, OutdatedPlanError where the
        schema is not what was planned with, and RefusedError or KeptRowsError; after each of them
        nothing of the transaction may stay.
        """

    def may_pass(self, error: Exception) -> bool:
        """Whether the same run may well succeed at a second try."""

    def reason_for(self, error: Exception) -> str:
        """Why one run failed, in plain words."""

    def hopeless(self, error: Exception) -> str | None:
        """Why every other batch would meet ``error`` just the same; None where it would not."""


O_inv = TypeVar("O_inv", bound=Outcome)


@dataclass
class Batches(Generic[O_inv]):
    """The batches of one operation.

    ``on_progress`` is told after each batch how many runs are done or failed and how many failed;
    ``should_stop`` is asked before each batch; ``on_done`` is told the ids of each commit. Nothing
    is raised for what the database refuses: it stands in ``outcome``.
    """

    database: Database
    step: Step[O_inv]
    outcome: O_inv
    on_progress: Callable[[int, int], None]
    should_stop: Callable[[], bool]
    on_done: Callable[[Iterable[str]], None]
    was_stopped: bool = False

    def run(self, thread_ids: list[str]) -> None:
        """Do the step to all of ``thread_ids``, which are sorted; account for each."""
        start, size = 0, min(FIRST_BATCH_SIZE, BATCH_SIZE)
        try:
            while start < len(thread_ids):
                self._stop_if_asked()
                began = time.monotonic()
                self._batch_or_halves(thread_ids[start : start + size])
                start, size = start + size, next_size(size, time.monotonic() - began)
                self._tell_progress()
        except AbortedError as aborted:
            self.fail(thread_ids, str(aborted))
            self._tell_progress()

    def fail(self, thread_ids: Iterable[str], reason: str) -> None:
        """Account for those of ``thread_ids`` that nothing else accounts for."""
        for thread_id in thread_ids:
            if thread_id not in self.outcome.done:
                self.outcome.failed.setdefault(thread_id, reason)

    def _stop_if_asked(self) -> None:
        if self.should_stop():
            self.was_stopped = True
            raise AbortedError(stopped(self.step.kind))

    def _tell_progress(self) -> None:
        failed = len(self.outcome.failed)
        self.on_progress(len(self.outcome.done) + failed, failed)

    def _batch_or_halves(self, batch: list[str], lock_timeout: float | None = None) -> None:
        """Do the step to ``batch``; where it is refused, to each half, down to single runs."""
        outcome: O_inv | None = None
        try:
            with self.database.write(lock_timeout=lock_timeout) as connection:
                outcome = self.step.do(connection, batch)
        except (NotAdminError, OutdatedPlanError) as error:
            raise AbortedError(error.message) from None
        except (RefusedError, KeptRowsError, sa.exc.SQLAlchemyError) as error:
            if outcome is not None and is_away(error):
                self.fail(batch, unsure(self.step.kind))
            self._abort_if_hopeless(error)
            is_first_try = lock_timeout is None
            if len(batch) == 1 and not (is_first_try and self.step.may_pass(error)):
                self.outcome.failed[batch[0]] = self.step.reason_for(error)
                return
            middle = len(batch) // 2
            for part in filter(None, (batch[:middle], batch[middle:])):
                self._stop_if_asked()
                self._batch_or_halves(part, SPLIT_LOCK_TIMEOUT_SECONDS)
        except Exception as error:  # noqa: BLE001  what is done by now must reach the receipt
            kind = self.step.kind
            error_id = report(logger, f"A {kind.name} met an error of its own", error)
            raise AbortedError(unexpected(kind, error_id)) from None
        else:
            self.on_done(outcome.done)
            for thread_id in outcome.done:
                self.outcome.failed.pop(thread_id, None)
            self.outcome.add(outcome)

    def _abort_if_hopeless(self, error: Exception) -> None:
        """Raises AbortedError for what would meet every other batch just the same."""
        cause = error.cause if isinstance(error, RefusedError) else error
        not_done = self.step.kind.not_done
        if is_away(cause) or isinstance(cause, sa.exc.TimeoutError) or is_schema_changed(cause):
            raise AbortedError(f"{not_done}. {translate(cause).message}") from None
        if sqlstate(cause) == READ_ONLY_SQL_TRANSACTION:
            raise AbortedError(read_only(self.step.kind)) from None
        reason = self.step.hopeless(error)
        if reason is not None:
            raise AbortedError(reason) from None


def stopped(kind: OperationKind) -> str:
    """The reason of runs whose operation was stopped before their batch."""
    return f"{kind.not_done}: the {kind.name} was stopped before this run."


def unsure(kind: OperationKind) -> str:
    """The reason of runs whose commit was sent and never answered."""
    return (
        "The connection was lost in the very moment of the commit: this run is wholly "
        f"{kind.done} or wholly untouched. Look it up."
    )


def unexpected(kind: OperationKind, error_id: str) -> str:
    """The reason of runs that an error of our own left out, which the log names by its id."""
    return (
        f"{kind.not_done}: Run Manager met an error of its own before this run (error {error_id})."
    )


def read_only(kind: OperationKind) -> str:
    """The reason where nothing can be written."""
    return f"{kind.not_done}: the database accepts no changes (a standby, or in read-only mode)."


def next_size(size: int, seconds: float) -> int:
    """How many runs the next batch has, where one of ``size`` took so long."""
    fitting = int(size * LOCKED_SECONDS / max(seconds, 1e-9))
    return max(1, min(fitting, 2 * size, BATCH_SIZE))
