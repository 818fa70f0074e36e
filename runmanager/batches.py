"""Work on many runs, batch by batch, with an account of every run.

A batch is one short transaction: it is done to all of its runs or to none. Batches are taken in one
sorted order, so that two operations never wait for each other in a circle. A batch that the
database refuses is halved until the run that it refuses stands alone. A lost connection is made
anew; what the ledger does with each transaction decides whether anything is ever in doubt.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import sqlalchemy as sa

from runmanager.database import (
    QUERY_CANCELED,
    READ_ONLY_SQL_TRANSACTION,
    diagnostic,
    is_away,
    is_schema_changed,
    sqlstate,
    translate,
)
from runmanager.errors import (
    ArchiveError,
    DatabaseAwayError,
    InterruptedOperationError,
    LeaseLostError,
    NotAdminError,
    OutdatedPlanError,
    StoreError,
)
from runmanager.logs import report
from runmanager.text import shorten

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
# So many go at once even where they take longer, up to this.
FEW = 10
LOCKED_FOR_FEW = 0.4
# While a refused batch is halved, each part waits this long for a lock at the most.
SPLIT_LOCK_TIMEOUT_SECONDS = 0.5
# A server that starts again, or fails over, is waited for so long.
RECONNECT_SECONDS = 60.0
_RECONNECT_PAUSES = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)
# A batch that takes the connection with it each time is not the network's fault.
_MAX_LOSSES = 3
# Disk full, out of memory, an I/O error, a damaged file: https://www.postgresql.org/docs/current/
# errcodes-appendix.html. 53300 (too many connections) is one that passes.
_HOPELESS_CLASSES = ("53", "58", "XX")
# A statement that ran into its limit is tried in parts so much smaller, and then no more.
_SMALLER = 8


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


class AddedRowsError(KeptRowsError):
    """More rows of one table went than the copy has."""


class AbortedError(Exception):
    """No further batch can succeed, or none is wanted, for the reason given."""


@dataclass
class Outcome:
    """What became of some runs: rows by table of those that are done, reasons of the others."""

    done: dict[str, Counter[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def is_nothing(self) -> bool:
        """Whether it was done to no run."""
        return not self.done

    def to_json(self) -> dict[str, Any]:
        """All of it, for the ledger."""
        return {"done": self.done, "failed": self.failed}

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

    def do(self, connection: sa.Connection, batch: list[str], number: int) -> O_co:
        """Do it to all of ``batch``, in the transaction that the ledger knows by ``number``.

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
O_any = TypeVar("O_any", bound=Outcome)


class Transact(Protocol):
    """Carries out a transaction. ``Ledger.transact`` is one, which writes each down."""

    def __call__(
        self, lock_timeout: float | None, do: Callable[[sa.Connection, int], O_any], /
    ) -> O_any:
        """What ``do`` did, once it is committed."""


