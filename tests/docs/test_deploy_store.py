"""docs/deploy.md, on the store: its statements do what the page says they do."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runmanager.errors import StartError
from runmanager.store import sessions
from tests.docs.reading import Document
from tests.stores import HOST, StorePlace, note, noted, session

if TYPE_CHECKING:
    from pathlib import Path


PAGE = Document("docs/deploy.md")
STATEMENTS = re.findall(
    r'^sqlite3 \.state/runmanager\.sqlite "(.+)"$', "".join(PAGE.blocks("sh")), re.M
)


def run(place: StorePlace, begin: str, backup: str = "") -> None:
    """The page's statement that begins so, on the file."""
    (statement,) = (one for one in STATEMENTS if one.startswith(begin))
    with closing(sqlite3.connect(place.file, isolation_level=None)) as connection:
        connection.execute(statement.replace("/var/backups/runmanager.sqlite", backup))


def test_a_copy_of_the_running_store_can_be_put_back(
    store_place: StorePlace, tmp_path: Path
) -> None:
    store = store_place.open()
    note(store, "a")
    with store.write() as connection:
        sessions.create(connection, session("ended since"))
    backup = tmp_path / "backup.sqlite"
    run(store_place, "VACUUM INTO", str(backup))
    note(store, "a")
    with store.write() as connection:
        sessions.end(connection, "ended since", 1500.0)
    store.close()
    for path in store_place.folder.glob("runmanager.sqlite*"):
        path.unlink()
    backup.rename(store_place.file)
    run(store_place, "DELETE FROM sessions")
    store = store_place.open()
    assert noted(store, "a") == 1
    with store.read() as connection:
        assert sessions.find(connection, "ended since") is None
    store.close()


def test_a_store_can_be_made_to_follow_its_host(store_place: StorePlace) -> None:
    moved = replace(HOST, system="7000000000000000003")
    store = store_place.open()
    note(store, "a")
    store.close()
    with pytest.raises(StartError, match=r"docs/deploy\.md if it is the same one"):
        store_place.open(moved)
    run(store_place, "DELETE FROM meta")
    store = store_place.open(moved)
    assert noted(store, "a") == 1
    store.close()
    with pytest.raises(StartError):
        store_place.open(HOST)


def test_it_names_the_file_and_its_permissions(store_place: StorePlace) -> None:
    store_place.open().close()
    section = " ".join(PAGE.section("Where does Run Manager keep its own data?").split())
    assert f"`{store_place.file.name}`" in section
    assert "mode 0700, the file 0600" in section
    assert (store_place.folder.stat().st_mode & 0o777, store_place.file.stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )
