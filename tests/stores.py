"""Stores of Run Manager's own, as the tests open them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runmanager.records import SessionKind, SignInMethod, StoredSession
from runmanager.store import HostIdentity, Store

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa

# Of a host that is no database of the tests'.
HOST = HostIdentity(system="7000000000000000001", database=16384, name="app")


@dataclass(frozen=True)
class StorePlace:
    """Where one store is kept; it may be opened any number of times."""

    folder: Path
    url: sa.URL | None

    @property
    def file(self) -> Path:
        """Where SQLite keeps it."""
        return self.folder / "runmanager.sqlite"

    def open(self, host: HostIdentity = HOST) -> Store:
        """Open it as the process of this host's would. The caller closes it."""
        return Store.open(folder=self.folder, url=self.url, host=host)


def session(key: str, user_id: str = "1", **others: object) -> StoredSession:
    """A browser's session of an admin, used at 1,000 and good until 2,000."""
    values: dict[str, object] = {
        "kind": SessionKind.BROWSER,
        "method": SignInMethod.PASSWORD,
        "username": f"user {user_id}",
        "created_at": 1000.0,
        "used_at": 1000.0,
        "expires_at": 2000.0,
    }
    return StoredSession(key=key, user_id=user_id, **(values | others))  # type: ignore[arg-type]  # by name