@dataclass
class Batches(Generic[O_inv]):
    """The batches of one operation.

    ``on_progress`` is told after each batch how many runs are done or failed and how many failed;
    ``should_stop`` is asked before each batch, and may raise; ``on_done`` is told the ids of each
    commit, and ``on_outcome`` all of what it did. ``aborted`` is why nothing more was tried, None
    where all was. Nothing is raised for what the database refuses: it stands in ``outcome``. Raises
    InterruptedOperationError where the database stays away, and what ``transact`` raises itself.
    """

    database: Database
    transact: Transact
    step: Step[O_inv]
    outcome: O_inv
    on_progress: Callable[[int, int], None]
    should_stop: Callable[[], bool]
    on_done: Callable[[Iterable[str]], None] = lambda _thread_ids: None
    on_outcome: Callable[[O_inv], None] = lambda _outcome: None
    was_stopped: bool = False
    aborted: str | None = None

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
            self.aborted = str(aborted)
            self.fail(thread_ids, self.aborted)
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
        try:
            outcome = self._done(batch, lock_timeout)
        except (NotAdminError, OutdatedPlanError) as error:
            raise AbortedError(error.message) from None
        except ArchiveError as error:
            raise AbortedError(f"{self.step.kind.not_done}. {error.message}") from None
        except (AbortedError, InterruptedOperationError, LeaseLostError, StoreError):
            raise
        except (RefusedError, KeptRowsError, sa.exc.SQLAlchemyError) as error:
            self._abort_if_hopeless(error)
            self._try_in_parts(batch, error, is_first_try=lock_timeout is None)
        except Exception as error:  # noqa: BLE001  what is done by now must reach the receipt
            kind = self.step.kind
            error_id = report(logger, f"A {kind.name} met an error of its own", error)
            raise AbortedError(unexpected(kind, error_id)) from None
        else:
            self.on_done(outcome.done)
            self.on_outcome(outcome)
            for thread_id in outcome.done:
                self.outcome.failed.pop(thread_id, None)
            self.outcome.add(outcome)

    def _try_in_parts(self, batch: list[str], error: Exception, *, is_first_try: bool) -> None:
        may_pass = is_first_try and self.step.may_pass(error)
        is_too_slow = sqlstate(_cause(error)) == QUERY_CANCELED
        if (len(batch) == 1 and not may_pass) or (is_too_slow and not is_first_try):
            for thread_id in batch:
                self.outcome.failed[thread_id] = self.step.reason_for(error)
            return
        if is_too_slow:
            size = max(1, len(batch) // _SMALLER)
            parts = [batch[start : start + size] for start in range(0, len(batch), size)]
        else:
            middle = len(batch) // 2
            parts = [part for part in (batch[:middle], batch[middle:]) if part]
        for part in parts:
            self._stop_if_asked()
            self._batch_or_halves(part, SPLIT_LOCK_TIMEOUT_SECONDS)

    def _done(self, batch: list[str], lock_timeout: float | None) -> O_inv:
        """What the step did to ``batch``, over as many connections as it takes."""
        for losses in range(1, _MAX_LOSSES + 1):
            try:
                return self.transact(
                    lock_timeout, lambda connection, number: self.step.do(connection, batch, number)
                )
            except (RefusedError, sa.exc.SQLAlchemyError) as error:
                cause = _cause(error)
                if not _may_return(cause):
                    raise
                if losses == _MAX_LOSSES:
                    _interrupt_if_crowded(cause)
                    raise
                self._reconnect()
        raise AssertionError  # the last loss was raised

    def _reconnect(self) -> None:
        """Wait until the database takes writes again."""
        deadline = time.monotonic() + RECONNECT_SECONDS
        pauses = chain(_RECONNECT_PAUSES, repeat(_RECONNECT_PAUSES[-1]))
        while True:
            self._stop_if_asked()
            time.sleep(next(pauses))
            try:
                with self.database.write():
                    return
            except sa.exc.SQLAlchemyError as error:
                if time.monotonic() > deadline or not _may_return(error):
                    _interrupt_if_crowded(error)
                    raise InterruptedOperationError(DatabaseAwayError().message) from None

    def _abort_if_hopeless(self, error: Exception) -> None:
        """Raises AbortedError for what would meet every other batch just the same."""
        cause = _cause(error)
        not_done = self.step.kind.not_done
        if is_away(cause) or is_schema_changed(cause):
            raise AbortedError(f"{not_done}. {translate(cause).message}") from None
        if (sqlstate(cause) or "").startswith(_HOPELESS_CLASSES):
            raise AbortedError(f"{not_done}. {_said(cause)}") from None
        if sqlstate(cause) == READ_ONLY_SQL_TRANSACTION:
            raise AbortedError(read_only(self.step.kind)) from None
        reason = self.step.hopeless(error)
        if reason is not None:
            raise AbortedError(reason) from None


def _cause(error: Exception) -> Exception:
    return error.cause if isinstance(error, RefusedError) else error


def _may_return(cause: Exception) -> bool:
    """Whether there was no connection for it, or none any more, and may be one in a moment."""
    return is_away(cause) or isinstance(cause, sa.exc.TimeoutError)


def _interrupt_if_crowded(cause: Exception) -> None:
    """Raises InterruptedOperationError where others have every connection: no batch's own fault."""
    if isinstance(cause, sa.exc.TimeoutError):
        raise InterruptedOperationError(translate(cause).message) from None


def _said(cause: Exception) -> str:
    said = diagnostic(cause)
    words = shorten(said.message_primary, 300) if said and said.message_primary else ""
    return (
        f"The database has a fault that every run would meet ({words or sqlstate(cause)}). Let its "
        "administrator look, then try again."
    )


def plain(database: Database) -> Transact:
    """Transactions that nobody writes down."""

    def transact(lock_timeout: float | None, do: Callable[[sa.Connection, int], O_any], /) -> O_any:
        with database.write(lock_timeout=lock_timeout) as connection:
            return do(connection, 0)

    return transact


def stopped(kind: OperationKind) -> str:
    """The reason of runs whose operation was stopped before their batch."""
    return f"{kind.not_done}: the {kind.name} was stopped before this run."


def unexpected(kind: OperationKind, error_id: str) -> str:
    """The reason of runs that an error of our own left out, which the log names by its id."""
    return (
        f"{kind.not_done}: Run Manager met an error of its own before this run (error {error_id})."
    )


def read_only(kind: OperationKind) -> str:
    """The reason where nothing can be written."""
    return f"{kind.not_done}: the database accepts no changes (a standby, or in read-only mode)."


def next_size(size: int, seconds: float) -> int:
    """How many runs the next batch has, where one of ``size`` took so long.

    Part of that is what any batch takes: on a slow disk, batches that only followed the time would
    shrink to a run each. So a few go at once, as long as their locks do not last for long.
    """
    a_run = max(seconds, 1e-9) / size
    fitting = max(int(LOCKED_SECONDS / a_run + 1e-6), min(FEW, int(LOCKED_FOR_FEW / a_run)))
    return max(1, min(fitting, 2 * size, BATCH_SIZE))
