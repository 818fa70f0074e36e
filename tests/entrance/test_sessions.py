"""How long a sign-in lasts, and what ends it: in every browser, on every instance, at the API."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from runmanager.api.application import PREFIX
from runmanager.entrance.cookies import NAME
from runmanager.fingerprints import derived_key
from tests.conftest import every_shape, every_store
from tests.entrance.conftest import DASHBOARD, HOST, KEY, SECRET, Browser
from tests.hosts import PASSWORD
from tests.passwords import set_password
from tests.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.entrance.conftest import OpenSite, Site
    from tests.hosts import HostWriter
    from tests.stores import StorePlace

ENDS: dict[str, Callable[[HostWriter], object]] = {
    "another password": lambda host: set_password(host, "ada", "another one"),
    "the same password, hashed anew": lambda host: set_password(host, "ada", PASSWORD),
    "no password": lambda host: host.execute("UPDATE users SET password_hash = NULL"),
    "demotion": lambda host: host.execute("UPDATE users SET is_admin = false"),
    "demotion to nothing": lambda host: host.execute("UPDATE users SET is_admin = NULL"),
    "deactivation": lambda host: host.execute("UPDATE users SET is_active = false"),
    "deletion": lambda host: host.execute("DELETE FROM users"),
}


def token_of(site: Site, name: str = "ada") -> str:
    """A token that the API issues for this name."""
    answer = Browser(site).post(f"{PREFIX}/token", {"username": name, "password": PASSWORD})
    assert answer.status == 200, answer.text
    token: str = json.loads(answer.text)["access_token"]
    return token


def with_token(site: Site, token: str) -> int:
    """How the API answers a call with it."""
    headers = {"host": HOST, "authorization": f"Bearer {token}"}
    return site.ask("GET", f"{PREFIX}/runs", headers).status


def is_out(browser: Browser) -> bool:
    """Whether nothing is open to this browser any more."""
    return (
        browser.get("/static/index.js").status == 401
        and browser.get("/run?id=x").is_sign_in_page
        and not browser.is_in
        and not browser.opens_socket
    )


@pytest.mark.parametrize("end", ENDS)
def test_what_the_host_says_ends_every_sign_in_everywhere(
    ada: Browser, open_site: OpenSite, host: HostWriter, end: str
) -> None:
    other, elsewhere = Browser(ada.site).signed_in(), Browser(open_site()).signed_in()
    token = token_of(ada.site)
    assert with_token(elsewhere.site, token) == 200
    ENDS[end](host)
    for browser in (ada, other, elsewhere):
        assert browser.get("/run?id=x").problem == (
            "Your sign-in is no longer valid: only active administrators can use Run Manager."
        )
        # A page's many files are answered from memory, for a second.
        wait_until(partial(is_out, browser), 3)
    assert [with_token(one.site, token) for one in (ada, elsewhere)] == [401, 401]
    after_restart = open_site()
    assert with_token(after_restart, token) == 401


def test_who_is_an_admin_again_must_sign_in_only_where_the_password_changed(
    ada: Browser, host: HostWriter
) -> None:
    copied = dict(ada.cookies)
    host.execute("UPDATE users SET is_admin = false")
    assert not ada.is_in
    host.execute("UPDATE users SET is_admin = true")
    ada.cookies = dict(copied)
    assert ada.is_in
    set_password(host, "ada", PASSWORD)
    assert not ada.is_in


def test_signing_out_ends_this_sign_in_and_the_tokens_of_its_user(
    ada: Browser, open_site: OpenSite, host: HostWriter
) -> None:
    host.add_user("grace", is_admin=True)
    grace, graces_token = Browser(ada.site).signed_in("grace"), token_of(ada.site, "grace")
    second, copied = Browser(ada.site).signed_in(), Browser(ada.site, cookies=dict(ada.cookies))
    elsewhere, token = Browser(open_site(), cookies=dict(ada.cookies)), token_of(ada.site)
    assert elsewhere.is_in
    assert with_token(elsewhere.site, token) == 200
    ada.sign_out()
    for browser in (copied, elsewhere):
        wait_until(partial(is_out, browser), 3)
    assert [with_token(one.site, token) for one in (ada, elsewhere)] == [401, 401]
    assert with_token(open_site(), token) == 401
    assert second.is_in
    assert grace.is_in
    assert with_token(ada.site, graces_token) == 200


def test_signing_out_everywhere_ends_all_of_that_user_and_nobody_elses(
    ada: Browser, open_site: OpenSite, host: HostWriter
) -> None:
    host.add_user("grace", is_admin=True)
    grace, graces_token = Browser(ada.site).signed_in("grace"), token_of(ada.site, "grace")
    second, elsewhere = Browser(ada.site).signed_in(), Browser(open_site()).signed_in()
    token = token_of(elsewhere.site)
    ada.sign_out("?everywhere=1")
    for browser in (second, elsewhere):
        wait_until(partial(is_out, browser), 3)
    assert with_token(elsewhere.site, token) == 401
    assert grace.is_in
    assert with_token(ada.site, graces_token) == 200
    assert ada.sign_in().status == 303
    assert ada.is_in


def test_only_who_asks_for_it_signs_out_everywhere(site: Site) -> None:
    second = Browser(site).signed_in()
    for query in ("?everywhere=0", "?everywhere=", "?everywhere", "?Everywhere=1"):
        ada = Browser(site).signed_in()
        ada.sign_out(query)
        assert (ada.is_in, second.is_in) == (False, True), query


def test_a_token_of_the_hosts_own_is_not_ended_by_signing_out(
    ada: Browser, host: HostWriter
) -> None:
    claims = {"sub": host.admin.user_id, "exp": int(time.time()) + 60}
    token = jwt.encode(claims, SECRET, algorithm="HS256")
    ada.sign_out("?everywhere=1")
    assert with_token(ada.site, token) == 200
    host.execute("UPDATE users SET is_admin = false")
    assert with_token(ada.site, token) == 403


def test_the_ticket_in_a_token_cannot_be_exchanged(ada: Browser, host: HostWriter) -> None:
    """Whoever can sign tokens could name anybody; a ticket of theirs must still be in the store."""
    host.add_user("grace", is_admin=True)
    claims = jwt.decode(token_of(ada.site), options={"verify_signature": False})
    session_id, user_id, fingerprint = claims["run_manager_ticket"]
    grace = host.user("grace")
    for ticket in (
        [session_id, grace, fingerprint],
        ["x" * 32, user_id, fingerprint],
        [session_id, user_id, ""],
        [session_id, user_id],
        [session_id, user_id, fingerprint, ""],
        [session_id, user_id, 7],
        {"session_id": session_id},
        "x",
        None,
    ):
        forged = jwt.encode(claims | {"run_manager_ticket": ticket}, SECRET, algorithm="HS256")
        assert with_token(ada.site, forged) == 401, ticket


@every_shape
@every_store
def test_a_sign_in_survives_a_restart(open_site: OpenSite, store_place: StorePlace) -> None:
    store: dict[str, Any] = {"state_dir": store_place.folder, "state_url": store_place.url}
    browser = Browser(open_site(**store)).signed_in()
    token = token_of(browser.site)
    browser.site.manager.close()
    browser.site = open_site(**store)
    assert browser.is_in
    assert browser.opens_socket
    assert with_token(browser.site, token) == 200
    copied = dict(browser.cookies)
    browser.sign_out()
    browser.site = open_site(**store)
    browser.cookies = copied
    assert not browser.is_in


def test_a_sign_out_survives_a_restart(ada: Browser, open_site: OpenSite) -> None:
    copied = dict(ada.cookies)
    ada.sign_out()
    assert not Browser(open_site(), cookies=copied).is_in


def test_another_key_ends_every_sign_in(ada: Browser, open_site: OpenSite) -> None:
    ada.site = open_site(cookie_keys=(KEY.upper(),))
    assert not ada.is_in


def test_a_sign_in_ends_after_its_time_however_it_is_used(open_site: OpenSite) -> None:
    browser = Browser(open_site(session_hours=1.5 / 3600)).signed_in()
    copied = dict(browser.cookies)
    assert browser.is_in
    deadline = time.monotonic() + 1.6
    while time.monotonic() < deadline:
        browser.get()
        time.sleep(0.1)
    browser.cookies = copied
    assert not browser.is_in
    # The store knows it too, whatever the cookie says.
    claims = jwt.decode(copied[NAME], options={"verify_signature": False})
    key = derived_key(KEY, "session cookie")
    later = jwt.encode(claims | {"exp": int(time.time()) + 3600}, key, algorithm="HS256")
    browser.cookies = {NAME: later}
    assert not browser.is_in


def test_a_sign_in_ends_when_nothing_is_done(open_site: OpenSite) -> None:
    site = open_site(session_idle_minutes=1.5 / 60)
    used, idle, fetching = (Browser(site).signed_in() for _browser in range(3))
    for _time in range(3):
        time.sleep(0.6)
        # Opening a page is something done; what a page fetches by itself is not.
        used.get()
        fetching.get("/_stcore/host-config")
    assert used.is_in
    assert not idle.is_in
    assert not fetching.is_in


def test_a_tokens_time_does_not_end_by_idling(open_site: OpenSite) -> None:
    site = open_site(session_idle_minutes=0.1 / 60)
    token = token_of(site)
    time.sleep(0.3)
    assert with_token(site, token) == 200


def test_who_is_renamed_goes_on_under_the_new_name(ada: Browser, host: HostWriter) -> None:
    host.execute("UPDATE users SET username = 'ada l'")
    assert ada.get().text == DASHBOARD
