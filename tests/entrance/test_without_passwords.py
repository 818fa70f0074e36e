"""A host whose users have no passwords: nobody is asked for one, and the other ways in are open."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import pytest

from runmanager.errors import NoPasswordsError
from tests.entrance.browsing import problem
from tests.entrance.conftest import Browser
from tests.entrance.openid_provider import RealProvider
from tests.entrance.test_openid import ACCOUNTS
from tests.entrance.test_proxy_sign_on import ADA, SETTINGS, is_page
from tests.hosts import PASSWORD
from tests.processes import AppProcess, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.entrance.browsing import Visitor
    from tests.entrance.conftest import OpenSite, Serve
    from tests.hosts import HostWriter

OIDC: dict[str, Any] = {
    "oidc_issuer": "https://login.example.org/realms/staff",
    "oidc_client_id": "run-manager",
    "oidc_client_secret": "a secret",
}
BUTTON = "Sign in with login.example.org"
BY_PROXY = "The proxy in front of Run Manager signs you in: come by its address."
NO_WAY_IN = "Nobody can sign in here yet: Run Manager's log says what to set."
SAYINGS = {BUTTON, BY_PROXY, NO_WAY_IN}


@pytest.fixture(autouse=True)
def without_passwords(host: HostWriter) -> None:
    """Take the column from the host."""
    host.execute("ALTER TABLE users DROP password_hash")


@pytest.mark.parametrize(
    ("settings", "shown"),
    [(OIDC, BUTTON), (SETTINGS, BY_PROXY), ({}, NO_WAY_IN), (OIDC | SETTINGS, BUTTON)],
    ids=["a provider", "a proxy", "nothing", "both"],
)
def test_the_page_has_no_form_but_says_what_there_is(
    open_site: OpenSite, settings: dict[str, Any], shown: str
) -> None:
    browser = Browser(open_site(**settings))
    for answer in (browser.get("/"), browser.get("/sign-in"), browser.get("/run?id=1")):
        assert answer.status == 200
        text = html.unescape(answer.text)
        assert {one for one in SAYINGS if one in text} == {shown}
        for part in ("<form", "<input", "password", "Password"):
            assert part not in text
        assert answer.problem == ""


def test_a_password_is_refused_alike_for_every_name_before_any_is_looked_at(
    open_site: OpenSite,
) -> None:
    browser = Browser(open_site(**OIDC))
    answers = [
        browser.sign_in(name, password)
        for name in ("ada", "nobody", "", "<b>")
        for password in (PASSWORD, "wrong", "None", "null", "x")
    ]
    first = answers[0]
    assert (first.status, first.problem) == (401, NoPasswordsError().message)
    assert html.unescape(first.text).count(BUTTON) == 1
    assert "<form" not in first.text
    # Empty fields are refused as ever, without looking at anything.
    assert {one.text for one in answers[:10]} == {first.text}
    assert {one.status for one in answers} == {401}
    assert browser.cookies == {}


def test_a_form_of_another_site_is_refused_as_ever(open_site: OpenSite) -> None:
    browser = Browser(open_site(**OIDC))
    assert browser.sign_in(origin="https://evil.example").status == 403


def test_with_passwords_the_form_stands_beside_the_button(
    host: HostWriter, open_site: OpenSite
) -> None:
    host.execute("ALTER TABLE users ADD password_hash text")
    browser = Browser(open_site(**OIDC))
    text = html.unescape(browser.get("/").text)
    assert text.count("<form") == 1
    assert {one for one in SAYINGS if one in text} == {BUTTON}


def test_a_provider_lets_in(serve: Serve, visitor: Callable[..., Visitor]) -> None:
    with RealProvider(ACCOUNTS) as provider:
        url = serve(**provider.settings)
        provider.start(url)
        ada, kate = visitor(url, "ada-there"), visitor(url, "kate-there")
        assert ada.sign_in().status_code == 303
        assert ada.is_in
        assert kate.sign_in().status_code == 403
        assert not kate.is_in


def test_a_proxy_lets_in(serve: Serve, visitor: Callable[..., Visitor]) -> None:
    browser = visitor(serve(**SETTINGS))
    assert not is_page(browser.get("/"))
    assert browser.get("/", headers=ADA).status_code == 303
    assert is_page(browser.get("/", headers=ADA))


def test_the_whole_process_starts_and_says_what_is_left(
    host: HostWriter, tmp_path: Path, visitor: Callable[..., Visitor]
) -> None:
    app = AppProcess(tmp_path / "log", settings_for(host.url))
    try:
        app.ready()
        browser = visitor(app.url)
        assert NO_WAY_IN in html.unescape(browser.get("/").text)
        refused = browser.post("/sign-in", {"username": "ada", "password": PASSWORD})
        assert (refused.status_code, problem(refused)) == (401, NoPasswordsError().message)
        assert app.said.count("Nobody can sign in at all, because “users” has no column") == 1
        assert "RUNMANAGER_OIDC_ISSUER" in app.said
    finally:
        app.stop()
    assert "Traceback" not in app.said
