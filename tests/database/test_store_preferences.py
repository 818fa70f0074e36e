"""Preferences in the store: each admin's own, kept over a restart, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from runmanager.errors import InvalidRequestError, NotAdminError, StoreError
from runmanager.records import Actor
from runmanager.store import preferences
from runmanager.store.migrating import VERSION_TABLE
from runmanager.store.tables import FILES, OPERATIONS, PREFERENCES
from tests.conftest import every_store
from tests.stores import note, noted

if TYPE_CHECKING:
    from runmanager.service import RunManager
    from runmanager.store import Store
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.stores import StorePlace


def keep(store: Store, user_id: str, name: str, value: str) -> None:
    """Keep one, in a transaction of its own."""
    with store.write() as connection:
        preferences.keep(connection, user_id, name, value)


def kept(store: Store, user_id: str, name: str) -> str | None:
    """What the store has."""
    with store.read() as connection:
        return preferences.find(connection, user_id, name)


@every_store
def test_the_last_that_was_kept_is_found_and_nobody_elses(store: Store) -> None:
    keep(store, "1", "columns", "a")
    keep(store, "1", "columns", "ключ 🚀 'quoted' \n")
    keep(store, "1", "zone", "")
    keep(store, "2", "columns", "b")
    assert kept(store, "1", "columns") == "ключ 🚀 'quoted' \n"
    assert kept(store, "1", "zone") == ""
    assert kept(store, "2", "columns") == "b"
    assert kept(store, "2", "zone") is None
    assert kept(store, "3", "columns") is None


@every_store
def test_two_that_are_kept_at_once_leave_one_of_them(store: Store) -> None:
    with ThreadPoolExecutor(10) as threads:
        list(threads.map(lambda number: keep(store, "1", "columns", str(number)), range(40)))
    assert kept(store, "1", "columns") in {str(number) for number in range(40)}
    with store.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(PREFERENCES)).scalar() == 1


@every_store
def test_a_store_of_the_version_before_gets_the_table_and_keeps_what_it_has(
    store_place: StorePlace,
) -> None:
    store = store_place.open()
    note(store, "a")
    with store.write() as connection:
        for table in (PREFERENCES, OPERATIONS, FILES):
            table.drop(connection)
        version = sa.table(VERSION_TABLE, sa.column("version_num"))
        connection.execute(sa.update(version).values(version_num="0002"))
    store.close()
    store = store_place.open()
    keep(store, "1", "columns", "a")
    assert (kept(store, "1", "columns"), noted(store, "a")) == ("a", 1)
    store.close()


# Through the service -----------------------------------------------------------------------------


@pytest.fixture
def opened(open_manager: OpenManager, store_place: StorePlace) -> RunManager:
    """Run Manager with the test's store."""
    return open_manager(state_dir=store_place.folder, state_url=store_place.url)


@every_store
def test_an_admin_finds_what_they_chose_after_a_restart(
    opened: RunManager, open_manager: OpenManager, store_place: StorePlace, host: HostWriter
) -> None:
    other = Actor(host.add_user("kate", is_admin=True), "kate")
    assert opened.preferences.get(host.admin, "columns") is None
    opened.preferences.set(host.admin, "columns", "id,name")
    opened.preferences.set(other, "columns", "error")
    again = open_manager(state_dir=store_place.folder, state_url=store_place.url).preferences
    assert again.get(host.admin, "columns") == "id,name"
    assert again.get(other, "columns") == "error"


@every_store
def test_who_is_no_admin_any_more_neither_reads_nor_writes(
    opened: RunManager, host: HostWriter, admin: Actor
) -> None:
    opened.preferences.set(admin, "columns", "id")
    host.execute("UPDATE users SET is_admin = false")
    with pytest.raises(NotAdminError):
        opened.preferences.get(admin, "columns")
    with pytest.raises(NotAdminError):
        opened.preferences.set(admin, "columns", "name")
    host.execute("UPDATE users SET is_admin = true")
    assert opened.preferences.get(admin, "columns") == "id"


@every_store
def test_the_longest_is_kept_and_what_is_longer_or_cannot_be_kept_is_refused(
    opened: RunManager, admin: Actor
) -> None:
    name, text = "n" * 50, "🚀" * 2000
    opened.preferences.set(admin, name, text)
    for bad_name, bad_text in ((name + "n", ""), (name, text + "x"), (name, "\0"), ("\ud800", ""),
                               ("\0", ""), (name, "half \udfff")):  # fmt: skip
        with pytest.raises(InvalidRequestError) as refused:
            opened.preferences.set(admin, bad_name, bad_text)
        assert refused.value.message.startswith("A preference's ")
        if bad_name != name:
            with pytest.raises(InvalidRequestError):
                opened.preferences.get(admin, bad_name)
    assert opened.preferences.get(admin, name) == text


@every_store
def test_a_store_that_does_not_answer_is_told_in_a_sentence(
    opened: RunManager, admin: Actor
) -> None:
    with opened._store.write() as connection:
        PREFERENCES.drop(connection)
    with pytest.raises(StoreError) as reading:
        opened.preferences.get(admin, "columns")
    with pytest.raises(StoreError) as writing:
        opened.preferences.set(admin, "columns", "id")
    for refused in (reading, writing):
        assert refused.value.message.startswith("Run Manager's store did not do this: ")
