"""Deleting in a real browser: what happens in the database, whatever happens to the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from runmanager import batches
from tests.browser.dashboard import Dashboard
from tests.outage import away, deletions_wait_at, is_waiting
from tests.passwords import set_password
from tests.polling import wait_until
from tests.processes import AppProcess, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import BrowserContext, Dialog

    from tests.browser.conftest import Site
    from tests.hosts import HostWriter

MANY = 250  # several batches; the page shows 200 at once
BATCH = batches.FIRST_BATCH_SIZE
HOLD = """
    CREATE TABLE invoices (id integer PRIMARY KEY, run text REFERENCES run_metadata (thread_id));
    INSERT INTO invoices VALUES (1, '{}');
"""


def add_many(host: HostWriter) -> list[str]:
    """Many runs with one row in each table, in the order in which they are deleted."""
    host.execute(
        "INSERT INTO run_metadata (thread_id, run_name, status, created_at)"
        " SELECT 'm-' || lpad(n::text, 4, '0'), 'Many', 'completed', now()"
        " FROM generate_series(1, 250) n;"
        "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint)"
        " SELECT thread_id, 'c', '{}' FROM run_metadata;"
        "INSERT INTO checkpoint_writes (thread_id, checkpoint_id, task_id, idx, channel, blob)"
        " SELECT thread_id, 'c', 't', 1, 'state', 'abc' FROM run_metadata;"
        "INSERT INTO checkpoint_blobs (thread_id, channel, version, type, blob)"
        " SELECT thread_id, 'state', '1', 'msgpack', 'abc' FROM run_metadata;"
        "INSERT INTO logs (thread_id, level, message, created_at)"
        " SELECT thread_id, 'INFO', 'line', now() - interval '1 hour' FROM run_metadata"
    )
    return [thread_id for (thread_id,) in host.execute("SELECT thread_id FROM run_metadata")]


def select_many(ada: Dashboard) -> None:
    """Select every run, page by page."""
    ada.visit("/", page_size="200").expect_total(f"{MANY} runs")
    ada.select_page()
    expect(ada.button("Delete 200")).to_be_visible()
    ada.turn_page()
    expect(ada.area("footer")).to_contain_text("201–")  # noqa: RUF001
    ada.select_page()
    expect(ada.button(f"Delete {MANY}")).to_be_visible()


def delete_many(ada: Dashboard) -> None:
    """Delete every run, which asks for their number."""
    select_many(ada)
    ada.ask_to_delete_selected(MANY)
    confirm = ada.dialog.get_by_role("button", name=f"Delete {MANY} runs")
    expect(confirm).to_be_disabled()
    ada.dialog.get_by_label(f"Type {MANY}").fill(str(MANY))
    expect(confirm).to_be_enabled()
    confirm.click()


def left(host: HostWriter) -> dict[str, int]:
    """How many runs have rows, by table."""
    return {
        table: int(host.execute(f"SELECT count(DISTINCT thread_id) FROM {table}")[0][0])  # noqa: S608
        for table in host.shape.tables
    }


def is_whole(host: HostWriter, runs: int) -> bool:
    """Whether exactly so many runs are left, and all of each."""
    return set(left(host).values()) == {runs}


def test_what_is_selected_on_several_pages_goes_with_every_trace(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    ids = host.add_runs(8)
    before = host.contents(without=[ids[7], ids[2]])
    ada = tab().visit("/", page_size="5")
    ada.tick(ids[7])
    ada.turn_page()
    ada.expect_ids(ids[2], ids[1], ids[0])
    ada.tick(ids[2])
    ada.ask_to_delete_selected(2)
    ada.confirm("Delete 2 runs")
    ada.expect_result("2 runs deleted")
    expect(ada.area("result")).to_contain_text(
        "Rows deleted: 2 run_metadata, 2 checkpoint_blobs, 2 checkpoint_writes, 2 checkpoints and "
        "2 logs."
    )
    ada.expect_total("6 runs")
    assert host.contents() == before
    assert host.is_gone(ids[2])
    assert host.is_gone(ids[7])


@pytest.mark.parametrize("shape", ["text", "uuid"], indirect=True)
def test_every_form_of_host_from_sign_in_to_receipt(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    goes, stays = (host.add_run(name=name, user="kate", workspace="Ops") for name in ("Go", "Stay"))
    for run in (goes, stays):
        host.add_traces(run)
    host.add_run(user="linus", workspace="Legal")
    before = host.contents(without=[goes])
    ada = tab().visit()
    ada.expect_total("3 runs")
    ada.choose("User", "kate")
    ada.expect_total("2 runs")
    ada.choose("Workspace", "Ops")
    ada.open(goes)
    expect(ada.area("run-title")).to_contain_text("Go")
    expect(ada.page.get_by_text("Checkpoints · 2")).to_be_visible()
    ada.page.get_by_role("link", name="All runs").click()
    ada.expect_total("2 runs")
    ada.tick(goes)
    ada.ask_to_delete_selected(1)
    ada.confirm("Delete 1 run")
    ada.expect_result("1 run deleted")
    ada.expect_ids(stays)
    assert host.is_gone(goes)
    assert host.contents() == before


def test_who_comes_second_is_told_which_runs_were_not_found(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    host.add_user("grace", is_admin=True)
    ids = host.add_runs(3)
    ada, grace = tab().visit(), tab(of="grace").visit()
    ada.tick(*ids)
    ada.ask_to_delete_selected(3)
    grace.tick(*ids[:2])
    grace.ask_to_delete_selected(2)
    grace.confirm("Delete 2 runs")
    grace.expect_result("2 runs deleted")
    ada.confirm("Delete 3 runs")
    ada.expect_result("1 run deleted, 2 failed")
    expect(ada.failures.cells("Reason")).to_have_text(["Run not found"] * 2)
    assert is_whole(host, 0)


def test_a_run_that_the_hosts_keys_hold_is_named_beforehand_and_stays_alone(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    ids = host.add_runs(3)
    host.execute(HOLD.format(ids[1]))
    ada = tab().visit()
    ada.tick(*ids)
    ada.ask_to_delete_selected(3)
    expect(ada.dialog).to_contain_text("1 run is held by rows that the application keeps")
    ada.dialog.get_by_role("tab", name="Left out 1").click()
    expect(ada.dialog).to_contain_text("name “invoices” in RUNMANAGER_TRACE_TABLES")
    ada.confirm("Delete 2 runs")
    ada.expect_result("2 runs deleted, 1 failed")
    expect(ada.failures.cells("Reason")).to_contain_text(["Rows of “invoices” refer to its row"])
    ada.expect_ids(ids[1])
    # What was left out is not left marked to be deleted.
    expect(ada.button("Delete")).to_be_disabled()
    expect(ada.runs.cell(0, "")).to_have_text("false")
    assert is_whole(host, 1)


def test_a_confirmation_that_is_put_away_deletes_nothing(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    ids = host.add_runs(2)
    ada = tab().visit()
    ada.tick(*ids)
    ways: tuple[Callable[[], None], ...] = (
        lambda: ada.page.keyboard.press("Escape"),
        lambda: ada.dialog.get_by_role("button", name="Cancel").click(),
        lambda: ada.dialog.get_by_role("button", name="Close").click(),
    )
    for put_away in ways:
        ada.ask_to_delete_selected(2)
        put_away()
        expect(ada.dialog).to_have_count(0)
        expect(ada.button("Delete 2")).to_be_enabled()
        assert is_whole(host, 2)


def test_a_deletion_goes_on_whatever_happens_to_its_page(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    runs = add_many(host)
    ada = tab()
    with deletions_wait_at(host, sorted(runs)[BATCH]):
        delete_many(ada)
        wait_until(lambda: is_waiting(host) and is_whole(host, MANY - BATCH))
        # Whoever comes back finds it at work.
        at_work = f"Deleting: {BATCH} of {MANY} runs"
        expect(ada.area("progress")).to_contain_text(at_work)
        ada.page.keyboard.press("Escape")
        ada.page.mouse.click(640, 5)
        ada.page.reload()
        expect(ada.area("progress")).to_contain_text(at_work)
        ada.page.close()
        ada = Dashboard(ada.context, ada.base).visit()
        expect(ada.area("progress")).to_contain_text(at_work)
        assert is_whole(host, MANY - BATCH)
    ada.expect_result(f"{MANY} runs deleted")
    assert is_whole(host, 0)


def test_a_deletion_is_stopped_after_its_batch(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    runs = add_many(host)
    ada = tab()
    with deletions_wait_at(host, sorted(runs)[20]):
        delete_many(ada)
        wait_until(lambda: is_waiting(host))
        ada.button("Stop").click()
        expect(ada.area("progress")).to_contain_text("Stopping after the present batch")
    ada.expect_result(f"{BATCH} runs deleted, {MANY - BATCH} failed")
    assert is_whole(host, MANY - BATCH)


def test_who_loses_the_role_at_an_open_confirmation_deletes_nothing(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    ids = host.add_runs(2)
    ada = tab().visit()
    ada.tick(*ids)
    ada.ask_to_delete_selected(2)
    host.execute("UPDATE users SET is_admin = false WHERE username = 'ada'")
    ada.confirm("Delete 2 runs")
    ada.expect_only_sign_in()
    assert is_whole(host, 2)


def test_a_process_that_is_killed_leaves_whole_runs_only(
    host: HostWriter, new_context: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    runs = add_many(host)
    app = AppProcess(tmp_path / "log", settings_for(host.url)).ready()
    try:
        ada = Dashboard(new_context(), app.url).signed_in_as("ada")
        with deletions_wait_at(host, sorted(runs)[BATCH]):
            delete_many(ada)
            wait_until(lambda: is_waiting(host))
            app.kill()
            expect(ada.page.get_by_text("Connection error").first).to_be_visible()
        # The database notices that nobody is there once it has something to say.
        wait_until(lambda: not host.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND query LIKE '%%DELETE%%' AND state = 'active' AND pid <> pg_backend_pid()"
        ))  # fmt: skip
        assert is_whole(host, MANY - BATCH)
    finally:
        app.stop()


def test_a_database_that_comes_back_is_used_again(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    ids = host.add_runs(2)
    ada = tab().visit()
    ada.tick(ids[0])
    with away(host):
        ada.press("Refresh")
        expect(ada.page.get_by_text("The database did not answer").first).to_be_visible()
    ada.press("Try again")
    ada.expect_ids(*reversed(ids))


def test_nothing_leaves_the_server_and_nothing_complains(
    site: Site, tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    hostile = ["<script>alert(1)</script>", "![x](http://example.invalid/x.png)"]
    runs = [
        host.add_run(name=name, status=name, user=name, workspace=name, error_message=name)
        for name in [*hostile, "<img src=http://example.invalid/y.png>"]
    ]
    for run in runs:
        host.add_traces(run)
    host.execute("UPDATE logs SET message = %s, level = %s", hostile[1], hostile[1])
    host.add_runs(60)
    set_password(host, "ada", "another password")
    ada = tab(of=None).visit()
    dialogs: list[str] = []

    def refuse(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    ada.page.on("dialog", refuse)
    ada.fill_form("ada", "another password")
    ada.expect_total("63 runs")
    ada.choose("User", hostile[1])
    ada.expect_ids(runs[1])
    ada.tick(runs[1])
    ada.ask_to_delete_selected(1)
    ada.dialog.get_by_role("button", name="Cancel").click()
    for run in runs:
        ada.visit("/run", id=run)
        expect(ada.page.get_by_text("Rows and bytes")).to_be_visible()
    ada.press("Delete this run")
    ada.confirm("Delete 1 run")
    ada.expect_result("1 run deleted")
    ada.sign_out()
    server = site.app.url.partition("//")[2]
    elsewhere = [
        url
        for url in ada.requests
        if not url.startswith((f"http://{server}/", f"ws://{server}/", "data:", "blob:"))
    ]
    assert elsewhere == []
    assert ada.complaints == []
    assert dialogs == []
    assert "Traceback" not in site.app.said
