"""docs/deploy.md, on the store: its statements do what the page says they do."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runmanager.archive.places import open_place
from runmanager.errors import StartError
from runmanager.records import Actor, OperationState, Origin
from runmanager.store import leases, operations, sessions
from runmanager.store.leases import Wish
from runmanager.store.operations import NewOperation, StoredOperation
from runmanager.work import steering
from tests.archives import settings
from tests.conftest import every_store
from tests.docs.reading import Document
from tests.hosts import connect
from tests.stores import HOST, StorePlace, note, noted, session

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa


PAGE = Document("docs/deploy.md")
STATEMENTS = re.findall(
    r'^sqlite3 \.state/runmanager\.sqlite "([^"]+)"$', "".join(PAGE.blocks("sh")), re.M
)


def run(place: StorePlace, begin: str, backup: str = "") -> None:
    """The page's statement that begins so, on the file, or in the database."""
    (statement,) = (one for one in STATEMENTS if one.startswith(begin))
    if place.url is not None:
        with connect(place.url) as database:
            database.execute(statement)
        return
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


@every_store
def test_of_a_backup_no_operation_goes_on_by_itself_and_no_plan_is_left(
    store_place: StorePlace,
) -> None:
    store = store_place.open()
    wish = Wish(["deletion"])
    with store.write() as connection:
        for state in ("planned", "finished", "paused", "interrupted", "running", "queued"):
            new = NewOperation(state, "deletion", Actor("1", "ada"), Origin.PAGE.value, {})
            operations.insert(connection, new, OperationState(state))
        operations.change(connection, "running", owner="dead", lease_until=1.0, wanted="stop")
        operations.change(connection, "interrupted", lease_until=1.0)
        assert leases.is_any(connection, wish)
    store.close()
    run(store_place, "DELETE FROM operations")
    run(store_place, "UPDATE operations")
    store = store_place.open()
    with store.write() as connection:
        assert not leases.is_any(connection, wish)
        assert operations.find(connection, "planned") is None
        found = operations.page(connection, offset=0, size=9)
        assert {one.operation_id: one.state.value for one in found} == {
            "finished": "finished",
            "paused": "paused",
            "interrupted": "paused",
            "running": "paused",
            "queued": "paused",
        }
        operations.change(connection, "running", **steering.resuming(paused(connection)))
        claimed = leases.claim(connection, wish, "me", 15.0)
        assert claimed is not None
        assert claimed[0].operation_id == "running"
    store.close()


def paused(connection: sa.Connection) -> StoredOperation:
    """The operation that was running when the backup was made."""
    found = operations.find(connection, "running")
    assert found is not None
    return found


def test_a_lost_store_is_followed_by_a_new_one_once_the_archive_is_out_of_its_way(
    tmp_path: Path,
) -> None:
    place = StorePlace(tmp_path / ".state", None)
    store = place.open()
    archive = open_place(settings(""), store, place.folder)
    archive.folder("op-1").write("receipt.json", b"{}")
    store.close()
    for path in place.folder.glob("runmanager.sqlite*"):
        path.unlink()
    store = place.open()
    with pytest.raises(StartError) as caught:
        open_place(settings(""), store, place.folder)
    section = " ".join(PAGE.section("Where does Run Manager keep its own data?").split())
    (quoted,) = re.findall(r'the next start is refused: "(.+?)"', section)
    assert quoted in caught.value.message
    subprocess.run(  # noqa: S603  the document's own
        ["/bin/sh", "-ec", PAGE.block("sh", "mv .state/archive")], cwd=tmp_path, check=True
    )
    assert open_place(settings(""), store, place.folder).folder("op-1").names() == ()
    store.close()
    assert [path.name for path in tmp_path.rglob("receipt.json")] == ["receipt.json"]


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
