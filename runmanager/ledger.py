"""The ledger of an operation: a record of each transaction, durable before its COMMIT.

A record says what its transaction does, and by which number the server knows it. It is written
while the transaction is still open: so whatever dies afterwards, the record is there, and the
server says whether it came true. The next record is begun only once that is known, so that at most
the last one is ever in doubt.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import sqlalchemy as sa

from runmanager.commits import Fate, fate_of, transaction_number
from runmanager.database import LOCK_NOT_AVAILABLE, is_away, sqlstate, translate
from runmanager.errors import DatabaseError, InterruptedOperationError
from runmanager.folders import FencedFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from runmanager.database import Database
    from runmanager.folders import Folder

# A commit that waits for its standby, or a server that starts again, may take this long.
RESOLVE_SECONDS = 60.0
_PAUSE_SECONDS = 0.2
_RECORD = ".json"
_ROWS = ".sql.zst"
_DIGITS = 6


class Recorded(Protocol):
    """What a transaction did, as it can be written down."""

    @property
    def is_nothing(self) -> bool:
        """Whether it changed no row at all, so that there is nothing to be in doubt about."""

    def to_json(self) -> dict[str, Any]:
        """Everything of it, in JSON's types."""


R = TypeVar("R", bound=Recorded)


class LookedAt(Protocol):
    """Says whose rows are there, of the runs that a record says something was done to."""

    def __call__(self, record: Mapping[str, Any], /) -> Collection[str]:
        """The ids of those to which it was not done, as the rows look. Raises DatabaseError.

        ``record["is_committed"]`` is whether the server says of it that it was done; else the
        server does not know, and only the rows can say so.
        """


@dataclass
class Ledger:
    """One operation's records, in its folder. One thread at a time writes them.

    Whoever writes files beside them does so in ``folder``, as it is from then on.
    ``require_lease`` raises LeaseLostError where another instance works on the operation;
    ``undone`` looks at the rows; ``put_back`` is what is said of a run that something was done to,
    and to which, as its rows look, nothing was.
    """

    database: Database
    folder: Folder
    operation_id: str
    require_lease: Callable[[], None]
    undone: LookedAt
    put_back: str
    number: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.folder = FencedFolder(self.folder, self.require_lease)

    def recover(self) -> None:
        """Find out what became of the last record, and go on after it.

        Called before anything is written, also where nothing went wrong. Raises
        InterruptedOperationError where it cannot be known yet.
        """
        # First of all: whoever is at work yet may write one more.
        self._patiently(lambda: None, is_leased=False)
        numbers = _numbers(self.folder)
        self.number = numbers[-1] if numbers else 0
        if self.number:
            record = self.read(self.number)
            if record.get("xid") is not None:
                self._settle(self.number, record)
        stray = [name for name in self.folder.names() if _number_of(name, _ROWS) > self.number]

        def clear_up() -> None:
            self.folder.remove_half_written()
            if stray:
                self.folder.remove(stray)

        self._patiently(clear_up)

    def transact(self, lock_timeout: float | None, do: Callable[[sa.Connection, int], R]) -> R:
        """Do it in a transaction of its own, recorded; what it did, once that is true.

        ``do`` is given the number of the record, by which it names a file of its own. Whatever
        ``do`` raises, and what the database says against it, passes through as it is: nothing of
        the transaction is there then. Raises InterruptedOperationError where it was committed,
        maybe, and nobody can say so yet; and where the database was put back since, so that the
        record says what became of it.
        """
        number, sent, done, is_ours = self.number + 1, None, None, False
        try:
            with self.database.write(lock_timeout=lock_timeout) as connection:
                self._lock(connection)
                self.require_lease()
                is_ours = True
                xid = transaction_number(connection)
                done = do(connection, number)
                if done.is_nothing:
                    return done
                record = {**done.to_json(), "xid": xid}
                self.folder.write(_name(number, _RECORD), _bytes(record))
                sent = record
        except Exception as error:
            if sent is not None and done is not None and is_away(error):
                self.number = number
                if self._settle(number, sent):
                    return done
                if self.number == number:
                    raise InterruptedOperationError(_NOT_AS_DONE) from None
            elif is_ours and self._has_files(number):
                self._withdraw(number)
            raise
        self.number = number
        return done

    def note(self, record: Mapping[str, Any]) -> None:
        """Write down what no transaction did: it is true from now on.

        Raises LeaseLostError, and InterruptedOperationError where the database cannot be reached.
        """
        data = _bytes({**record, "xid": None})
        self._patiently(lambda: self.folder.write(_name(self.number + 1, _RECORD), data))
        self.number += 1

    def read(self, number: int) -> dict[str, Any]:
        """The record with this number."""
        found: dict[str, Any] = json.loads(self.folder.read(_name(number, _RECORD)))
        return found

    def records(self) -> Iterator[dict[str, Any]]:
        """Every record, in order; all are true once ``recover`` has ended."""
        return read_records(self.folder)

    def _lock(self, connection: sa.Connection) -> None:
        """Keep this operation's transactions one behind the other, whoever sends them."""
        try:
            connection.execute(_lock_of(self.operation_id))
        except sa.exc.SQLAlchemyError as error:
            if sqlstate(error) != LOCK_NOT_AVAILABLE:
                raise
            raise InterruptedOperationError(_STILL_OPEN) from None

    def _patiently(self, change: Callable[[], None], *, is_leased: bool = True) -> None:
        """Change files while nobody else can be at work on the operation, however long that takes.

        ``change`` may be made twice. Without ``is_leased`` it need not be ours by now.
        """
        deadline = time.monotonic() + RESOLVE_SECONDS
        while True:
            try:
                with self.database.write() as connection:
                    self._lock(connection)
                    if is_leased:
                        self.require_lease()
                    change()
            except InterruptedOperationError:
                if time.monotonic() > deadline:
                    raise
            except sa.exc.SQLAlchemyError as error:
                if not is_away(error) or time.monotonic() > deadline:
                    raise InterruptedOperationError(translate(error).message) from None
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def _settle(self, number: int, record: Mapping[str, Any]) -> bool:
        """Find out whether all of a record came true, and correct or withdraw it otherwise.

        ``number`` is one less where it was withdrawn.
        """
        fate = self._resolve(str(record["xid"]))
        if fate is Fate.ABORTED:
            self._withdraw(number)
            self.number = number - 1
            return False
        try:
            is_committed = fate is Fate.COMMITTED
            undone = set(self.undone({**record, "is_committed": is_committed}))
        except DatabaseError as error:
            raise InterruptedOperationError(error.message) from None
        if undone and fate is Fate.UNKNOWN and undone >= set(record["done"]):
            self._withdraw(number)
            self.number = number - 1
            return False
        if undone:
            corrected = _bytes(_without(record, undone, self.put_back))
            self._patiently(lambda: self.folder.write(_name(number, _RECORD), corrected))
            return False
        return True

    def _resolve(self, xid: str) -> Fate:
        deadline = time.monotonic() + RESOLVE_SECONDS
        while True:
            try:
                fate = fate_of(self.database, xid)
            except (DatabaseError, sa.exc.SQLAlchemyError):
                fate = None
            if fate is not None and fate is not Fate.OPEN:
                return fate
            if time.monotonic() > deadline:
                raise InterruptedOperationError(_STILL_OPEN if fate else None)
            time.sleep(_PAUSE_SECONDS)

    def _has_files(self, number: int) -> bool:
        return not {_name(number, _RECORD), _name(number, _ROWS)}.isdisjoint(self.folder.names())

    def _withdraw(self, number: int) -> None:
        def remove() -> None:
            # The record first: rows without one are nobody's.
            self.folder.remove([_name(number, _RECORD)])
            self.folder.remove([_name(number, _ROWS)])

        # Whatever ended the transaction has given back its lock: the files may be a successor's.
        self._patiently(remove)


