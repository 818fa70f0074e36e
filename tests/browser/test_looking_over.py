"""What tables and the run page show, exactly: times, numbers, statuses, ticks, and other tabs."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.dashboard import Dashboard
from tests.browser.grid import Grid
from tests.processes import AppProcess, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import BrowserContext, Locator

    from tests.hosts import HostWriter

ODD_ID = "a/b?c#d&e=f %41 é"
HEADING_MIDDLE = 18


def table(ada: Dashboard, column: str) -> Grid:
    """The table on the run page that has this column."""
    root = ada.page.get_by_test_id("stDataFrame").filter(
        has=ada.page.locator("th").filter(has_text=re.compile(f"^{re.escape(column)}$"))
    )
    expect(root).to_be_attached()
    return Grid(ada.page, root)


def click_heading(ada: Dashboard, root: Locator, x: int) -> None:
    """Click with the mouse, as a viewer does, at ``x`` in the row of headings."""
    root.scroll_into_view_if_needed()
    box = root.bounding_box()
    assert box is not None
    ada.page.mouse.click(box["x"] + x, box["y"] + HEADING_MIDDLE)


@pytest.mark.parametrize("under", ["", "tools/rm"])
def test_a_run_is_opened_in_a_new_tab_which_has_its_name(
    host: HostWriter,
    new_context: Callable[..., BrowserContext],
    tmp_path: Path,
    under: str,
) -> None:
    name = ":material/delete: **Order** <b>7</b>"
    host.add_run(ODD_ID, name=name, parent_thread_id=ODD_ID)
    settings = settings_for(host.url) | {"STREAMLIT_SERVER_BASE_URL_PATH": under}
    app = AppProcess(tmp_path / "log", settings)
    app.url = f"{app.url}/{under}".rstrip("/")
    try:
        ada = Dashboard(new_context(), app.ready().url).signed_in_as("ada").visit("/")
        ada.expect_ids(ODD_ID)
        assert ada.page.title() == "Run Manager"
        ada.settle()
        with ada.context.expect_page() as opened:
            ada.runs.click(0, "Tab")
        other = opened.value
        expect(other.locator(".st-key-run-title")).to_contain_text("**Order** <b>7</b>")
        expect(other).to_have_title(":material/delete: **Order** <b>7</b> · Run Manager")
        expect(other.locator(".st-key-run-id")).to_contain_text(ODD_ID)
        ada.expect_ids(ODD_ID)
        ada.open(ODD_ID)
        expect(ada.page).to_have_title(":material/delete: **Order** <b>7</b> · Run Manager")
        address = f"{app.url}/run?id={quote(ODD_ID, safe='')}"
        parent = Grid(ada.page, ada.page.get_by_test_id("stDataFrame").first)
        expect(parent.cells("Tab")).to_have_text([address])
        ada.page.get_by_role("link", name="All runs").click()
        ada.expect_ids(ODD_ID)
        expect(ada.page).to_have_title("Run Manager")
    finally:
        app.stop()


def test_a_tick_stays_with_its_checkpoint(tab: Callable[..., Dashboard], host: HostWriter) -> None:
    run = host.add_run()
    host.add_traces(run, checkpoints=5)
    ada = tab().visit("/run", id=run)
    ada.settle()
    table(ada, "Checkpoint").choose(1)
    expect(ada.area("opened-checkpoint")).to_contain_text("Checkpoint c4")
    host.execute(
        "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint)"
        " VALUES (%s, 'c6', '{}'), (%s, 'c7', '{}')",
        run,
        run,
    )
    ada.settle()
    # Any rerun of the timeline: here the whole page's, by a click on its log.
    ada.press("Delete this run")
    ada.dialog.get_by_role("button", name="Cancel").click()
    expect(ada.dialog).to_have_count(0)
    timeline = table(ada, "Checkpoint")
    expect(timeline.cells("Checkpoint")).to_have_text(["c7", "c6", "c5", "c4", "c3", "c2", "c1"])
    expect(ada.area("opened-checkpoint")).to_contain_text("Checkpoint c4")
    expect(timeline.chosen).to_have_count(1)
    expect(timeline.chosen).to_contain_text("c4")
    # And it can be taken away.
    ada.settle()
    timeline.choose(3)
    expect(ada.area("opened-checkpoint")).to_have_count(0)


def test_numbers_and_statuses_are_shown_as_they_are_stored(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    host.execute("ALTER TABLE run_metadata ALTER COLUMN metadata TYPE text")
    stored = '{"n": 1234567890123456789, "x": 1e400, "y": 9007199254740993}'
    for status in ("https://x.example", ":streamlit:", "a\\b"):
        run = host.add_run(status=status, initial_data='{"small": 17}', metadata=stored)
        ada = tab().visit("/run", id=run)
        expect(ada.area("run-title").locator(".run-status")).to_have_text(f"○ {status}")
        expect(ada.area("run-title").locator("a, img")).to_have_count(0)
        expect(ada.page.get_by_test_id("stJson")).to_have_count(1)
        for number in ("1234567890123456789", "1e400", "9007199254740993"):
            expect(ada.page.get_by_test_id("stCode").get_by_text(number)).to_be_visible()
        ada.page.close()
    host.execute("ALTER TABLE run_metadata ALTER COLUMN metadata TYPE jsonb USING metadata::jsonb")


def test_a_status_has_its_colour(tab: Callable[..., Dashboard], host: HostWriter) -> None:
    ada = tab().visit("/run", id=host.add_run(status="failed"))
    drawn = ada.area("run-title").locator(".run-status")
    expect(drawn).to_have_text("✕ failed")
    expect(drawn).to_have_css("background-color", "rgb(251, 208, 208)")


def test_two_times_never_look_alike(tab: Callable[..., Dashboard], host: HostWriter) -> None:
    for hour in (0, 1):
        host.add_run(f"at-{hour}", created_at=datetime(2026, 10, 25, hour, 30, tzinfo=UTC))
    host.add_traces("at-0", logs=2, checkpoints=0)
    host.execute("UPDATE logs SET created_at = '2019-06-01T00:00:01Z' WHERE message = 'line 1'")
    host.execute("UPDATE logs SET created_at = '2026-06-01T00:00:01Z' WHERE message = 'line 2'")
    ada = tab(timezone_id="Europe/Berlin").visit()
    ada.expect_ids("at-1", "at-0")
    # A screen reader is told the times so; how they are drawn is the column's format.
    expect(ada.runs.cells("Started (Europe/Berlin)")).to_have_text(
        ["2026-10-25 02:30:00+01:00", "2026-10-25 02:30:00+02:00"]
    )
    ada.select_page()
    ada.ask_to_delete_selected(2)
    ada.settle()
    expect(ada.shown_in_dialog.cells("Started (Europe/Berlin)")).to_have_text(
        ["2026-10-25 02:30:00+01:00", "2026-10-25 02:30:00+02:00"]
    )
    ada.visit("/run", id="at-0")
    expect(ada.area("facts")).to_contain_text("25 Oct 2026, 02:30:00 CEST")
    expect(table(ada, "Message").cells("Time (Europe/Berlin)")).to_have_text(
        ["2026-06-01 02:00:01+02:00", "2019-06-01 02:00:01+02:00"]
    )


def test_no_table_offers_a_download_and_all_can_be_copied(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    run = host.add_run(name='=HYPERLINK("x")')
    host.add_traces(run)
    host.add_run(parent_thread_id=run)
    ada = tab().visit()
    ada.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ada.tick(run)
    seen = offers(ada)
    ada.runs.focus(ada.runs.row_of("ID", run), "")
    for _column in ("Status", "ID", "Name"):
        ada.page.keyboard.press("ArrowRight")
    ada.page.keyboard.press("Control+C")
    ada.page.wait_for_function(
        "navigator.clipboard.readText().then(text => text.includes('HYPERLINK'))"
    )
    ada.ask_to_delete_selected(1)
    seen += offers(ada)
    ada.visit("/run", id=run)
    expect(ada.page.get_by_text("Rows and bytes")).to_be_visible()
    table(ada, "Checkpoint").choose(0)
    expect(ada.area("opened-checkpoint")).to_contain_text("Writes")
    seen += offers(ada)
    assert seen >= 9


def offers(ada: Dashboard) -> int:
    """See that no table on the page has a button for a download; how many tables there are."""
    ada.settle()
    tables = ada.page.get_by_test_id("stDataFrame")
    for one in tables.all():
        one.scroll_into_view_if_needed()
        one.hover(force=True)
    expect(
        ada.page.get_by_role("button", name=re.compile("download|csv", re.IGNORECASE))
    ).to_have_count(0)
    return tables.count()


def test_one_page_of_more_is_not_sorted_by_a_click_on_a_heading(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    for name in ("b", "a", "c"):
        host.add_run(f"run-{name}", name=name)
    host.add_traces("run-a", logs=101)
    host.add_traces("run-b", logs=2)
    ada = tab().visit()
    ada.expect_ids("run-c", "run-b", "run-a")
    ada.settle()
    for x in (250, 300, 600):
        click_heading(ada, ada.runs.root, x)
    ada.visit("/run", id="run-a")
    ada.settle()
    paged = table(ada, "Message")
    click_heading(ada, paged.root, 300)
    # A whole table may be sorted, and shows that the click is one that sorts.
    whole = table(ada, "Size as stored")
    click_heading(ada, whole.root, 40)
    expect(whole.root.locator("th").filter(has_text="↑")).to_have_count(1)
    expect(paged.root.locator("th").filter(has_text=re.compile("[↑↓]"))).to_have_count(0)
    ada.visit()
    ada.expect_ids("run-c", "run-b", "run-a")
    for x in (250, 300, 600):
        click_heading(ada, ada.runs.root, x)
    ada.tick("run-b")
    expect(ada.runs.root.locator("th").filter(has_text=re.compile("[↑↓]"))).to_have_count(0)
    ada.expect_ids("run-c", "run-b", "run-a")
