"""Operations in a real browser: undone, watched by others, and gone on with after a crash."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser.dashboard import Dashboard
from tests.browser.test_deleting import (
    BATCH,
    MANY,
    add_many,
    delete_many,
    is_whole,
)
from tests.outage import deletions_wait_at, is_waiting
from tests.polling import wait_until
from tests.processes import AppProcess, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import BrowserContext

    from tests.hosts import HostWriter


def test_a_deletion_is_undone_from_its_result(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    ids = host.add_runs(3)
    before = host.contents()
    ada = tab().visit()
    ada.tick(*ids[:2])
    ada.ask_to_delete_selected(2)
    expect(ada.dialog.get_by_text("A copy is kept for 30 days")).to_be_visible()
    ada.confirm("Delete 2 runs")
    ada.expect_result("2 runs deleted")
    ada.expect_ids(ids[2])
    ada.press("Undo")
    ada.expect_result("2 runs restored")
    ada.expect_ids(*reversed(ids))
    assert host.contents() == before
    ada.area("result").get_by_role("link", name="Receipt").click()
    expect(ada.page.get_by_text("Restore of 2 runs")).to_be_visible()
    expect(ada.area("receipt-headline")).to_contain_text("2 runs restored")


def test_who_closes_the_tab_in_the_middle_finds_the_deletion_and_its_receipt(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    runs = add_many(host)
    ada = tab()
    with deletions_wait_at(host, sorted(runs)[BATCH]):
        delete_many(ada)
        wait_until(lambda: is_waiting(host) and is_whole(host, MANY - BATCH))
        ada.page.close()
        ada = Dashboard(ada.context, ada.base).visit("/")
        expect(ada.area("progress")).to_contain_text(f"Deleting: {BATCH} of {MANY} runs")
        ada.area("progress").get_by_role("link", name="Details").click()
        expect(ada.area("operation-progress")).to_contain_text(f"Deleting: {BATCH} of {MANY} runs")
        ada.page.close()
    wait_until(lambda: is_whole(host, 0))
    ada = Dashboard(ada.context, ada.base)
    ada.expect_newest_operation(State="finished", Progress_and_result=f"{MANY} runs deleted")


def test_another_admin_sees_it_pauses_it_and_lets_it_go_on(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    host.add_user("grace", is_admin=True)
    runs = add_many(host)
    ada = tab()
    with deletions_wait_at(host, sorted(runs)[BATCH]):
        delete_many(ada)
        wait_until(lambda: is_waiting(host))
        grace = tab("grace").visit()
        expect(grace.area("progress")).to_contain_text("by ada")
        grace.area("progress").get_by_role("link", name="Details").click()
        expect(grace.page.get_by_text("ada, through the page")).to_be_visible()
        grace.button("Pause").click()
        expect(grace.area("operation-progress")).to_contain_text("Pausing after the present batch")
    expect(grace.button("Resume")).to_be_visible()
    expect(ada.area("progress")).to_contain_text("Paused")
    assert not is_whole(host, 0)
    grace.button("Resume").click()
    expect(grace.page.get_by_text(re.compile(f"{MANY} runs deleted"))).to_be_visible(timeout=30_000)
    ada.expect_result(f"{MANY} runs deleted")
    assert is_whole(host, 0)


def test_what_another_admin_did_is_found_and_back_leads_to_the_list_as_it_was(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    host.add_user("grace", is_admin=True)
    one, two = host.add_runs(2)
    for name, run in (("ada", one), ("grace", two)):
        admin = tab(name).visit()
        admin.tick(run)
        admin.ask_to_delete_selected(1)
        admin.confirm("Delete 1 run")
        admin.expect_result("1 run deleted")
    ada = tab().visit("/operations")
    ada.area("operations-filter").get_by_role("combobox", name="Admin").click()
    ada.page.get_by_role("option", name="grace", exact=True).click()
    expect(ada.page).to_have_url(re.compile(r"/operations\?admin=grace$"))
    ada.page.get_by_role("button", name="Deletion", exact=True).click()
    narrowed = re.compile(r"/operations\?admin=grace&kind=deletion$")
    expect(ada.page).to_have_url(narrowed)
    ada.operations.choose(0)
    expect(ada.page.get_by_text("grace, through the page")).to_be_visible()
    ada.page.go_back()
    expect(ada.page).to_have_url(narrowed)
    expect(ada.area("operations-kept")).to_contain_text("Copies kept")
    ada.page.get_by_role("button", name="Deletion", exact=True).click()
    expect(ada.page).to_have_url(re.compile(r"/operations\?admin=grace$"))


def test_what_a_killed_server_left_is_found_interrupted_and_goes_on_once_it_is_resumed(
    host: HostWriter, new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    """Two were at work; the second start has room for one at a time, so the other is found."""
    runs = add_many(host)
    few = host.new_ids(3)
    host.add_user("grace", is_admin=True)
    settings = settings_for(host.url)
    app = AppProcess(tmp_path / "log", settings).ready()
    port = int(app.url.rpartition(":")[2])
    try:
        ada = Dashboard(new_context(), app.url).signed_in_as("ada")
        with deletions_wait_at(host, sorted(runs)[BATCH], few[1]):
            delete_many(ada)
            wait_until(lambda: is_waiting(host) and is_whole(host, MANY - BATCH))
            for run in few:
                host.add_run(run, created_at=datetime.now(UTC))
                host.add_traces(run)
            before = host.contents(without=runs)
            grace = Dashboard(new_context(), app.url).signed_in_as("grace").visit("/")
            grace.tick(*few)
            grace.ask_to_delete_selected(3)
            grace.confirm("Delete 3 runs")
            wait_until(lambda: is_waiting(host, 2))
            app.kill()
            app = AppProcess(
                tmp_path / "log", settings | {"RUNMANAGER_POOL_SIZE": "3"}, port=port
            ).ready()
            grace.visit("/operations")
            grace.operations.choose(0)
            progress = grace.area("operation-progress")
            # Its lease lapses first.
            expect(progress).to_contain_text("Interrupted: it goes on by itself", timeout=40_000)
            expect(grace.area("run-title")).to_contain_text("interrupted")
            grace.button("Pause").click()
            expect(progress).to_contain_text("Paused")
            grace.button("Resume").click()
            expect(progress).to_contain_text("Waiting for its turn")
            assert host.contents(without=runs) == before
        expect(grace.page.get_by_text("3 runs deleted").first).to_be_visible(timeout=60_000)
        assert is_whole(host, 0)
        grace.press("Restore all")
        grace.dialog.get_by_role("button", name="Restore 3 runs").click()
        expect(grace.page.get_by_text("3 runs restored")).to_be_visible(timeout=30_000)
        assert host.contents() == before
        # What was at work before it was gone on with by itself.
        grace.visit("/operations", admin="ada").settle()
        grace.operations.choose(0)
        expect(grace.page.get_by_text(f"{MANY} runs deleted").first).to_be_visible()
        expect(grace.page.get_by_text("1 time, and gone on with")).to_be_visible()
    finally:
        app.stop()
