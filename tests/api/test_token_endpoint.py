"""POST /token: a name and a password for a token, and that guessing is slowed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from runmanager.errors import NoPasswordsError
from tests.api.conftest import SECRET, bearer
from tests.api.tokens import (
    AUDIENCE,
    SETTINGS,
)
from tests.conftest import every_shape
from tests.hosts import PASSWORD
from tests.passwords import BY_SCHEME

if TYPE_CHECKING:
    from tests.api.conftest import Caller, OpenCaller
    from tests.hosts import HostWriter


def sign_in(caller: Caller, status: int = 200, **form: str) -> Any:
    form = {"username": "ada", "password": PASSWORD} | form
    response = caller.client.post("/token", data=form, headers={"Authorization": ""})
    assert response.status_code == status, (form, response.text)
    assert response.headers["cache-control"] == "no-store"
    return response.json()


@every_shape
def test_an_admin_gets_a_token_for_half_an_hour(host: HostWriter, caller: Caller) -> None:
    answer = sign_in(caller, grant_type="password")
    assert list(answer) == ["access_token", "token_type", "expires_in"]
    assert (answer["token_type"], answer["expires_in"]) == ("bearer", 1800)
    found = jwt.decode(answer["access_token"], SECRET, algorithms=["HS256"], audience=AUDIENCE)
    assert set(found) == {"iss", "aud", "sub", "iat", "exp", "jti", "run_manager_ticket"}
    assert (found["iss"], found["sub"]) == ("run-manager", host.admin.user_id)
    assert found["exp"] - found["iat"] == 1800
    assert abs(found["iat"] - time.time()) < 60
    assert len(found["jti"]) > 16
    assert found["jti"] not in sign_in(caller)["access_token"]
    caller.client.headers.update(bearer(answer["access_token"]))
    caller.json("/runs")


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        {"jwt_claim": "username", "jwt_names": "username"},
        {"jwt_claim": "user_id"},
        {"jwt_names": "username"},
    ],
)
def test_its_own_token_is_good_whatever_is_configured(
    host: HostWriter, open_caller: OpenCaller, settings: dict[str, str]
) -> None:
    caller = open_caller(**settings)
    caller.client.headers.update(bearer(sign_in(caller)["access_token"]))
    caller.json("/runs")


def test_a_user_who_is_no_admin_gets_none(host: HostWriter, caller: Caller) -> None:
    host.add_user("kate")
    host.add_user("alan", is_admin=True)
    host.execute("UPDATE users SET is_active = false WHERE username = 'alan'")
    for name in ("kate", "alan"):
        sign_in(caller, 403, username=name)
        sign_in(caller, 401, username=name, password="wrong")


@pytest.mark.parametrize(
    "form",
    [
        {"password": "wrong"},
        {"password": PASSWORD.upper()},
        {"password": PASSWORD + "\0"},
        {"password": "x" * 73},
        {"password": "é" * 500},
        {"username": "nobody"},
        {"username": "ada\0"},
        {"username": "ada' --"},
        {"username": "x" * 1000},
    ],
)
def test_a_wrong_name_or_password_gets_none(
    host: HostWriter, caller: Caller, form: dict[str, str]
) -> None:
    assert sign_in(caller, 401, **form) == {"detail": "The name or the password is wrong."}


@pytest.mark.parametrize("hashed", [None, "", PASSWORD, "$2b$12$" + "x" * 53, "$1$" + "a" * 57])
def test_a_user_without_a_hash_gets_none(
    host: HostWriter, caller: Caller, hashed: str | None
) -> None:
    host.execute("UPDATE users SET password_hash = %s", hashed)
    sign_in(caller, 401)
    sign_in(caller, 401, password=hashed or "none")


@pytest.mark.parametrize("scheme", BY_SCHEME)
def test_an_admin_gets_one_by_the_scheme_of_their_hash(
    host: HostWriter, caller: Caller, scheme: str
) -> None:
    hashed = BY_SCHEME[scheme](PASSWORD)
    host.execute("UPDATE users SET password_hash = %s", hashed)
    sign_in(caller, 401, password=hashed)
    caller.client.headers.update(bearer(sign_in(caller)["access_token"]))
    caller.json("/runs")


def test_without_passwords_every_name_is_refused_alike_and_the_hosts_tokens_are_good(
    host: HostWriter, open_caller: OpenCaller
) -> None:
    host.execute("ALTER TABLE users DROP password_hash")
    caller = open_caller()
    detail = {"detail": NoPasswordsError().message}
    for name in ("ada", "nobody"):
        for password in (PASSWORD, "None"):
            assert sign_in(caller, 401, username=name, password=password) == detail
    caller.json("/runs")


def test_a_form_of_another_shape_is_refused(host: HostWriter, caller: Caller) -> None:
    for name, text in (
        ("username", ""),
        ("password", ""),
        ("username", "x" * 1001),
        ("password", "x" * 1001),
        ("grant_type", "client_credentials"),
    ):
        detail = sign_in(caller, 422, **{name: text})["detail"]
        assert [one["loc"] for one in detail] == [["body", name]], text


def test_a_name_is_taken_whatever_its_case_and_blanks(host: HostWriter, caller: Caller) -> None:
    for name in ("ADA", " ada", "Ada "):
        caller.client.headers.update(bearer(sign_in(caller, username=name)["access_token"]))
        caller.json("/runs")


def test_a_known_and_an_unknown_name_are_checked_alike(
    host: HostWriter, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = []

    def check(password: bytes, hashed: bytes) -> bool:
        checked.append((password, hashed[:7], len(hashed)))
        return False

    monkeypatch.setattr("bcrypt.checkpw", check)
    for name in ("ada", "nobody", "\0"):
        sign_in(caller, 401, username=name, password="wrong")
    assert checked == [(b"wrong", b"$2b$04$", 60)] * 3


def test_the_sixth_try_of_a_name_waits_and_other_names_do_not(
    host: HostWriter, caller: Caller
) -> None:
    host.add_user("grace", is_admin=True)
    for _attempt in range(5):
        sign_in(caller, 401, password="wrong")
    for seconds in (4, 8, 16):
        form = {"username": " ADA", "password": PASSWORD}
        response = caller.client.post("/token", data=form)
        assert response.status_code == 429
        assert response.headers["retry-after"] == str(seconds)
        assert response.headers["cache-control"] == "no-store"
        assert "access_token" not in response.text
    sign_in(caller, username="grace")


def test_a_form_that_is_refused_counts_as_no_try(caller: Caller) -> None:
    for _attempt in range(20):
        sign_in(caller, 422, password="")
    sign_in(caller)
