"""A ledger as the tests use it: its transactions delete a run's row, and nothing else."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.database import Database
from runmanager.errors import LeaseLostError
from runmanager.ledger import Ledger, rows_name
from runmanager.settings import Settings
from tests.folders import MemoryFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pytest

    from runmanager.folders import Folder

OPERATION = "f" * 32


@dataclass(frozen=True)
class Gone:
    """Which runs went."""

    runs: tuple[str, ...]

    @property
    def is_nothing(self) -> bool:
        """Whether none did."""
        return not self.runs

    def to_json(self) -> dict[str, Any]:
        """As a deletion writes it."""
        return {"done": {run: {"run_metadata": 1} for run in self.runs}, "failed": {}}


@dataclass
class Watched(MemoryFolder):
    """A folder that lets a test act while a file is written, before it is there."""

    on_write: Callable[[str], object] = lambda _name: None

    def write(self, name: str, data: bytes) -> None:
        """Tell the test, then keep it."""
        self.on_write(name)
        super().write(name, data)


@dataclass
class Deleting:
    """A ledger and what it needs; ``is_leased`` says whether the operation is still its own."""

    database: Database
    folder: Folder
    is_leased: bool = True
    asked: int = 0
    on_lease: Callable[[], object] = lambda: None
    put_back: str = "It was done, and is not so any more: said in the words of these tests."
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = self.new_ledger()

    def new_ledger(self) -> Ledger:
        """The ledger that another turn at the operation would have."""
        return Ledger(
            self.database, self.folder, OPERATION, self.require_lease, self.undone, self.put_back
        )

    def require_lease(self) -> None:
        """Raises LeaseLostError as the test says."""
        self.asked += 1
        self.on_lease()
        if not self.is_leased:
            raise LeaseLostError

    def undone(self, record: Mapping[str, Any]) -> set[str]:
        """Those of a record's runs that are there."""
        statement = sa.text("SELECT thread_id FROM run_metadata WHERE thread_id = ANY(:ids)")
        with self.database.read() as connection:
            return set(connection.scalars(statement, {"ids": list(record["done"])}))

    def delete(self, *runs: str, lock_timeout: float | None = None) -> Gone:
        """Delete these, with a file of rows beside the record."""
        statement = sa.text("DELETE FROM run_metadata WHERE thread_id = ANY(:ids) RETURNING 1")

        def do(connection: sa.Connection, number: int) -> Gone:
            found = connection.execute(statement, {"ids": list(runs)}).all()
            self.ledger.folder.write(rows_name(number), b"rows")
            return Gone(runs if found else ())

        return self.ledger.transact(lock_timeout, do)

    @property
    def says(self) -> dict[str, str | None]:
        """What the records say of each run: None where it is gone, else why not."""
        said: dict[str, str | None] = {}
        for record in self.new_ledger().records():
            said |= dict.fromkeys(record["done"]) | record["failed"]
        return said


def believing(patch: pytest.MonkeyPatch) -> None:
    """Let a ledger take what it sent for done, and ask nobody."""
    patch.setattr(Ledger, "_settle", lambda *_: True)


def forgetting(patch: pytest.MonkeyPatch) -> None:
    """Let a ledger take what it has no answer to for not done, and ask nobody."""
    patch.setattr(Ledger, "_settle", lambda ledger, number, _: ledger._withdraw(number))


@contextmanager
def deleting(url: sa.URL, folder: Folder | None = None) -> Iterator[Deleting]:
    """A ledger on this database."""
    settings = Settings(pool_size=2, lock_timeout=0.3)
    database = Database(url, settings)
    try:
        yield Deleting(database, MemoryFolder() if folder is None else folder)
    finally:
        database.close()
