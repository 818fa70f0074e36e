"""Deleting from the pages: what is asked, what is said afterwards, and what stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pages.parts import session
from tests.pages.conftest import Visitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

HOLD = """
    CREATE TABLE invoices (id integer PRIMARY KEY, run text REFERENCES run_metadata (thread_id));
    INSERT INTO invoices VALUES (1, '{}');
"""
REFUSE = "IF OLD.thread_id = '{}' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN OLD;"
HELD = (
    "Rows of “invoices” refer to its row of “run_metadata” (constraint “invoices_run_fkey”), and "
    "the database keeps them. Remove those references; or name “invoices” in "
    "RUNMANAGER_TRACE_TABLES, and such rows go with their run."
)


def said(visitor: Visitor) -> str:
    app = visitor.app
    elements = [*app.markdown, *app.text, *app.caption, *app.warning, *app.info]
    return "\n".join(str(one.value) for one in elements)


def test_the_dialog_says_exactly_what_goes(ada: Visitor, host: HostWriter) -> None:
    ids = host.add_runs(7)
    host.add_traces("orphan")
    ada.at().press("select_page").press("delete_selected")
    assert "**7 runs** and every trace of them will be deleted: **35 rows**" in said(ada)
    assert any(one.startswith("A copy is kept for 30 days") for one in ada.texts)
    assert {
        "Status: completed 7",
        "Users: no user 7",
        "Workspaces: no workspace 7",
        "Started: 1 Jan 2025, 12:00:00 UTC",
    } <= set(ada.texts)
    assert list(ada.tables("Run", "Status")[0]["ID"]) == ids[::-1]
    tables = ada.open_tab("Tables").tables("Table", "Rows")[0]
    assert dict(zip(tables["Table"], tables["Rows"], strict=True)) == dict.fromkeys(
        ("run_metadata", "checkpoint_blobs", "checkpoint_writes", "checkpoints", "logs"), 7
    )
    assert "Nothing of these runs stays." in ada.open_tab("Kept").texts
    assert "No run is left out." in ada.open_tab("Left out").texts
    assert ada.app.button(key="confirm_deletion").label == "Delete 7 runs"
    assert not ada.app.button(key="confirm_deletion").disabled
    assert not any(host.is_gone(run) for run in ids)


def test_cancelling_deletes_nothing_and_keeps_the_selection(ada: Visitor, host: HostWriter) -> None:
    ids = host.add_runs(2)
    ada.at().tick(*ids).press("delete_selected").press("cancel_deletion")
    assert not ada.has_button("confirm_deletion")
    assert ada.selection == set(ids)
    assert not any(host.is_gone(run) for run in ids)


def test_a_deletion_removes_every_trace_and_says_what_went(ada: Visitor, host: HostWriter) -> None:
    gone, stays = host.add_runs(2)
    before = host.contents(without=[gone])
    ada.at().tick(gone).press("delete_selected").press("confirm_deletion").finish_deletion()
    assert "**1 run deleted** · 5 rows" in said(ada)
    assert (
        "Rows deleted: 1 run_metadata, 1 checkpoint_blobs, 1 checkpoint_writes, 1 checkpoints and "
        "1 logs." in said(ada)
    )
    assert host.is_gone(gone)
    assert host.contents() == before
    assert ada.rows == [stays]
    assert ada.selection == set()
    ada.press("close_result")
    assert "deleted" not in said(ada)


def test_the_result_outlives_a_change_of_page(ada: Visitor, host: HostWriter) -> None:
    gone, stays = host.add_runs(2)
    ada.at().tick(gone).press("delete_selected").press("confirm_deletion").finish_deletion()
    assert "**1 run deleted**" in said(ada.at_run(stays))


def test_running_runs_are_left_out_unless_included(ada: Visitor, host: HostWriter) -> None:
    (done,) = host.add_runs(1)
    running = host.add_run(status="Running")
    ada.at().press("select_page").press("delete_selected")
    assert "**1 run still running is left out.**" in said(ada)
    assert ada.app.button(key="confirm_deletion").label == "Delete 1 run"
    ada.app.checkbox(key="include_running").check()
    ada.look()
    assert "**1 running run included.**" in said(ada)
    assert ada.app.button(key="confirm_deletion").label == "Delete 2 runs"
    ada.app.checkbox(key="include_running").uncheck()
    ada.look().press("confirm_deletion").finish_deletion()
    assert host.is_gone(done)
    assert not host.is_gone(running)
    # What was left out is not left selected, beside a red button.
    assert ada.selection == set()


def test_only_running_runs_leave_nothing_to_confirm(ada: Visitor, host: HostWriter) -> None:
    running = host.add_run(status="running")
    ada.at().press("select_page").press("delete_selected")
    assert ada.app.button(key="confirm_deletion").disabled
    ada.app.checkbox(key="include_running").check()
    ada.look().press("confirm_deletion").finish_deletion()
    assert host.is_gone(running)


def test_the_box_for_running_runs_is_never_ticked_from_last_time(
    ada: Visitor, host: HostWriter
) -> None:
    host.add_run(status="running")
    ada.at().press("select_page").press("delete_selected")
    ada.app.checkbox(key="include_running").check()
    ada.look().press("cancel_deletion").press("delete_selected")
    assert ada.app.checkbox(key="include_running").value is False
    assert ada.app.button(key="confirm_deletion").disabled


def test_the_dialog_says_what_the_hosts_keys_hold_keep_and_take(
    ada: Visitor, host: HostWriter
) -> None:
    host.execute(
        "CREATE TABLE bills (run text REFERENCES run_metadata);"
        "CREATE TABLE invoices (run text REFERENCES run_metadata ON DELETE SET NULL);"
        "CREATE TABLE notes (run text REFERENCES run_metadata ON DELETE CASCADE)"
    )
    free, held = host.add_runs(2, name="An *order*")
    host.execute("INSERT INTO bills VALUES (%s)", held)
    host.execute("INSERT INTO invoices VALUES (%s)", free)
    host.execute("INSERT INTO notes VALUES (%s), (%s)", free, free)
    ada.at().press("select_page").press("delete_selected")
    assert "**1 run is held by rows that the application keeps, and stays.**" in said(ada)
    (reason,) = ada.open_tab("Left out 1").tables("Run", "Reason")[0]["Reason"]
    assert reason.startswith("Rows of “bills” refer to its row")
    assert reason in ada.texts
    kept = "1 reference is cleared in “invoices”, whose rows are kept."
    assert kept in ada.open_tab("Kept and left behind 1").texts
    tables = ada.open_tab("Tables").tables("Table", "Rows")[0]
    assert dict(zip(tables["Table"], tables["Rows"], strict=True))["notes"] == 2
    assert ada.app.button(key="confirm_deletion").label == "Delete 1 run"
    ada.press("confirm_deletion").finish_deletion()
    assert "**1 run deleted, 1 failed**" in said(ada)
    assert host.count("run_metadata", held) == 1
    assert host.execute("SELECT run FROM invoices") == [(None,)]


def test_a_dialog_with_nothing_but_held_runs_deletes_nothing(
    ada: Visitor, host: HostWriter
) -> None:
    host.execute("CREATE TABLE bills (run text REFERENCES run_metadata)")
    for run in host.add_runs(2):
        host.execute("INSERT INTO bills VALUES (%s)", run)
    ada.at().press("select_page").press("delete_selected")
    assert "**2 runs are held by rows that the application keeps, and stay.**" in said(ada)
    assert ada.app.button(key="confirm_deletion").disabled


def test_a_plan_that_is_out_of_date_is_said_and_made_again(ada: Visitor, host: HostWriter) -> None:
    (run,) = host.add_runs(1)
    ada.at().press("select_page").press("delete_selected")
    host.execute("CREATE TABLE notes (run text REFERENCES run_metadata ON DELETE CASCADE)")
    ada.press("confirm_deletion")
    assert any("changed since the plan. Plan it again." in one for one in ada.texts)
    assert not host.is_gone(run)
    tables = ada.press("try_again").open_tab("Tables").tables("Table", "Rows")[0]
    assert "notes" in list(tables["Table"])
    ada.press("confirm_deletion").finish_deletion()
    assert host.is_gone(run)


def unknown(visitor: Visitor) -> list[str]:
    """What the dialog says of statuses that nobody knows."""
    return [one for one in visitor.texts if "as if" in one or "The same goes" in one]


def test_the_dialog_says_which_statuses_it_does_not_know(ada: Visitor, host: HostWriter) -> None:
    for status in ("frobnicating", "done", "frobnicating", "*odd*", None, "frobnicating"):
        host.add_run(status=status)
    ada.at().press("select_page").press("delete_selected")
    three, none, one = unknown(ada)
    assert three == (
        "3 runs have the status “frobnicating”, which Run Manager does not know: they are deleted "
        "as if they had ended. If it means that they still run, add it to "
        "RUNMANAGER_RUNNING_WORDS."
    )
    assert none == "1 run has no status: it is deleted as if it had ended."
    assert one == (
        "1 run has the status “*odd*”, which Run Manager does not know: it is deleted as if it had "
        "ended. If it means that it still runs, add it to RUNMANAGER_RUNNING_WORDS."
    )
    assert not ada.app.button(key="confirm_deletion").disabled


def test_the_dialog_names_five_unknown_statuses_and_counts_the_others(
    ada: Visitor, host: HostWriter
) -> None:
    for number in range(8):
        host.add_run(status=f"odd {number}")
    ada.at().press("select_page").press("delete_selected")
    assert len(unknown(ada)) == 6
    assert unknown(ada)[-1] == "The same goes for 3 more statuses of 3 runs."


def test_a_dialog_that_knows_every_status_says_nothing_of_it(
    ada: Visitor, host: HostWriter
) -> None:
    for status in ("done", "Timed out", "idle", "running"):
        host.add_run(status=status)
    ada.at().press("select_page").press("delete_selected")
    assert unknown(ada) == []


def test_the_host_s_own_word_for_running_is_left_out_and_blue(
    host: HostWriter, open_manager: OpenManager
) -> None:
    session.provide(open_manager(running_words=("brewing",)))
    ada = Visitor(session.service()).signed_in_as("ada")
    run = host.add_run(status="Brewing")
    assert "#d8e6fd" in ada.at().everything
    ada.press("select_page").press("delete_selected")
    assert "1 run still running is left out." in said(ada)
    assert unknown(ada) == []
    assert "#d8e6fd" in ada.at_run(run).status


@pytest.mark.parametrize("typed", ["", "100", "101 runs", "1.01", "٢", "-101"])
def test_above_a_hundred_the_number_is_typed(ada: Visitor, host: HostWriter, typed: str) -> None:
    for _ in range(101):
        host.add_run()
    ada.at(page_size="200").press("select_page").press("delete_selected")
    ada.app.text_input(key="typed_count").set_value(typed)
    assert ada.look().app.button(key="confirm_deletion").disabled
    ada.app.text_input(key="typed_count").set_value(" 101 ")
    assert not ada.look().app.button(key="confirm_deletion").disabled


def test_a_hundred_are_deleted_without_typing(ada: Visitor, host: HostWriter) -> None:
    for _ in range(100):
        host.add_run()
    ada.at(page_size="200").press("select_page").press("delete_selected")
    assert not any(one.key == "typed_count" for one in ada.app.text_input)
    ada.press("confirm_deletion").finish_deletion()
    assert "**100 runs deleted**" in said(ada)
    assert host.execute("SELECT count(*) FROM run_metadata") == [(0,)]


def test_a_run_that_is_gone_by_now_is_named_in_the_dialog_and_fails(
    ada: Visitor, host: HostWriter
) -> None:
    ids = host.add_runs(3)
    ada.at().tick(*ids)
    host.execute("DELETE FROM run_metadata WHERE thread_id = %s", ids[0])
    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes", "logs"):
        host.execute(f"DELETE FROM {table} WHERE thread_id = %s", ids[0])  # noqa: S608
    ada.press("delete_selected")
    assert "1 selected run is no longer in the database: somebody else deleted it." in said(ada)
    ada.press("confirm_deletion").finish_deletion()
    assert "**2 runs deleted, 1 failed**" in said(ada)
    failures = ada.tables("Failed run", "Reason")[0]
    assert list(failures["ID"]) == [ids[0]]
    assert list(failures["Reason"]) == ["Run not found"]


def test_a_run_that_goes_after_the_dialog_fails_alone(ada: Visitor, host: HostWriter) -> None:
    ids = host.add_runs(2)
    ada.at().tick(*ids).press("delete_selected")
    for table in host.shape.tables:
        host.execute(f"DELETE FROM {table} WHERE thread_id = %s", ids[1])  # noqa: S608
    ada.press("confirm_deletion").finish_deletion()
    assert "**1 run deleted, 1 failed**" in said(ada)
    assert list(ada.tables("Failed run")[0]["Reason"]) == ["Run not found"]


def test_a_run_that_the_database_holds_fails_alone_and_is_selected_no_more(
    ada: Visitor, host: HostWriter
) -> None:
    ids = host.add_runs(3)
    host.execute(HOLD.format(ids[1]))
    ada.at().tick(*ids).press("delete_selected").press("confirm_deletion").finish_deletion()
    assert "**2 runs deleted, 1 failed**" in said(ada)
    assert list(ada.tables("Failed run")[0]["Reason"]) == [HELD]
    assert ada.selection == set()
    assert set(host.counts(ids[1]).values()) == {1}
    host.execute("DROP TABLE invoices")
    ada.tick(ids[1]).press("delete_selected").press("confirm_deletion").finish_deletion()
    assert host.is_gone(ids[1])


def test_orphan_rows_are_cleaned_up_and_said_so(ada: Visitor, host: HostWriter) -> None:
    host.add_traces("orphan")
    ada.at_run("orphan")
    assert "This run has no row of its own any more" in said(ada)
    ada.press("delete_run")
    assert "1 run left only orphan rows: those are cleaned up." in said(ada)
    ada.press("confirm_deletion").finish_deletion()
    assert "1 run had orphan rows only: they were cleaned up." in said(ada)
    assert host.is_gone("orphan")


def test_deleting_from_the_run_page_leaves_its_result_and_the_way_back(
    ada: Visitor, host: HostWriter
) -> None:
    (run,) = host.add_runs(1)
    ada.at_run(run).press("delete_run").press("confirm_deletion").finish_deletion()
    assert host.is_gone(run)
    assert "**1 run deleted**" in said(ada)
    assert "This run was deleted." in said(ada)
    assert "All runs" in [link.value for link in ada.app.page_link]
    ada.press("close_result")
    assert "Run not found" in said(ada)
    assert "Back to all runs" in [link.value for link in ada.app.page_link]


def test_what_another_table_keeps_is_named(host: HostWriter, open_manager: OpenManager) -> None:
    host.execute("CREATE TABLE audit (thread_id text, event text)")
    run = host.add_run()
    host.execute("INSERT INTO audit VALUES (%s, 'started'), (%s, 'ended')", run, run)
    manager = open_manager()
    session.provide(manager)
    ada = Visitor(manager).signed_in_as("ada").at_run(run)
    assert "Left behind when this run is deleted: 2 rows in audit" in ada.texts
    ada.press("delete_run").open_tab("Kept and left behind 1")
    assert "Left behind: 2 rows in audit" in ada.texts
    ada.press("confirm_deletion").finish_deletion()
    assert host.count("audit", run) == 2


def test_a_deletion_that_is_running_can_be_watched_from_another_session(
    ada: Visitor, host: HostWriter, visitor: Callable[..., Visitor]
) -> None:
    ids = host.add_runs(2)
    other = visitor().signed_in_as("ada").at()
    ada.at().tick(*ids).press("delete_selected")
    with host.connection.transaction():
        host.execute("SELECT 1 FROM run_metadata FOR UPDATE")
        ada.press("confirm_deletion")
        assert ada.has_button("stop_operation")
        assert other.look().has_button("stop_operation")
    other.finish_deletion()


def test_a_run_that_fails_stays_selected_and_goes_once_nothing_hinders_it(
    ada: Visitor, host: HostWriter
) -> None:
    one, two = host.add_runs(2)
    host.add_trigger("run_metadata", REFUSE.format(one))
    ada.at().tick(one, two).press("delete_selected").press("confirm_deletion").finish_deletion()
    assert "**1 run deleted, 1 failed**" in said(ada)
    assert ada.selection == {one}
    host.execute("DROP FUNCTION refuse CASCADE")
    ada.press("delete_selected").press("confirm_deletion").finish_deletion()
    assert host.is_gone(one)


def test_another_admin_sees_it_and_whose_it_is(
    ada: Visitor, host: HostWriter, visitor: Callable[..., Visitor]
) -> None:
    host.add_user("grace", is_admin=True)
    ids = host.add_runs(2)
    with host.connection.transaction():
        host.execute("SELECT 1 FROM run_metadata FOR UPDATE")
        ada.at().tick(*ids).press("delete_selected").press("confirm_deletion")
        grace = visitor().signed_in_as("grace").at()
        assert grace.has_button("stop_operation")
        assert any(one.endswith("· by ada") for one in grace.texts)
    ada.finish_deletion()
