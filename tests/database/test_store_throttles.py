"""Throttles in the store: failures are counted, forgotten and bounded, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from runmanager.records import Failures
from runmanager.store import throttles
from runmanager.store.throttles import MAX_THROTTLES
from tests.conftest import every_store

if TYPE_CHECKING:
    import pytest

    from runmanager.store import Store

pytestmark = every_store


def note(store: Store, key: str, at: float) -> Failures:
    """Count one failure, in a transaction of its own."""
    with store.write() as connection:
        return throttles.note(connection, key, at, 100.0)


def noted(store: Store, *keys: str) -> dict[str, Failures]:
    """What the store has under these keys."""
    with store.read() as connection:
        return throttles.read(connection, keys)


def test_failures_in_a_row_are_counted_by_key(store: Store) -> None:
    assert note(store, "a", 1000.0) == Failures(1, 1000.0)
    assert note(store, "a", 1010.0) == Failures(2, 1010.0)
    assert note(store, "b", 1020.0) == Failures(1, 1020.0)
    assert noted(store, "a", "b", "c") == {"a": Failures(2, 1010.0), "b": Failures(1, 1020.0)}


def test_they_begin_anew_when_the_last_one_is_long_ago(store: Store) -> None:
    note(store, "a", 1000.0)
    note(store, "a", 1100.0)
    assert note(store, "a", 1200.0) == Failures(3, 1200.0)
    assert note(store, "a", 1300.5) == Failures(1, 1300.5)


def test_an_instance_whose_clock_is_behind_counts_and_moves_nothing_back(store: Store) -> None:
    note(store, "a", 1000.0)
    assert note(store, "a", 990.0) == Failures(2, 1000.0)


def test_no_failure_is_lost_when_many_come_at_once(store: Store) -> None:
    with ThreadPoolExecutor(20) as threads:
        counts = [one.count for one in threads.map(lambda _: note(store, "a", 1.0), range(100))]
    assert sorted(counts) == list(range(1, 101))


def test_a_key_is_cleared_and_no_other(store: Store) -> None:
    note(store, "a", 1000.0)
    note(store, "b", 1000.0)
    with store.write() as connection:
        throttles.clear(connection, "a")
        throttles.clear(connection, "unknown")
    assert noted(store, "a", "b") == {"b": Failures(1, 1000.0)}


def test_what_failed_long_ago_is_forgotten(store: Store) -> None:
    note(store, "old", 999.0)
    note(store, "new", 1000.0)
    with store.write() as connection:
        assert throttles.purge(connection, 1000.0) == 1
    assert noted(store, "old", "new") == {"new": Failures(1, 1000.0)}


def test_of_too_many_the_oldest_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_THROTTLES == 50_000
    monkeypatch.setattr(throttles, "MAX_THROTTLES", 10)
    note(store, "target", 1000.0)
    for number in range(9):
        note(store, f"made up {number}", 1001.0 + number)
    note(store, "target", 1020.0)
    for number in range(9, 13):
        note(store, f"made up {number}", 1030.0 + number)
    kept = noted(store, "target", *(f"made up {number}" for number in range(13)))
    assert len(kept) == 10
    assert kept["target"] == Failures(2, 1020.0)
    assert {"made up 0", "made up 1", "made up 2", "made up 3"}.isdisjoint(kept)
