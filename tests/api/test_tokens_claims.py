"""Claims: whom a token names, and whether they are an admin at that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.conftest import bearer, token
from tests.api.tokens import (
    USER,
    by_hand,
    good,
    in_seconds,
)
from tests.conftest import every_shape

if TYPE_CHECKING:
    from tests.api.conftest import Caller, OpenCaller
    from tests.hosts import HostWriter


def test_clocks_may_differ_by_half_a_minute(caller: Caller) -> None:
    for seconds in (-29, 0):
        for name, later in (("exp", seconds), ("nbf", -seconds), ("iat", -seconds)):
            times: dict[str, Any] = {name: in_seconds(later)}
            text = token(USER, **times)
            status = caller.client.get("/runs", headers=bearer(text)).status_code
            assert status == 200, (name, later)


@every_shape
def test_the_claim_may_be_another_one_and_a_number(
    host: HostWriter, open_caller: OpenCaller
) -> None:
    user: str | int = host.admin.user_id
    if host.shape.name == "integer":
        user = int(user)
    text = token(None, user_id=user)
    assert open_caller(authorization=text, jwt_claim="user_id").json("/runs")["total"] == 0


def test_the_claim_may_hold_a_name(host: HostWriter, open_caller: OpenCaller) -> None:
    host.add_user("grace")
    caller = open_caller(
        authorization=token(None, username="ada"), jwt_claim="username", jwt_names="username"
    )
    caller.json("/runs")
    for name, status in (("Ada", 403), ("grace", 403), (USER, 403), ("", 401), (7, 403)):
        caller.client.headers.update(bearer(token(USER, username=name)))
        caller.json("/runs", status)


def test_a_name_that_is_another_admin_s_id_is_only_a_name(
    host: HostWriter, open_caller: OpenCaller
) -> None:
    """Somebody who chooses their name must not become whoever has it as an id."""
    impostor = host.add_user(USER)
    by_id = open_caller(authorization=token(impostor))
    assert by_id.json("/runs", 403)["detail"].startswith("Only active administrators")
    by_name = open_caller(authorization=token(USER), jwt_names="username")
    by_name.json("/runs", 403)
    host.execute("UPDATE users SET is_admin = true WHERE id = %s", impostor)
    run = host.add_run()
    by_name.delete(run)
    assert host.is_gone(run)
    assert by_name.manager.signing_in.actor_named(USER, is_username=True).user_id == impostor


def test_two_users_of_one_name_are_nobody(host: HostWriter, open_caller: OpenCaller) -> None:
    host.add_user("ada", is_admin=True)
    open_caller(authorization=token("ada"), jwt_names="username").json("/runs", 403)


def test_a_user_that_is_none_is_forbidden(caller: Caller) -> None:
    users = ("nobody", "\0", "\ud800", "a" * 4000, -1, 10**30, "ada")
    answers = {
        user: caller.client.get("/runs", headers=bearer(by_hand(good(sub=user)))).status_code
        for user in users
    }
    assert answers == dict.fromkeys(users, 403)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("UPDATE users SET is_admin = false", 403),
        ("UPDATE users SET is_admin = NULL", 403),
        ("UPDATE users SET is_active = false", 403),
        ("UPDATE users SET username = NULL", 403),
        ("DELETE FROM users", 403),
    ],
)
def test_an_admin_who_is_one_no_more_is_out_at_the_next_request(
    host: HostWriter, caller: Caller, change: str, status: int
) -> None:
    run = host.add_run()
    caller.json("/runs")
    host.execute(change)
    for path in ("/runs", "/usernames", "/workspaces", f"/runs/{run}", f"/runs/{run}/logs"):
        caller.json(path, status)
    caller.delete(run, status=status)
    caller.send("POST", "/deletion-plan", {"thread_ids": [run]}, status)
    assert not host.is_gone(run)
