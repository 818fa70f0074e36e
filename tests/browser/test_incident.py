"""The incident page in a browser: from an alarm to the runs that matter, with few clicks."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.incidents import (
    DAY,
    HOUR,
    TIMEOUT,
    add_many,
    in_the_alarm,
    numbered,
    old_failures,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import ViewportSize

    from tests.browser.dashboard import Dashboard
    from tests.hosts import HostWriter

WIDE: ViewportSize = {"width": 1280, "height": 800}
NARROW: ViewportSize = {"width": 820, "height": 1100}
at_each_width = pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["1280", "820"])
LONG_AGO = datetime(2025, 1, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
_SCROLLED = """() => [document.documentElement, document.querySelector("[data-testid='stMain']")]
  .reduce((sum, one) => sum + one.scrollTop, 0)"""


def fold_where_narrow(ada: Dashboard, viewport: ViewportSize) -> int:
    """Give the list the sidebar's room again where there is little; how many clicks that took."""
    if viewport == WIDE:
        return 0
    ada.fold_sidebar()
    return 1


@at_each_width
def test_drill_which_runs_of_a_workspace_time_out_how_many_since_when_and_whose(
    tab: Callable[..., Dashboard], host: HostWriter, viewport: ViewportSize
) -> None:
    alarm = in_the_alarm(host)
    ada = tab(viewport=viewport).visit()
    ada.expect_total("186 runs")
    ada.count_clicks()
    ada.choose("Workspace", "Operations")
    ada.choose_kind("failed")
    ada.choose_time("24 h")
    ada.type_into("Error text", "timeout")
    ada.expect_total("53 runs")
    folding = fold_where_narrow(ada, viewport)
    ada.sort_by("Oldest first")
    expect(ada.runs.cells("ID").first).to_have_text(alarm[0])
    # A click each on the status, the time, into the field; two on the workspace and on the order;
    # and where there is no room for the sidebar, one to unfold it.
    assert ada.clicks == 7 + 2 * folding
    (since,) = host.execute("SELECT created_at FROM run_metadata WHERE thread_id = %s", alarm[0])[0]
    started = ada.runs.cells("Started (UTC)").first
    expect(started).to_have_text(f"{since.astimezone(UTC):%Y-%m-%d %H:%M:%S}+00:00")
    shown = ada.runs.cells("ID").all_text_contents()
    assert shown == alarm[: len(shown)]
    ada.runs.scroll_to("User")
    assert set(ada.runs.cells("User").all_text_contents()) == {"kate", "linus", "barbara"}
    assert ada.complaints == []


@at_each_width
def test_drill_the_old_failures_of_one_user_are_deleted_with_ten_clicks(
    tab: Callable[..., Dashboard], host: HostWriter, viewport: ViewportSize
) -> None:
    old = old_failures(host)
    before = host.contents(without=old)
    until = datetime.now(UTC) - 30 * DAY
    ada = tab(viewport=viewport).visit()
    ada.expect_total("107 runs")
    ada.count_clicks()
    ada.choose("User", "kate")
    ada.choose_kind("failed")
    ada.choose_times(until=f"{until:%Y%m%d}0000")
    ada.expect_total("71 runs")
    folding = fold_where_narrow(ada, viewport)
    ada.select_all(71)
    ada.ask_to_delete_selected(71)
    ada.confirm("Delete 71 runs")
    # They were 78. In a narrow window the sidebar is unfolded and folded, and a calendar lies over
    # the button below it.
    assert ada.clicks == 10 + 3 * folding
    ada.expect_result("71 runs deleted")
    ada.expect_total("0 runs")
    assert host.contents() == before


@at_each_width
def test_a_stretch_or_a_bar_of_the_histogram_becomes_the_time_that_is_asked_for(
    tab: Callable[..., Dashboard], host: HostWriter, viewport: ViewportSize
) -> None:
    add_many(host, "run", 60, first=LONG_AGO, apart=MINUTE, status="failed")
    ada = tab(viewport=viewport).visit()
    ada.expect_total("60 runs")
    for from_left, to_left in ((0.3, 0.6), (0.5, 0.5)):
        ada.brush(from_left, to_left)
        ada.page.wait_for_url("**since=*")
        expect(ada.chips).to_have_count(1)
        since, until = (datetime.fromisoformat(ada.query[key]) for key in ("since", "until"))
        found = host.execute(
            "SELECT thread_id FROM run_metadata WHERE created_at >= %s AND created_at < %s"
            " ORDER BY created_at DESC",
            *(since, until),
        )
        ada.expect_total(f"{len(found)} run" + "s" * (len(found) != 1))
        shown = ada.runs.cells("ID")
        expect(shown.first).to_have_text(found[0][0])
        if from_left == to_left:
            assert until - since == MINUTE
        else:
            # Three tenths of the hour, which has its axis at the left.
            assert 16 <= len(found) <= 20
        ada.chips.click()
        ada.expect_total("60 runs")
        expect(ada.chips).to_have_count(0)
        assert ada.query == {}
    assert ada.complaints == []


