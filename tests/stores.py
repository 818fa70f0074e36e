"""Stores of Run Manager's own, as the tests and their processes open them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runmanager.records import SessionKind, SignInMethod, StoredSession
from runmanager.store import HostIdentity, Store, throttles
from tests.served import SERVED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    import sqlalchemy as sa

# Of a host that is no database of the tests'.
HOST = HostIdentity(system="7000000000000000001", database=16384, name="app")
FOREVER = 1e9


@dataclass(frozen=True)
class StorePlace:
    """Where one store is kept; it may be opened any number of times, by any process."""

    folder: Path
    url: sa.URL | None

    @property
    def file(self) -> Path:
        """Where SQLite keeps it."""
        return self.folder / "runmanager.sqlite"

    def open(self, host: HostIdentity = HOST) -> Store:
        """Open it as the process of this host's would. The caller closes it."""
        return Store.open(folder=self.folder, url=self.url, host=host)


def session(key: str, user_id: str = "1", **others: Any) -> StoredSession:
    """A browser's session of an admin, used at 1,000 and good until 2,000."""
    values: dict[str, Any] = {
        "kind": SessionKind.BROWSER,
        "method": SignInMethod.PASSWORD,
        "username": f"user {user_id}",
        "created_at": 1000.0,
        "used_at": 1000.0,
        "expires_at": 2000.0,
    }
    return StoredSession(key=key, user_id=user_id, **(values | others))


def note(store: Store, key: str, at: float = 1000.0) -> int:
    """Count one failure in a transaction of its own; how many there are."""
    with store.write() as connection:
        return throttles.note(connection, key, at, FOREVER).count


def noted(store: Store, key: str) -> int:
    """How many failures are counted under this key."""
    with store.read() as connection:
        found = throttles.read(connection, [key])
    return found[key].count if key in found else 0


def process(work: Callable[..., None], *values: object) -> BaseProcess:
    """Another process at work, as a second instance of Run Manager is."""
    started = SERVED.Process(target=work, args=values, daemon=True)
    started.start()
    return started


@contextmanager
def in_the_middle(work: Callable[..., None], *values: object) -> Iterator[BaseProcess]:
    """A process that has come to where its ``work`` says so, and stays there until it is ended.

    ``work`` is given these values and what it calls when it is there.
    """
    is_there = SERVED.Event()
    started = process(_until_there, work, values, is_there)
    try:
        assert is_there.wait(30)
        yield started
    finally:
        started.kill()
        started.join()


def _until_there(work: Callable[..., None], values: tuple[object, ...], is_there: Any) -> None:
    def stay() -> None:
        is_there.set()
        time.sleep(60)

    work(*values, stay)
