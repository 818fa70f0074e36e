"""Passwords as hosts keep them: by several schemes at once, by unknown ones, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runmanager import accounts
from runmanager.errors import (
    HostError,
    NoPasswordsError,
    NotAdminError,
    SignedOutError,
    WrongPasswordError,
)
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from runmanager.records import SignInMethod
from runmanager.store.tables import THROTTLES
from tests.conftest import every_shape
from tests.docs.reading import Document
from tests.hosts import PASSWORD
from tests.passwords import BY_SCHEME
from tests.readings import opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

OIDC: dict[str, Any] = {"oidc_issuer": "https://login.example.org", "oidc_client_id": "x"}
PROXY: dict[str, Any] = {"proxy_user_header": "X-Remote-User"}
TOKENS: dict[str, Any] = {"jwt_secrets": ("a secret of the tests, longer than 32 bytes",)}
WITHOUT = "ALTER TABLE users DROP password_hash"


def hash_for(host: HostWriter, name: str, hashed: str | None) -> None:
    """Let the user of that name have this hash."""
    host.execute("UPDATE users SET password_hash = %s WHERE username = %s", hashed, name)


@pytest.mark.parametrize("scheme", BY_SCHEME)
def test_an_admin_signs_in_by_the_scheme_of_their_hash_until_it_changes(
    host: HostWriter, manager: RunManager, admin: Actor, scheme: str
) -> None:
    make = BY_SCHEME[scheme]
    hash_for(host, "ada", make(PASSWORD))
    with pytest.raises(WrongPasswordError):
        manager.signing_in.sign_in("ada", "wrong")
    signed_in = manager.signing_in.sign_in("ada", PASSWORD)
    assert signed_in.actor == admin
    assert manager.signing_in.actor_of(signed_in.ticket) == admin
    # The same password, with another salt: hosts rehash when somebody sets it anew.
    hash_for(host, "ada", make(PASSWORD))
    with pytest.raises(SignedOutError):
        manager.signing_in.actor_of(signed_in.ticket)


@pytest.mark.parametrize("scheme", BY_SCHEME)
def test_letters_composed_or_not_are_the_same_by_every_scheme(
    host: HostWriter, manager: RunManager, admin: Actor, scheme: str
) -> None:
    for stored, typed in (("zo\u00eb", "zoe\u0308"), ("zoe\u0308", "zo\u00eb")):
        hash_for(host, "ada", BY_SCHEME[scheme](stored))
        assert manager.signing_in.sign_in("ada", typed).actor == admin


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("md5 of one", "md5 of another"),
        ("md5 of one", None),
        (None, "md5 of one"),
        (None, BY_SCHEME["argon2"](PASSWORD)),
        (BY_SCHEME["argon2"](PASSWORD), None),
    ],
    ids=["unknown", "unknown to none", "none to unknown", "none to argon2", "argon2 to none"],
)
def test_a_changed_hash_ends_a_single_sign_on_too_whatever_it_is(
    host: HostWriter, manager: RunManager, admin: Actor, before: str | None, after: str | None
) -> None:
    hash_for(host, "ada", before)
    ticket = manager.signing_in.sign_in_as("username", "ada", SignInMethod.OIDC).ticket
    assert manager.signing_in.actor_of(ticket) == admin
    hash_for(host, "ada", after)
    with pytest.raises(SignedOutError):
        manager.signing_in.actor_of(ticket)


def test_a_name_that_nobody_has_costs_what_an_admins_does_among_several_schemes(
    host: HostWriter,
) -> None:
    hashes = {name: make(PASSWORD) for name, make in BY_SCHEME.items()}
    for scheme, hashed in hashes.items():
        host.add_user(scheme, is_admin=True)
        hash_for(host, scheme, hashed)
    hash_for(host, "ada", "md5 of a password")
    heads = {hashed[:6] if hashed.startswith("$2") else hashed[: hashed.rindex("$")]: scheme
             for scheme, hashed in hashes.items()}  # fmt: skip
    with opened(host) as (connection, schema):

        def scheme_for(name: str) -> str:
            account, hashed = accounts.named(connection, schema, name)
            assert account is None
            assert hashed not in hashes.values()
            (scheme,) = (one for head, one in heads.items() if hashed.startswith(head))
            assert len(hashed) == len(hashes[scheme])
            return scheme

        found = {name: scheme_for(name) for name in map("nobody {}".format, range(60))}
        assert set(found.values()) == set(BY_SCHEME)
        for name, wanted in found.items():
            assert scheme_for(f" {name.upper()}") == wanted
        # Somebody's whose own hash is of no scheme takes as long as anybody's.
        account, hashed = accounts.named(connection, schema, "ada")
        assert account is not None
        assert any(hashed.startswith(head) for head in heads)


@every_shape
def test_a_host_without_passwords_lets_in_by_single_sign_on_and_tokens_only(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.add_runs(2, user="kate")
    host.execute(WITHOUT)
    manager = open_manager(**OIDC)
    assert not manager.signing_in.has_passwords
    for name in ("ada", "kate", "nobody", ""):
        for password in (PASSWORD, "", "None"):
            with pytest.raises(NoPasswordsError):
                manager.signing_in.sign_in(name, password)
    with manager._store.read() as connection:
        assert connection.execute(THROTTLES.select()).all() == []
    signed_in = manager.signing_in.sign_in_as("username", "ada", SignInMethod.OIDC)
    assert manager.signing_in.actor_of(signed_in.ticket) == admin
    assert manager.signing_in.actor_named(admin.user_id, is_username=False) == admin
    with pytest.raises(NotAdminError):
        manager.signing_in.sign_in_as("username", "kate", SignInMethod.OIDC)
    assert manager.finding.list_runs(admin, RunFilter(), PageRequest()).total == 2
    host.execute("UPDATE users SET is_admin = false")
    with pytest.raises(SignedOutError):
        manager.signing_in.actor_of(signed_in.ticket)


def test_passwords_that_go_away_while_it_runs_let_nobody_in(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    ticket = manager.signing_in.sign_in("ada", PASSWORD).ticket
    host.execute(WITHOUT)
    with pytest.raises(WrongPasswordError):
        manager.signing_in.sign_in("ada", PASSWORD)
    with pytest.raises(NoPasswordsError):
        manager.signing_in.sign_in("ada", PASSWORD)
    with pytest.raises(SignedOutError):
        manager.signing_in.actor_of(ticket)
    assert manager.signing_in.sign_in_as("username", "ada", SignInMethod.OIDC).actor == admin


WHY = "“users” has no column “password_hash”"
LEFT = {
    "a provider": (OIDC, "what is left is single sign-on by https://login.example.org."),
    "a proxy": (PROXY, "what is left is single sign-on by the proxy in front."),
    "all": (
        OIDC | PROXY | TOKENS,
        (
            "what is left is single sign-on by https://login.example.org, single sign-on by the "
            "proxy in front and API tokens that your application signs."
        ),
    ),
    "tokens": (TOKENS, "for the dashboard set RUNMANAGER_OIDC_ISSUER with"),
    "a public key": ({"jwt_public_key": "tokens"}, "what is left is API tokens that"),
    "nothing": (
        {},
        (
            "for the dashboard set RUNMANAGER_OIDC_ISSUER with RUNMANAGER_OIDC_CLIENT_ID and "
            "RUNMANAGER_OIDC_CLIENT_SECRET, or RUNMANAGER_PROXY_USER_HEADER with "
            "RUNMANAGER_PROXY_SECRET and RUNMANAGER_TRUSTED_PROXIES, for the API "
            "RUNMANAGER_JWT_SECRET or RUNMANAGER_JWT_PUBLIC_KEY."
        ),
    ),
}


@pytest.mark.parametrize("left", LEFT)
def test_the_start_says_in_a_sentence_what_is_left_without_passwords(
    host: HostWriter, open_manager: OpenManager, caplog: pytest.LogCaptureFixture, left: str
) -> None:
    host.execute(WITHOUT)
    settings, words = LEFT[left]
    open_manager(**settings)
    (said,) = (one.getMessage() for one in caplog.records if WHY in one.getMessage())
    assert said.startswith("Nobody can sign in ")
    assert words in said
    assert said.startswith("Nobody can sign in at all") is (left == "nothing")


def test_the_start_says_how_many_admins_have_a_hash_that_is_not_checked(
    host: HostWriter, open_manager: OpenManager, caplog: pytest.LogCaptureFixture
) -> None:
    open_manager()
    assert caplog.text == ""
    for name in ("grace", "linus", "alan", "dennis"):
        host.add_user(name, is_admin=True)
    host.add_user("kate")
    for name, hashed in {"grace": "md5$salt$0", "linus": "$2b$31$" + "x" * 53, "alan": "",
                         "dennis": None, "kate": "plain"}.items():  # fmt: skip
        hash_for(host, name, hashed)
    open_manager()
    assert "2 of 5 active administrators cannot sign in with their password" in caplog.text
    assert "md5" not in caplog.text


def test_a_host_without_an_admin_flag_is_told_where_to_make_one(
    host: HostWriter, open_manager: OpenManager
) -> None:
    host.execute("ALTER TABLE users DROP is_admin")
    with pytest.raises(HostError) as refused:
        open_manager()
    assert refused.value.message == (
        "The table “users” has no column “is_admin”, which is needed: “My users have no admin "
        "flag” in docs/own-database.md makes one. `python -m runmanager check` says what was found "
        "there."
    )
    assert "my-users-have-no-admin-flag-what-do-i-do" in Document("docs/own-database.md").anchors


def as_text(host: HostWriter) -> None:
    """Let the flags be words."""
    for column in ("is_admin", "is_active"):
        host.execute(f"ALTER TABLE users ALTER {column} DROP DEFAULT")
        host.execute(f"ALTER TABLE users ALTER {column} TYPE text USING 'true'")


def as_enum(host: HostWriter) -> None:
    """Let the flag of admins be one of a host's own words."""
    host.execute("CREATE TYPE answer AS ENUM ('yes', 'no', 'true', 'admin', 't', ' on ')")
    host.execute("ALTER TABLE users ALTER is_admin DROP DEFAULT")
    host.execute("ALTER TABLE users ALTER is_admin TYPE answer USING 'true'")


