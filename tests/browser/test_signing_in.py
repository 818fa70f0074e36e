"""Signing in and out in a real browser, cookies included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from pages.parts.signin import COOKIE_NAME
from tests.browser.dashboard import PASSWORD
from tests.passwords import set_password

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.dashboard import Dashboard
    from tests.hosts import HostWriter


def test_a_sign_in_survives_a_reload_and_ends_with_signing_out(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    host.add_run("r1")
    ada = tab(of=None).visit("/", search="r1")
    ada.expect_only_sign_in()
    ada.fill_form("ada", PASSWORD)
    ada.expect_ids("r1")
    ada.page.wait_for_function(f"document.cookie.includes('{COOKIE_NAME}')")
    ada.page.reload()
    ada.expect_ids("r1")
    ada.press("Sign out")
    ada.expect_only_sign_in()
    ada.page.wait_for_function(f"!document.cookie.includes('{COOKIE_NAME}')")
    ada.page.reload()
    ada.expect_only_sign_in()
    assert ada.complaints == []


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("kate", PASSWORD)])
def test_who_may_not_sign_in_is_told_so(
    tab: Callable[..., Dashboard], host: HostWriter, name: str, password: str
) -> None:
    host.add_run("r1", user="kate")
    set_password(host, "kate", PASSWORD)
    visitor = tab(of=None).visit()
    visitor.fill_form(name, password)
    expect(visitor.page.get_by_text("Not signed in: the name or the password")).to_be_visible()
    visitor.expect_only_sign_in()
    assert COOKIE_NAME not in {cookie["name"] for cookie in visitor.context.cookies()}


def test_a_forged_cookie_is_refused(tab: Callable[..., Dashboard], host: HostWriter) -> None:
    host.add_run("r1")
    visitor = tab(of=None)
    # {"alg": "none"} . {"username": "ada", "exp_date": 9999999999}
    forged = "eyJhbGciOiJub25lIn0.eyJ1c2VybmFtZSI6ImFkYSIsImV4cF9kYXRlIjo5OTk5OTk5OTk5fQ."
    visitor.context.add_cookies([{"name": COOKIE_NAME, "value": forged, "url": visitor.base}])
    visitor.visit()
    expect(visitor.page.get_by_text("Your sign-in is no longer valid")).to_be_visible()
    visitor.expect_only_sign_in()
    visitor.fill_form("ada", PASSWORD)
    visitor.expect_ids("r1")


def test_who_is_deactivated_is_out_at_the_next_click(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    host.add_run("r1")
    ada = tab().visit()
    ada.expect_ids("r1")
    ada.settle()
    host.execute("UPDATE users SET is_active = false WHERE username = 'ada'")
    ada.button("Refresh").click()
    expect(ada.page.get_by_text("Only active administrators").first).to_be_visible()
    ada.page.reload()
    expect(ada.page.get_by_text("only active administrators")).to_be_visible()
    expect(ada.page.get_by_test_id("stDataFrame")).to_have_count(0)
