"""Signing in and out in a real browser, cookies and tabs included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from runmanager.entrance.cookies import NAME
from tests.browser.dashboard import Dashboard
from tests.hosts import PASSWORD
from tests.passwords import set_password

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hosts import HostWriter

SECONDS = 3_000
# Streamlit's words for a socket that is gone, should they appear for a moment only.
_WATCH = """
new MutationObserver(() => {
  if (/Connection (failed|error)|CONNECTING/i.test(document.body?.innerText ?? ""))
    console.error("The page spoke of its connection");
}).observe(document, { childList: true, subtree: true, characterData: true });
"""
ENDS: dict[str, Callable[[HostWriter], object]] = {
    # As the host's own page for passwords would: the same one, hashed with another salt.
    "a new password": lambda host: set_password(host, "ada", PASSWORD),
    "demotion": lambda host: host.execute("UPDATE users SET is_admin = false"),
    "deactivation": lambda host: host.execute("UPDATE users SET is_active = false"),
    "deletion": lambda host: host.execute("DELETE FROM users"),
}


def cookie_names(one: Dashboard) -> set[str]:
    """The names of the cookies that this browser keeps."""
    return {cookie["name"] for cookie in one.context.cookies()}


def second_tab(ada: Dashboard) -> Dashboard:
    """Another tab of the same browser at the list, which complains of a lost connection."""
    other = Dashboard(ada.context, ada.base)
    other.page.add_init_script(_WATCH)
    other.visit()
    expect(other.area("heading")).to_be_visible()
    other.settle()
    # What it loads for its chart is not loaded any more once it is signed out.
    expect(other.histogram).to_be_visible()
    return other


def expect_sent_to_sign_in(one: Dashboard) -> None:
    """Wait until the tab is at the sign-in page by itself, soon and without a complaint."""
    expect(one.page.get_by_label("Name", exact=True)).to_be_visible(timeout=SECONDS)
    one.expect_only_sign_in()
    assert one.complaints == []


def test_a_deep_link_opens_after_signing_in_and_stays_until_signing_out(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    run = host.add_run(name="Order 7")
    ada = tab(of=None).visit("/run", id=run, tab="a b/ü")
    ada.expect_only_sign_in()
    ada.fill_form("ada", PASSWORD)
    expect(ada.area("run-title")).to_contain_text("Order 7")
    assert ada.query == {"id": run, "tab": "a b/ü"}
    assert ada.page.evaluate("document.cookie") == ""
    ada.page.reload()
    expect(ada.area("run-title")).to_contain_text("Order 7")
    ada.sign_out()
    assert NAME not in cookie_names(ada)
    ada.page.reload()
    ada.expect_only_sign_in()
    assert ada.complaints == []


def test_a_link_from_elsewhere_opens_signed_in(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    run = host.add_run(name="Order 7")
    ada = tab()
    ada.page.set_content(f'<a href="{ada.base}/run?id={run}">look at this run</a>')
    ada.page.get_by_role("link").click()
    expect(ada.area("run-title")).to_contain_text("Order 7")


def test_it_works_without_scripts_and_with_password_managers(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    visitor = tab(of=None, java_script_enabled=False).visit("/run", id="x")
    name = visitor.page.get_by_label("Name", exact=True)
    password = visitor.page.get_by_label("Password", exact=True)
    expect(name).to_have_attribute("autocomplete", "username")
    expect(password).to_have_attribute("autocomplete", "current-password")
    expect(password).to_have_attribute("type", "password")
    visitor.fill_form("ada", "wrong")
    expect(visitor.page.get_by_role("alert")).to_contain_text("Not signed in")
    expect(name).to_have_value("ada")
    expect(password).to_have_value("")
    assert NAME not in cookie_names(visitor)
    with visitor.page.expect_response(lambda answer: answer.status == 303) as sent_on:
        visitor.fill_form("ada", PASSWORD)
    assert sent_on.value.header_value("location") == "/run?id=x"
    assert NAME in cookie_names(visitor)


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("kate", PASSWORD)])
def test_who_may_not_sign_in_is_told_so(
    tab: Callable[..., Dashboard], host: HostWriter, name: str, password: str
) -> None:
    host.add_run("r1", user="kate")
    visitor = tab(of=None).visit()
    visitor.fill_form(name, password)
    expect(visitor.page.get_by_text("Not signed in: the name or the password")).to_be_visible()
    visitor.expect_only_sign_in()
    assert cookie_names(visitor) == set()
    visitor.fill_form("ada", PASSWORD)
    visitor.expect_ids("r1")


def test_a_forged_cookie_is_refused(tab: Callable[..., Dashboard], host: HostWriter) -> None:
    host.add_run("r1")
    visitor = tab(of=None)
    # {"alg": "none"} . {"sid": "x", "uid": "1", "pw": "", "exp": 9999999999}
    forged = "eyJhbGciOiJub25lIn0.eyJzaWQiOiJ4IiwidWlkIjoiMSIsInB3IjoiIiwiZXhwIjo5OTk5OTk5OTk5fQ."
    visitor.context.add_cookies([{"name": NAME, "value": forged, "url": visitor.base}])
    visitor.visit()
    visitor.expect_only_sign_in()
    visitor.fill_form("ada", PASSWORD)
    visitor.expect_ids("r1")


def test_every_tab_goes_to_the_sign_in_page_when_one_signs_out(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    run = host.add_run(user="kate")
    ada = tab().visit()
    filtered, at_run = second_tab(ada), second_tab(ada)
    filtered.choose("User", "kate")
    filtered.expect_total("1 run")
    filtered.settle()
    at_run.visit("/run", id=run)
    expect(at_run.area("run-title")).to_be_visible()
    # A file that is still on its way would be refused.
    at_run.settle()
    ada.sign_out()
    expect_sent_to_sign_in(filtered)
    expect_sent_to_sign_in(at_run)
    # Whoever signs in there is where they were.
    at_run.fill_form("ada", PASSWORD)
    expect(at_run.area("run-title")).to_be_visible()
    assert at_run.query == {"id": run}
    filtered.page.reload()
    filtered.expect_ids(run)
    assert filtered.query == {"username": "kate"}


def test_signing_out_everywhere_ends_every_browser(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    host.add_user("grace", is_admin=True)
    ada, grace = tab().visit(), tab(of="grace").visit()
    host.add_run()
    elsewhere = second_tab(tab())
    ada.sign_out("Sign out everywhere")
    expect_sent_to_sign_in(elsewhere)
    grace.press("Refresh")
    expect(grace.page.get_by_text("signed in as grace")).to_be_visible()


def test_signing_out_leaves_other_browsers_alone(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    run = host.add_run()
    ada, elsewhere = tab().visit(), tab().visit()
    elsewhere.expect_ids(run)
    ada.sign_out()
    elsewhere.press("Refresh")
    elsewhere.settle()
    elsewhere.expect_ids(run)


@pytest.mark.parametrize("end", ENDS)
def test_an_open_tab_goes_to_the_sign_in_page_after(
    tab: Callable[..., Dashboard], host: HostWriter, end: str
) -> None:
    host.add_run()
    other = second_tab(tab())
    ENDS[end](host)
    expect_sent_to_sign_in(other)
    other.page.reload()
    other.expect_only_sign_in()


@pytest.mark.parametrize("end", ["a new password", "demotion"])
def test_an_open_dialog_deletes_nothing_after(
    tab: Callable[..., Dashboard], host: HostWriter, end: str
) -> None:
    (run,) = host.add_runs(1)
    ada = tab().visit()
    ada.tick(run)
    ada.ask_to_delete_selected(1)
    ada.settle()
    confirm = ada.dialog.get_by_role("button", name="Delete 1 run")
    confirm.hover()
    ENDS[end](host)
    # At once: the tab has not been told yet.
    ada.page.mouse.down()
    ada.page.mouse.up()
    expect_sent_to_sign_in(ada)
    assert not host.is_gone(run)


def test_going_back_after_signing_out_shows_no_run(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    run = host.add_run(name="Merger talks")
    ada = tab().visit()
    ada.expect_ids(run)
    ada.visit("/run", id=run)
    expect(ada.area("run-title")).to_contain_text("Merger talks")
    ada.sign_out()
    for address in (f"{ada.base}/run?id={run}", f"{ada.base}/"):
        ada.page.go_back()
        expect(ada.page).to_have_url(address)
        ada.expect_only_sign_in()
        expect(ada.page.get_by_text("Merger talks")).to_have_count(0)


def test_who_signs_in_next_gets_nothing_of_the_last(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    host.add_user("grace", is_admin=True)
    run = host.add_run()
    ada = tab().visit()
    ada.tick(run)
    expect(ada.button("Delete 1")).to_be_visible()
    ada.sign_out()
    ada.fill_form("grace", PASSWORD)
    ada.expect_ids(run)
    expect(ada.page.get_by_text("signed in as grace")).to_be_visible()
    ada.settle()
    expect(ada.button("Delete 1")).to_have_count(0)


def test_another_sign_in_in_the_same_browser_ends_the_first(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    host.add_run()
    host.add_user("grace", is_admin=True)
    ada = tab()
    other = second_tab(ada)
    ada.signed_in_as("grace")
    expect(other.page.get_by_text("signed in as grace")).to_be_visible()
    assert other.complaints == []