def test_hovering_tells_the_numbers_of_a_bar_and_folding_lasts(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    for status, number in (("failed", 3), ("completed", 4), ("running", 2)):
        add_many(host, status, number, first=LONG_AGO, apart=timedelta(0), status=status)
    ada = tab().visit()
    ada.expect_total("9 runs")
    ada.hover_histogram(0.5)
    told = ada.page.locator("#vg-tooltip-element")
    for kind, number in (("failed", 3), ("completed", 4), ("running", 2), ("runs", 9)):
        expect(told.locator("tr").filter(has_text=re.compile(f"^{kind}"))).to_contain_text(
            str(number)
        )
    top = ada.runs.top_of_rows()
    ada.press("Hide chart")
    expect(ada.area("histogram")).to_have_count(0)
    ada.settle()
    assert ada.runs.top_of_rows() < top - 50
    # Without a chart a filter narrows the list all the same.
    ada.area("kind_filter").get_by_role("button", name="failed").click()
    ada.expect_total("3 runs")
    again = tab().visit()
    again.expect_total("9 runs")
    again.settle()
    expect(again.area("histogram")).to_have_count(0)
    again.press("Show chart")
    expect(again.histogram).to_be_visible()


@at_each_width
def test_each_chip_takes_its_filter_away_and_the_address_follows(
    tab: Callable[..., Dashboard], host: HostWriter, viewport: ViewportSize
) -> None:
    now = datetime.now(UTC)
    for model in ("large", "small"):
        host.add_run(
            name="Order 7", user="kate", workspace="Ops", status="failed", llm_model=model,
            created_at=now - HOUR, completed_at=now - HOUR + 10 * MINUTE, error_message=TIMEOUT,
        )  # fmt: skip
    filters = {
        "search": ("order", "search “order”"),
        "username": ("kate", "user “kate”"),
        "workspace": (host.workspace("Ops"), "workspace “Ops”"),
        "model": ("large", "model “large”"),
        "kind": ("failed", "failed"),
        "status": ("failed", "status “failed”"),
        "since": ("-24h", "started within 24 h"),
        "error": ("timeout", "error “timeout”"),
        "longer_than": ("5m", "longer than 5 min"),
    }
    left = {key: value for key, (value, _label) in filters.items()}
    labels = {key: label for key, (_value, label) in filters.items()}
    ada = tab(viewport=viewport).visit("/", **left)
    ada.expect_total("1 run")
    for key in list(filters)[::-1]:
        ada.expect_chips(*labels.values())
        ada.settle()
        assert ada.query == left
        ada.remove_chip(labels.pop(key))
        del left[key]
        ada.expect_total("1 run" if "model" in left else "2 runs")
    ada.expect_chips()
    ada.settle()
    assert ada.query == {}


@at_each_width
def test_columns_are_chosen_and_ordered_for_an_address_and_for_an_admin(
    tab: Callable[..., Dashboard], host: HostWriter, viewport: ViewportSize
) -> None:
    host.add_user("grace", is_admin=True)
    host.add_run(user="kate")
    ada = tab(viewport=viewport).visit()
    ada.expect_total("1 run")
    ada.leave_out_columns("ID", "Open in a new tab", "Age", "Took", "Error", "Workspace")
    ada.add_columns("Age")
    chosen = ["", "Status", "Name", "Started (UTC)", "User", "Age"]
    ada.expect_columns(*chosen)
    assert ada.query == {"columns": "status,name,started,user,age"}
    ada.page.reload()
    ada.expect_columns(*chosen)
    later, other = tab(viewport=viewport).visit(), tab(of="grace", viewport=viewport).visit()
    later.expect_columns(*chosen)
    assert later.query == {}
    other.expect_total("1 run")
    expect(other.runs.root.locator("th").nth(2)).to_have_text("ID")
    other.page.goto(ada.page.url)
    other.expect_columns(*chosen)


@at_each_width
def test_the_whole_list_is_sorted_and_where_it_cannot_be_it_says_why(
    tab: Callable[..., Dashboard], host: HostWriter, viewport: ViewportSize
) -> None:
    host.execute(
        "INSERT INTO run_metadata (thread_id, run_name, status, created_at)"
        " SELECT 'run-' || lpad(n::text, 4, '0'), 'Order ' || lpad((7 * n %% 2100)::text, 4, '0'),"
        " 'completed', %s - n * interval '1 minute' FROM generate_series(0, 2099) n",
        LONG_AGO,
    )
    upwards, downwards = (
        [
            thread_id
            for (thread_id,) in host.execute(
                f'SELECT thread_id FROM run_metadata ORDER BY run_name COLLATE "C" {direction},'  # noqa: S608
                " created_at DESC"
            )
        ]
        for direction in ("ASC", "DESC")
    )
    ada = tab(viewport=viewport).visit("/", page_size="10")
    ada.expect_ids(*numbered("run", range(10), digits=4))
    ada.sort_by("Name, A to Z")
    ada.expect_ids(*upwards[:10])
    assert ada.query == {"sort": "name", "page_size": "10"}
    ada.turn_page()
    ada.expect_ids(*upwards[10:20])
    ada.sort_by("Name, Z to A")
    ada.expect_ids(*downwards[:10])
    assert ada.query == {"sort": "-name", "page_size": "10"}
    ada.sort_by("Largest first")
    expect(ada.area("notices")).to_contain_text("2,000")
    expect(ada.area("notices")).to_contain_text("Shown newest first")
    ada.expect_ids(*numbered("run", range(10), digits=4))
    ada.sort_by("Oldest first")
    ada.expect_ids(*numbered("run", range(2090, 2100), digits=4)[::-1])
    expect(ada.page.get_by_text("Shown newest first").filter(visible=True)).to_have_count(0)


@at_each_width
def test_all_that_match_are_selected_with_exceptions_whatever_is_filtered_afterwards(
    tab: Callable[..., Dashboard], host: HostWriter, viewport: ViewportSize
) -> None:
    goes = add_many(host, "kate", 120, first=LONG_AGO, apart=MINUTE)[::-1]
    stays = add_many(host, "linus", 5, first=LONG_AGO, apart=MINUTE, users=("linus",))
    ada = tab(viewport=viewport).visit("/", username="kate", page_size="10")
    ada.expect_total("120 runs")
    ada.select_all(120)
    exceptions = goes[1:3]
    ada.tick(*exceptions)
    ada.expect_selected(118)
    # What comes later is not among them.
    later = host.add_run("later", user="kate", created_at=LONG_AGO + DAY)
    ada.press("Refresh")
    ada.expect_total("121 runs")
    ada.expect_selected(118)
    ada.expect_ids(later, *goes[:9])
    expect(ada.runs.cells("")).to_have_text(["false", "true", "false", "false", *["true"] * 6])
    ada.type_into("Search", "kate-0001")
    ada.expect_total("10 runs")
    ada.expect_selected(118)
    ada.press("108 not in this list")
    expect(ada.dialog).to_contain_text("108 selected runs are not in this list")
    ada.shown_in_dialog.expect_rows(108)
    expect(ada.shown_in_dialog.cells("ID").first).to_have_text(goes[0])
    ada.dialog.get_by_role("button", name="Keep them selected").click()
    expect(ada.dialog).to_have_count(0)
    ada.expect_selected(118)
    ada.ask_to_delete_selected(118)
    ada.dialog.get_by_label("Type 118").fill("118")
    ada.confirm("Delete 118 runs")
    ada.expect_result("118 runs deleted")
    expect(ada.button("Delete")).to_be_disabled()
    left = {run for (run,) in host.execute("SELECT thread_id FROM run_metadata")}
    assert left == {*exceptions, *stays, later}


@at_each_width
def test_ten_thousand_runs_are_confirmed_without_scrolling(
    tab: Callable[..., Dashboard], host: HostWriter, viewport: ViewportSize
) -> None:
    add_many(host, "run", 10_000, first=LONG_AGO, apart=MINUTE, users=("kate", "linus"),
             workspace="Ops")  # fmt: skip
    ada = tab(viewport=viewport).visit()
    ada.expect_total("10,000 runs")
    ada.select_all(10_000)
    ada.ask_to_delete_selected(10_000)
    expect(ada.dialog).to_contain_text("10,000 runs and every trace of them will be deleted")
    for words in ("completed 10,000", "kate 5,000", "linus 5,000", "Ops 10,000"):
        expect(ada.area("tally")).to_contain_text(words)
    expect(ada.area("tally")).to_contain_text("1 Jan 2025, 12:00:00 UTC to 8 Jan 2025, 10:39:00")
    ada.shown_in_dialog.expect_rows(10_000)
    typed = ada.dialog.get_by_label("Type 10000")
    confirm = ada.dialog.get_by_role("button", name="Delete 10,000 runs")
    expect(confirm).to_be_disabled()
    for one in (typed, confirm, ada.dialog.get_by_role("button", name="Cancel")):
        expect(one).to_be_in_viewport(ratio=1)
    typed.fill("10000")
    expect(confirm).to_be_enabled()
    for name, words in (("Left out", "No run is left out."), ("Kept", "Nothing of these runs")):
        ada.dialog.get_by_role("tab", name=name).click()
        expect(ada.dialog.get_by_text(words)).to_be_visible()
        expect(confirm).to_be_in_viewport(ratio=1)


def test_what_waits_to_run_is_left_out_and_not_left_selected(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    waiting = [host.add_run(status=status) for status in ("running", "queued", "pending")]
    done = host.add_run()
    ada = tab().visit()
    ada.expect_total("4 runs")
    ada.select_page()
    ada.ask_to_delete_selected(4)
    expect(ada.dialog).to_contain_text("3 runs still running are left out.")
    ada.dialog.get_by_role("tab", name="Left out 3").click()
    ada.shown_in_dialog.expect_rows(3)
    ada.confirm("Delete 1 run")
    ada.expect_result("1 run deleted")
    assert host.is_gone(done)
    ada.expect_ids(*waiting[::-1])
    expect(ada.runs.cells("")).to_have_text(["false"] * 3)
    expect(ada.button("Delete")).to_be_disabled()


@at_each_width
def test_a_whole_id_is_one_run_and_an_errors_text_leads_to_its_runs(
    tab: Callable[..., Dashboard], host: HostWriter, viewport: ViewportSize
) -> None:
    # More than are searched for a text while somebody waits.
    add_many(host, "run", 60_000, first=LONG_AGO, apart=MINUTE)
    broken = add_many(host, "broken", 12, first=LONG_AGO, apart=MINUTE, status="failed",
                      error=TIMEOUT)  # fmt: skip
    host.execute("CREATE INDEX ON run_metadata (created_at DESC); ANALYZE run_metadata")
    ada = tab(viewport=viewport).visit("/", search="run-00007")
    ada.expect_total("1 run")
    ada.expect_ids("run-00007")
    expect(ada.area("footer")).to_contain_text("1 run")
    ada.visit("/", search="carrier's service")
    offer = ada.page.get_by_role("button", name="12 runs have this in their error · show them")
    offer.click()
    ada.search_on_to("12 runs")
    ada.expect_ids(*broken[::-1])
    ada.expect_chips("error “carrier's service”")
    assert ada.query == {"error": "carrier's service"}


def test_the_window_is_full_of_rows(tab: Callable[..., Dashboard], host: HostWriter) -> None:
    add_many(host, "run", 60, first=LONG_AGO, apart=MINUTE)
    ada = tab().visit()
    ada.expect_total("60 runs")
    for width, height, rows in ((1280, 800, 20), (1440, 900, 24), (1920, 1080, 30)):
        ada.page.set_viewport_size({"width": width, "height": height})
        expect(ada.histogram).to_be_visible()
        ada.settle()
        ada.page.wait_for_timeout(300)
        assert ada.runs.rows_in_view() >= rows
        assert ada.runs.top_of_rows() <= 170
        # Nothing scrolls but the grid.
        ada.page.mouse.move(width / 2, 20)
        ada.page.mouse.wheel(0, 300)
        ada.page.wait_for_timeout(200)
        assert ada.page.evaluate(_SCROLLED) == 0
    ada.page.set_viewport_size(NARROW)
    ada.page.reload()
    ada.settle()
    expect(ada.page.get_by_test_id("stSidebar")).to_have_attribute("data-collapsed", "true")
    assert {"", "Status", "Name", "Started (UTC)"} <= set(ada.runs.columns_in_view())
    assert ada.runs.top_of_rows() <= 170


@at_each_width
def test_nothing_jumps_while_the_page_loads(
    tab: Callable[..., Dashboard], host: HostWriter, viewport: ViewportSize
) -> None:
    add_many(host, "run", 60, first=LONG_AGO, apart=MINUTE)
    ada = tab(viewport=viewport)
    ada.page.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => {"
        " for (const one of list.getEntries()) window.shift += one.value; })"
        ".observe({ type: 'layout-shift', buffered: true });"
    )
    ada.visit().expect_total("60 runs")
    expect(ada.histogram).to_be_visible()
    ada.settle()
    ada.page.wait_for_timeout(500)
    assert ada.page.evaluate("() => window.shift") <= 0.1