def read_records(folder: Folder) -> Iterator[dict[str, Any]]:
    """Every record in a folder, in order."""
    for number in _numbers(folder):
        yield {**json.loads(folder.read(_name(number, _RECORD))), "number": number}


def read_record(folder: Folder, number: int) -> dict[str, Any]:
    """One record in a folder."""
    return {**json.loads(folder.read(_name(number, _RECORD))), "number": number}


def rows_name(number: int) -> str:
    """What the file of rows beside the record with this number is called."""
    return _name(number, _ROWS)


def rows_numbers(folder: Folder) -> list[int]:
    """The numbers of the records that have a file of rows, in order."""
    return sorted(filter(None, (_number_of(name, _ROWS) for name in folder.names())))


_NOT_AS_DONE = (
    "What was done last is not so any more: the database was put back to an earlier state, or "
    "somebody changed the same runs. It goes on from what is there now."
)
_STILL_OPEN = (
    "What was sent to the database last is not over there yet, so nobody can say what became of it."
)


def lock_operation(connection: sa.Connection, operation_id: str) -> None:
    """Wait until no transaction of an operation is under way; none begins before this one ends."""
    connection.execute(_lock_of(operation_id))


def lock_copy(connection: sa.Connection, operation_id: str, *, to_purge: bool = False) -> None:
    """Until this transaction ends, let what an operation archived stay; or purge it, alone.

    Whoever asks for a restore takes it for a moment: no purge is halfway then, and each that comes
    later finds the restore.
    """
    key = sa.func.hashtextextended(f"run-manager copy {operation_id}", 0)
    lock = sa.func.pg_advisory_xact_lock if to_purge else sa.func.pg_advisory_xact_lock_shared
    connection.execute(sa.select(lock(key)))


def _without(record: Mapping[str, Any], undone: Collection[str], reason: str) -> dict[str, Any]:
    done = {key: value for key, value in record["done"].items() if key not in undone}
    failed = {**record.get("failed", {}), **dict.fromkeys(sorted(undone), reason)}
    return {**record, "done": done, "failed": failed}


def _lock_of(operation_id: str) -> sa.Select[Any]:
    key = sa.func.hashtextextended(f"run-manager operation {operation_id}", 0)
    return sa.select(sa.func.pg_advisory_xact_lock(key))


def _numbers(folder: Folder) -> list[int]:
    return sorted(filter(None, (_number_of(name, _RECORD) for name in folder.names())))


def _number_of(name: str, ending: str) -> int:
    stem = name.removesuffix(ending)
    return int(stem) if name.endswith(ending) and stem.isdigit() else 0


def _name(number: int, ending: str) -> str:
    return f"{number:0{_DIGITS}d}{ending}"


def _bytes(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )
