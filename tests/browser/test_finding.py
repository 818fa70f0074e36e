"""Finding runs and looking them over: filters, pages, links, and the way back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.hosts import LONG_AGO

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.dashboard import Dashboard
    from tests.hosts import HostWriter


@pytest.fixture
def twelve(host: HostWriter) -> list[str]:
    """Twelve runs, the newest first, every other one of kate's in Ops."""
    runs = [f"run-{number:02}" for number in range(12)]
    for number, run in enumerate(runs):
        host.add_run(
            run,
            name=f"Order {number}",
            created_at=LONG_AGO - timedelta(minutes=number),
            user="linus" if number % 2 else "kate",
            workspace="Legal" if number % 2 else "Ops",
        )
    return runs


def test_filters_go_into_the_address_and_a_copied_link_restores_them(
    tab: Callable[..., Dashboard], host: HostWriter, twelve: list[str]
) -> None:
    ada = tab().visit()
    ada.expect_total("12 runs")
    ada.settle()
    ada.page.get_by_label("Search", exact=True).fill("order 1")
    ada.expect_ids("run-01", "run-10", "run-11")
    ada.choose("User", "linus")
    ada.expect_ids("run-01", "run-11")
    ada.choose("Workspace", "Legal")
    ada.expect_chips("search “order 1”", "user “linus”", "workspace “Legal”")
    ada.page.wait_for_url("**workspace=*")
    assert ada.query == {
        "search": "order 1", "username": "linus", "workspace": host.workspace("Legal"),
    }  # fmt: skip
    colleague = tab()
    colleague.page.goto(ada.page.url)
    colleague.expect_ids("run-01", "run-11")
    expect(colleague.page.get_by_label("Search", exact=True)).to_have_value("order 1")
    ada.press("Clear filters")
    ada.expect_total("12 runs")
    expect(ada.page.get_by_label("Search", exact=True)).to_have_value("")
    assert ada.query == {}


def test_of_two_quick_clicks_the_second_does_not_undo_the_first(
    tab: Callable[..., Dashboard], twelve: list[str]
) -> None:
    ada = tab()
    answers = ada.hold_answers()
    ada.visit().expect_total("12 runs")
    ada.settle()
    with answers.held():
        for filtered, words in (("kind_filter", "failed"), ("since_filter", "7 d")):
            control = ada.sidebar.locator(f".st-key-{filtered}")
            control.get_by_text(words).dispatch_event("click")
            ada.page.wait_for_timeout(500)
    ada.expect_chips("failed", "started within 7 d")
    ada.settle()
    assert ada.query == {"kind": "failed", "since": "-7d"}
    ada.page.go_back()
    ada.expect_chips("failed")
    ada.choose("User", "linus")
    ada.expect_chips("user “linus”", "failed")
    assert ada.query == {"username": "linus", "kind": "failed"}


def test_pages_are_turned_and_a_selection_goes_with_them(
    tab: Callable[..., Dashboard], twelve: list[str]
) -> None:
    ada = tab().visit("/", page_size="5")
    ada.expect_ids(*twelve[:5])
    ada.tick("run-01", "run-03")
    ada.turn_page("Page 3")
    ada.expect_ids(*twelve[10:])
    assert ada.query == {"page": "3", "page_size": "5"}
    ada.tick("run-10")
    expect(ada.button("Delete 3")).to_be_enabled()
    ada.press("Clear")
    expect(ada.button("Delete")).to_be_disabled()
    ada.select_page()
    expect(ada.button("Delete 2")).to_be_enabled()


def test_a_run_is_opened_and_left_by_link_and_by_back_with_the_filters_kept(
    tab: Callable[..., Dashboard], twelve: list[str]
) -> None:
    ada = tab().visit("/", search="Order 1")
    ada.expect_ids("run-01", "run-10", "run-11")
    ada.open("run-10")
    expect(ada.area("run-title")).to_contain_text("Order 10")
    assert ada.query == {"id": "run-10"}
    ada.page.get_by_role("link", name="All runs").click()
    ada.expect_ids("run-01", "run-10", "run-11")
    assert ada.query == {"search": "Order 1"}
    ada.open("run-01")
    expect(ada.area("run-title")).to_contain_text("Order 1")
    ada.page.go_back()
    ada.expect_ids("run-01", "run-10", "run-11")
    expect(ada.page.get_by_label("Search", exact=True)).to_have_value("Order 1")
    ada.page.wait_for_url("**search=*")


def test_the_selected_run_is_opened_from_the_keyboard(
    tab: Callable[..., Dashboard], twelve: list[str]
) -> None:
    ada = tab().visit()
    ada.tick("run-02")
    ada.button("Open").press("Enter")
    expect(ada.area("run-title")).to_contain_text("Order 2")


def test_the_link_of_a_run_opens_it(tab: Callable[..., Dashboard], twelve: list[str]) -> None:
    ada = tab().visit("/run", id="run-07")
    expect(ada.area("run-title")).to_contain_text("Order 7")
    ada.settle()
    ada.page.get_by_role("link", name="All runs").click()
    ada.expect_total("12 runs")


def test_a_narrow_screen_starts_with_the_grid_and_not_the_sidebar(
    tab: Callable[..., Dashboard], twelve: list[str]
) -> None:
    ada = tab(viewport={"width": 820, "height": 1000}).visit()
    ada.expect_ids(*twelve)
    expect(ada.page.get_by_test_id("stSidebar")).to_have_attribute("data-collapsed", "true")
    seen = ada.runs.columns_in_view()
    assert {"", "Status", "Name", "Started (UTC)"} <= set(seen)


@pytest.mark.parametrize(("scheme", "colour"), [("light", "255, 255, 255"), ("dark", "18, 22, 28")])
def test_the_colours_follow_the_viewers_system(
    tab: Callable[..., Dashboard], twelve: list[str], scheme: str, colour: str
) -> None:
    ada = tab(color_scheme=scheme).visit()
    ada.expect_total("12 runs")
    expect(ada.page.get_by_test_id("stApp")).to_have_css("background-color", f"rgb({colour})")