@pytest.mark.parametrize(
    ("make", "yes", "no"),
    [
        (as_text, ["t", "TRUE", " yes\n", "on", "1", "y"],
         ["f", "no", "off", "0", "n", "", "admin", "2", "truee", "yes no", "ja", None]),
        (as_enum, ["yes", "t", " on "], ["no", "admin", None]),
    ],
)  # fmt: skip
def test_a_flag_may_be_a_word_that_postgresql_takes_for_true(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    make: Callable[[HostWriter], None],
    yes: list[str],
    no: list[str | None],
) -> None:
    host.add_user("grace", is_admin=True)
    make(host)
    manager = open_manager()
    columns = ("is_admin", "is_active") if make is as_text else ("is_admin",)
    for column in columns:
        for words, is_admin in ((no, False), (yes, True)):
            for word in words:
                statement = f"UPDATE users SET {column} = %s WHERE username = 'ada'"  # noqa: S608
                host.execute(statement, word)
                assert is_let_in(manager, "ada") is is_admin, (column, word)
                # One user's word stands in nobody else's way.
                assert is_let_in(manager, "grace")


def is_let_in(manager: RunManager, name: str) -> bool:
    """Whether single sign-on lets that user in."""
    try:
        manager.signing_in.sign_in_as("username", name, SignInMethod.OIDC)
    except NotAdminError:
        return False
    return True
