"""Files of operations in the store: whole or not there, in parts, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.store import files
from tests.conftest import every_store

if TYPE_CHECKING:
    from runmanager.store import Store


def names(store: Store, operation_id: str = "a") -> tuple[str, ...]:
    """What an operation has."""
    with store.read() as connection:
        return files.names(connection, operation_id)


def content(store: Store, name: str, operation_id: str = "a") -> list[bytes]:
    """The parts of a file."""
    found: list[bytes] = []
    with store.read() as connection:
        while (part := files.find_part(connection, operation_id, name, len(found))) is not None:
            found.append(part)
    return found


@every_store
def test_a_file_is_read_back_part_by_part(store: Store) -> None:
    data = bytes(range(256)) * 4096 * 2 + b"end"
    with store.write() as connection:
        files.put(connection, "a", "big", data)
        files.put(connection, "a", "empty", b"")
        files.put(connection, "a", "Ä", b"one")
        files.put(connection, "b", "other", b"two")
    assert names(store) == ("big", "empty", "Ä")
    parts = content(store, "big")
    assert [len(part) for part in parts] == [files.PART_BYTES, files.PART_BYTES, 3]
    assert b"".join(parts) == data
    assert content(store, "empty") == [b""]
    assert content(store, "missing") == []
    with store.read() as connection:
        assert files.size(connection, "a") == len(data) + 3
        assert files.size(connection) == len(data) + 6
        assert files.size(connection, "c") == 0


@every_store
def test_what_is_written_anew_takes_the_place_of_what_was_there(store: Store) -> None:
    with store.write() as connection:
        files.put(connection, "a", "file", b"x" * (files.PART_BYTES + 1))
    with store.write() as connection:
        files.put(connection, "a", "file", b"short")
    assert content(store, "file") == [b"short"]


@every_store
def test_a_file_has_its_name_when_it_is_whole(store: Store) -> None:
    with store.write() as connection:
        files.put(connection, "a", "file", b"before")
        files.add_part(connection, "a", ".new", 0, b"af")
    with store.write() as connection:
        files.add_part(connection, "a", ".new", 1, b"ter")
    assert names(store) == ("file",)
    assert content(store, "file") == [b"before"]
    with store.write() as connection:
        files.rename(connection, "a", ".new", "file")
    assert content(store, "file") == [b"af", b"ter"]
    assert content(store, ".new") == []


@every_store
def test_what_is_removed_is_gone_and_nothing_else(store: Store) -> None:
    with store.write() as connection:
        for operation_id in "ab":
            for name in ("one", "two", ".new"):
                files.put(connection, operation_id, name, b"data")
        files.remove(connection, "a", ["one", "missing"])
        files.remove_all(connection, "b")
    assert names(store) == ("two",)
    with store.read() as connection:
        assert files.size(connection, "a") == 8
        assert files.size(connection, "b") == 0


@every_store
def test_no_part_is_longer_than_its_reader_has_room_for(store: Store) -> None:
    with pytest.raises(ValueError, match="PART_BYTES"), store.write() as connection:
        files.add_part(connection, "a", "file", 0, b"x" * (files.PART_BYTES + 1))
