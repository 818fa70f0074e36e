"""Sessions in the store: made, found, used, ended and forgotten, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.errors import StoreError
from runmanager.records import SessionKind, SignInMethod
from runmanager.store import sessions
from tests.conftest import every_store
from tests.stores import session

if TYPE_CHECKING:
    from runmanager.records import StoredSession
    from runmanager.store import Store

pytestmark = every_store


def kept(store: Store, *made: StoredSession) -> None:
    """Create these sessions."""
    with store.write() as connection:
        for one in made:
            sessions.create(connection, one)


def found(store: Store, key: str) -> StoredSession | None:
    """The session of this key."""
    with store.read() as connection:
        return sessions.find(connection, key)


def ended_at(store: Store, key: str) -> float | None:
    """When the session of this key ended, if it has."""
    one = found(store, key)
    assert one is not None
    return one.ended_at


def test_a_session_is_found_as_it_was_made(store: Store) -> None:
    made = session(
        "a", "ключ 🚀", kind=SessionKind.TOKEN, method=SignInMethod.OIDC, provider_session="p",
        created_at=1763999999.123456, ended_at=1764000000.25,
    )  # fmt: skip
    kept(store, made, session("b"))
    assert found(store, "a") == made
    assert found(store, "b") == session("b")
    assert found(store, "c") is None


def test_a_key_is_given_once(store: Store) -> None:
    kept(store, session("a", "1"))
    with pytest.raises(StoreError):
        kept(store, session("a", "2"))
    assert found(store, "a") == session("a", "1")


def test_live_ones_have_neither_ended_nor_expired(store: Store) -> None:
    kept(
        store,
        session("good"),
        session("expired", expires_at=1500.0),
        session("ended", ended_at=1400.0),
        session("not asked for"),
    )
    with store.read() as connection:
        live = sessions.live(connection, ["good", "expired", "ended", "unknown"], 1500.0)
        assert live == (session("good"),)
        assert sessions.live(connection, [], 1500.0) == ()


def test_hundreds_are_asked_for_at_once(store: Store) -> None:
    keys = [f"key {number}" for number in range(600)]
    kept(store, *map(session, keys))
    with store.read() as connection:
        assert {one.key for one in sessions.live(connection, keys, 1500.0)} == set(keys)


def test_a_use_never_moves_back_and_revives_nothing(store: Store) -> None:
    kept(store, session("a"), session("ended", ended_at=1100.0))
    for at in (1200.0, 1150.0):
        with store.write() as connection:
            sessions.touch(connection, "a", at)
            sessions.touch(connection, "ended", at)
    assert found(store, "a") == session("a", used_at=1200.0)
    assert found(store, "ended") == session("ended", ended_at=1100.0)


def test_an_ended_session_keeps_the_time_at_which_it_ended(store: Store) -> None:
    kept(store, session("a"), session("b"))
    with store.write() as connection:
        assert sessions.end(connection, "a", 1100.0) == 1
        assert sessions.end(connection, "a", 1200.0) == 0
        assert sessions.end(connection, "unknown", 1200.0) == 0
    assert ended_at(store, "a") == 1100.0
    assert ended_at(store, "b") is None


def test_all_of_a_user_end_or_those_of_one_kind(store: Store) -> None:
    kept(
        store,
        session("browser"),
        session("token", kind=SessionKind.TOKEN),
        session("other's", "2"),
    )
    with store.write() as connection:
        assert sessions.end_all(connection, "1", 1100.0, SessionKind.TOKEN) == 1
    assert (ended_at(store, "token"), ended_at(store, "browser")) == (1100.0, None)
    with store.write() as connection:
        assert sessions.end_all(connection, "1", 1200.0) == 1
    assert (ended_at(store, "token"), ended_at(store, "browser")) == (1100.0, 1200.0)
    assert ended_at(store, "other's") is None


def test_the_provider_ends_what_began_with_it(store: Store) -> None:
    kept(
        store,
        session("a", provider_session="p"),
        session("b", "2", provider_session="p"),
        session("c", provider_session="q"),
        session("by password"),
    )
    with store.write() as connection:
        assert sessions.end_by_provider(connection, "p", 1100.0) == 2
    assert [ended_at(store, key) for key in ("a", "b", "c", "by password")] == [
        1100.0,
        1100.0,
        None,
        None,
    ]


def test_the_provider_ends_what_one_of_its_users_has_begun_by_it(store: Store) -> None:
    kept(
        store,
        session("a", provider_session="p", provider_user="ada there"),
        session("b", provider_user="ada there"),
        session("c", "2", provider_user="kate there"),
        session("by password"),
    )
    with store.write() as connection:
        assert sessions.end_by_provider_user(connection, "ada there", 1100.0) == 2
    ended = [ended_at(store, key) for key in ("a", "b", "c", "by password")]
    assert ended == [1100.0, 1100.0, None, None]


def test_what_expired_or_ended_long_ago_is_forgotten(store: Store) -> None:
    kept(
        store,
        session("expired", expires_at=1499.0),
        session("ended", ended_at=1499.0),
        session("ended just now", ended_at=1500.0),
        session("good"),
    )
    with store.write() as connection:
        assert sessions.purge(connection, 1500.0) == 2
    left = [key for key in ("expired", "ended", "ended just now", "good") if found(store, key)]
    assert left == ["ended just now", "good"]
