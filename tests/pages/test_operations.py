"""The operations page: what was done, by whom, what can be done about it; the receipt; Undo."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from pages.parts import operation_detail, session, text
from runmanager.paging import PageRequest
from runmanager.records import OperationState
from runmanager.service import receipts
from tests.outage import deletions_wait_at
from tests.pages.conftest import Visitor
from tests.pages.test_deletion import HOLD, REFUSE, said
from tests.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.records import OperationView
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter


def deleted(ada: Visitor, *thread_ids: str) -> OperationView:
    """Delete these runs from the list; the operation, finished."""
    ada.at().tick(*thread_ids).press("delete_selected").press("confirm_deletion")
    ada.finish_deletion()
    return ada.operations[0]


def listed(ada: Visitor) -> list[tuple[str, ...]]:
    """State, kind, result and who of each operation in the list."""
    table = ada.at("operations.py").tables("State", "By")[0]
    columns = ["State", "What", "Progress and result", "By"]
    return [
        tuple(one if isinstance(one, str) else str(one[0]) for one in row)
        for row in table[columns].itertuples(index=False)
    ]


def opened(ada: Visitor, operation: OperationView) -> Visitor:
    """The page of one operation."""
    return ada.at("operations.py", operation=operation.operation_id)


@pytest.fixture
def manager(open_manager: OpenManager) -> RunManager:
    """Run Manager, which waits for a lock for as long as a test holds it."""
    return open_manager(lock_timeout=60)


@pytest.fixture
def grace(host: HostWriter, visitor: Callable[..., Visitor]) -> Visitor:
    """Another admin."""
    host.add_user("grace", is_admin=True)
    return visitor().signed_in_as("grace")


def test_there_is_nothing_to_list_at_first(ada: Visitor) -> None:
    assert "There are none: what is done to runs is listed here." in said(ada.at("operations.py"))


def test_what_was_done_is_listed_for_every_admin_the_newest_first(
    ada: Visitor, host: HostWriter, grace: Visitor
) -> None:
    one, two, three, _four = host.add_runs(4)
    deleted(ada, one, two)
    deleted(grace, three)
    expected = [
        ("✓ finished", "Deletion", "1 run deleted", "grace"),
        ("✓ finished", "Deletion", "2 runs deleted", "ada"),
    ]
    assert listed(ada) == expected
    assert listed(grace) == expected


def narrow(ada: Visitor, name: str, *words: str) -> None:
    """Choose these states or kinds, instead of those that were chosen."""
    ada.widget("button_group", f"operations_{name}").set_value(list(words))
    ada.look()


def test_the_list_is_narrowed_by_state_to_what_is_under_way(ada: Visitor, host: HostWriter) -> None:
    one, two = host.add_runs(2)
    deleted(ada, one)
    with deletions_wait_at(host, two):
        ada.at().tick(two).press("delete_selected").press("confirm_deletion")
        assert len(listed(ada)) == 2
        narrow(ada, "state", "running", "queued", "paused", "interrupted")
        table = ada.tables("State", "By")[0]
        assert list(table["Progress and result"]) == ["0 of 1"]
        narrow(ada, "state", "finished")
        assert list(ada.tables("State", "By")[0]["Progress and result"]) == ["1 run deleted"]
        narrow(ada, "state", "paused")
        assert "There are none like that." in said(ada)
    ada.finish_deletion()


def test_what_another_admin_did_is_found_by_their_name_and_by_kind(
    ada: Visitor, host: HostWriter, grace: Visitor
) -> None:
    one, two = host.add_runs(2)
    deleted(ada, one)
    gone = deleted(grace, two)
    opened(grace, gone).press("restore_operation").press("confirm_restore").finish_deletion()
    assert [by for *_rest, by in listed(ada)] == ["grace", "grace", "ada"]
    assert ada.app.selectbox(key="operations_admin").options == ["ada", "grace"]
    ada.app.selectbox(key="operations_admin").set_value("grace")
    assert list(ada.look().tables("State", "By")[0]["What"]) == ["Restore", "Deletion"]
    assert ada.app.query_params == {"admin": "grace"}
    narrow(ada, "kind", "deletion", "purge")
    assert list(ada.tables("State", "By")[0]["What"]) == ["Deletion"]
    assert ada.app.query_params == {"admin": "grace", "kind": ["deletion", "purge"]}
    narrow(ada, "kind")
    assert ada.app.query_params == {"admin": "grace"}
    assert len(ada.tables("State", "By")[0]) == 2


def test_an_address_narrows_the_list_and_an_operation_leads_back_to_it(
    ada: Visitor, host: HostWriter, grace: Visitor
) -> None:
    one, two = host.add_runs(2)
    deleted(ada, one)
    gone = deleted(grace, two)
    ada.at("operations.py", admin="grace", state=["finished", "paused"], kind="deletion")
    assert list(ada.tables("State", "By")[0]["By"]) == ["grace"]
    assert ada.app.selectbox(key="operations_admin").value == "grace"
    assert ada.widget("button_group", "operations_state").value == ["finished", "paused"]
    assert ada.widget("button_group", "operations_kind").value == ["deletion"]
    opened(ada, gone)
    links = [one.proto for one in ada.app.get("page_link")]
    (back,) = [one.query_string for one in links if one.label == "All operations"]
    assert back == "admin=grace&state=finished&state=paused&kind=deletion"


def test_what_an_address_cannot_mean_is_said_and_left_out(ada: Visitor, host: HostWriter) -> None:
    (run,) = host.add_runs(1)
    deleted(ada, run)
    ada.at("operations.py", admin="no *one*", state="done", kind=["deletion", "theft"], page="x")
    assert list(ada.tables("State", "By")[0]["What"]) == ["Deletion"]
    assert ada.notices == [
        "“page” in the address is not a number: showing 1.",
        "“state” in the address must be one of running, queued, paused, interrupted, finished.",
        "“kind” in the address must be one of deletion, restore, purge.",
        "The admin in the address has asked for no operation: showing everybody's.",
    ]
    assert ada.app.selectbox(key="operations_admin").value is None


def test_the_page_of_the_list_stands_in_the_address_and_a_filter_returns_to_the_first(
    ada: Visitor, host: HostWriter, provided: RunManager
) -> None:
    for run in host.add_runs(27):
        provided.deleting.delete(ada.actor, [run], include_running=True)
    assert len(ada.at("operations.py", page="2").tables("State", "By")[0]) == 2
    (pager,) = ada.app.pagination
    assert (pager.value, ada.app.query_params) == (2, {"page": "2"})
    pager.set_value(1)
    assert len(ada.look().tables("State", "By")[0]) == 25
    assert not ada.app.query_params
    next(iter(ada.app.pagination)).set_value(2)
    assert len(ada.look().tables("State", "By")[0]) == 2
    assert ada.app.query_params == {"page": "2"}
    narrow(ada, "kind", "deletion")
    assert len(ada.tables("State", "By")[0]) == 25
    assert ada.app.query_params == {"kind": "deletion"}


def kept(ada: Visitor) -> str:
    """What the list of operations says of the copies."""
    (found,) = [one for one in ada.at("operations.py").texts if one.startswith("Copies kept")]
    return found


def test_the_size_of_all_copies_is_shown_and_what_is_not_known_of_it(
    ada: Visitor, host: HostWriter
) -> None:
    assert kept(ada) == "Copies kept: none"
    one, two, three = host.add_runs(3)
    first, second = deleted(ada, one), deleted(ada, two)
    size = first.archive_bytes + second.archive_bytes
    assert size > first.archive_bytes > 0
    assert kept(ada) == f"Copies kept: {text.size(size)} of 2 deletions"
    with deletions_wait_at(host, three):
        ada.at().tick(three).press("delete_selected").press("confirm_deletion")
        assert kept(ada).endswith("of 2 deletions · not counted: 1 deletion that has not finished")
    ada.finish_deletion()
    assert kept(ada).endswith("of 3 deletions")
    opened(ada, first).press("purge_operation").press("confirm_purge").finish_deletion()
    assert kept(ada).endswith("of 2 deletions")


def test_the_receipt_says_who_why_and_what_became_of_each_run(
    ada: Visitor, host: HostWriter, grace: Visitor
) -> None:
    ids = host.add_runs(3)
    host.add_trigger("run_metadata", REFUSE.format(ids[1]))
    ada.at().tick(*ids).press("delete_selected")
    ada.app.text_input(key="deletion_reason").set_value("Incident *4711*")
    ada.look().press("confirm_deletion").finish_deletion()
    opened(grace, ada.operations[0])
    assert {"Deletion of 3 runs", "ada, through the page", "Incident *4711*"} <= set(grace.texts)
    assert "**2 runs deleted**, **1 failed** · 10 rows" in said(grace)
    assert "nothing of these runs is left." in said(grace)
    runs = grace.tables("Became", "Run")[0]
    assert [one[0] for one in runs["Became"]] == ["✕ failed", "✓ deleted", "✓ deleted"]
    assert next(iter(runs["ID"])) == ids[1]
    assert "not this one" in next(iter(runs["Rows or reason"]))
    tables = grace.open_tab("Tables").tables("Table")[0]
    assert dict(zip(tables["Table"], tables["Rows deleted"], strict=True))["logs"] == 2


def test_a_receipt_is_handed_over_as_json_and_html(
    ada: Visitor, host: HostWriter, provided: RunManager
) -> None:
    (run,) = host.add_runs(1, name="An *order*")
    operation = opened_of(ada, run)
    assert {one.key for one in ada.app.get("download_button")} >= {"receipt_json", "receipt_html"}
    receipt = json.loads(operation_detail._json(ada.actor, operation.operation_id))
    assert receipt["deleted"] == 1
    assert [one["thread_id"] for one in receipt["runs"]] == [run]
    page = operation_detail._html(ada.actor, operation.operation_id).decode()
    assert "An *order*" in page


def opened_of(ada: Visitor, *thread_ids: str) -> OperationView:
    """Delete these, and open the operation."""
    operation = deleted(ada, *thread_ids)
    opened(ada, operation)
    return operation


def test_undo_puts_everything_back_as_it_was(ada: Visitor, host: HostWriter) -> None:
    ids = host.add_runs(3)
    before = host.contents()
    deleted(ada, *ids[:2])
    assert ada.rows == [ids[2]]
    ada.press("undo").finish_deletion()
    assert "**2 runs restored**" in said(ada)
    assert host.contents() == before
    assert ada.rows == ids[::-1]
    assert not ada.has_button("undo")


def test_undo_from_the_run_page_shows_the_run_again(ada: Visitor, host: HostWriter) -> None:
    (run,) = host.add_runs(1)
    ada.at_run(run).press("delete_run").press("confirm_deletion").finish_deletion()
    assert "This run was deleted." in said(ada)
    ada.press("undo").finish_deletion()
    assert "This run was deleted." not in said(ada)
    assert ada.has_button("delete_run")


def test_undo_asks_first_where_a_trigger_would_fire(ada: Visitor, host: HostWriter) -> None:
    (run,) = host.add_runs(1)
    deleted(ada, run)
    host.execute(
        "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;"
        'CREATE TRIGGER "an *odd* trigger" BEFORE INSERT ON run_metadata'
        " FOR EACH ROW EXECUTE FUNCTION noted()"
    )
    ada.press("undo")
    assert any("an *odd* trigger" in one for one in ada.texts)
    assert host.is_gone(run)
    ada.press("confirm_restore").finish_deletion()
    assert "**1 run restored**" in said(ada)
    assert not host.is_gone(run)


def test_chosen_runs_are_restored_from_the_receipt(ada: Visitor, host: HostWriter) -> None:
    ids = host.add_runs(3)
    opened_of(ada, *ids)
    assert ada.app.button(key="restore_operation").label == "Restore all"
    tick_in_receipt(ada, ids[1])
    assert ada.app.button(key="restore_operation").label == "Restore 1 run"
    ada.press("restore_operation").press("confirm_restore")
    assert "Restore of 1 run" in ada.finish_deletion().texts
    assert [host.is_gone(one) for one in ids] == [True, False, True]


def tick_in_receipt(ada: Visitor, thread_id: str) -> None:
    """Tick one run of the receipt, as the browser tells it."""
    (table,) = [one for one in ada.app.dataframe if "Became" in one.value.columns]
    at = list(table.value["ID"]).index(thread_id)
    selected = {"selection": {"rows": [at], "columns": [], "cells": []}}
    ada._states[table.proto.id] = {"string_value": json.dumps(selected)}
    ada.look()


def test_a_run_that_is_there_again_is_refused_and_named(ada: Visitor, host: HostWriter) -> None:
    one, two = host.add_runs(2)
    opened_of(ada, one, two)
    host.add_run(one, name="Another")
    ada.press("restore_operation")
    assert list(ada.tables("ID", "Reason")[0]["ID"]) == [one]
    assert ada.app.button(key="confirm_restore").label == "Restore 1 run"
    ada.press("confirm_restore").finish_deletion()
    assert host.execute("SELECT run_name FROM run_metadata WHERE thread_id = %s", one) == [
        ("Another",)
    ]
    assert not host.is_gone(two)


def test_a_purge_asks_first_and_leaves_the_receipt(ada: Visitor, host: HostWriter) -> None:
    (run,) = host.add_runs(1)
    operation = opened_of(ada, run)
    ada.press("purge_operation")
    assert "**nothing of it can be restored**" in said(ada)
    ada.press("cancel_purge")
    assert ada.has_button("restore_operation")
    ada.press("purge_operation").press("confirm_purge").finish_deletion()
    assert opened(ada, operation).has_button("receipt_json") or ada.app.get("download_button")
    assert not ada.has_button("restore_operation")
    assert not ada.has_button("purge_operation")
    assert any(one.startswith("purged on ") for one in ada.texts)
    assert "**1 run deleted**" in said(ada)
    assert [what for _state, what, _result, _by in listed(ada)] == ["Purge", "Deletion"]


def test_what_failed_is_tried_again(ada: Visitor, host: HostWriter) -> None:
    one, two = host.add_runs(2)
    host.add_trigger("run_metadata", REFUSE.format(one))
    opened_of(ada, one, two)
    assert ada.app.button(key="retry_operation").label == "Retry the 1 that failed"
    host.execute("DROP FUNCTION refuse CASCADE")
    ada.press("retry_operation").finish_deletion()
    assert "Deletion of 1 run" in ada.texts
    assert host.is_gone(one)


def test_where_more_failed_than_are_listed_the_button_says_how_many_it_takes(
    ada: Visitor, host: HostWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "MAX_LISTED", 1)
    one, two = host.add_runs(2)
    host.add_trigger("run_metadata", "RAISE 'no';")
    opened_of(ada, one, two)
    button = ada.app.button(key="retry_operation")
    assert button.label == "Retry the first 1 of 2 that failed"
    assert "Select the others anew" in button.help
    ada.press("retry_operation").finish_deletion()
    assert "Deletion of 1 run" in ada.texts


def test_who_is_demoted_before_they_confirm_has_a_line_in_the_audit_log(
    ada: Visitor,
    host: HostWriter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "runmanager.audit")
    (run,) = host.add_runs(1)
    ada.at().tick(run).press("delete_selected")
    host.execute("UPDATE users SET is_admin = false WHERE username = 'ada'")
    with ada.only_last():
        ada.press("confirm_deletion")
    lines = [json.loads(one.getMessage()) for one in caplog.records if "audit" in one.name]
    assert [(one["event"], one["asked"], one["actor"], one["how"]) for one in lines] == [
        ("refused", "deletion", "ada", "page")
    ]
    assert not host.is_gone(run)


def test_another_admin_pauses_resumes_and_stops_it(
    ada: Visitor, host: HostWriter, grace: Visitor, provided: RunManager
) -> None:
    ids = host.add_runs(2)
    with deletions_wait_at(host, ids[0]):
        ada.at().tick(*ids).press("delete_selected").press("confirm_deletion")
        (running,) = provided.operations.running(ada.actor)
        opened(grace, running).press("pause_operation")
        assert any("Pausing after the present batch" in one for one in grace.texts)
    wait_until(lambda: state(provided, ada) is not OperationState.RUNNING)
    if state(provided, ada) is OperationState.PAUSED:
        assert "‖ paused" in grace.look().status
        grace.press("resume_operation")
    grace.finish_deletion()


def state(manager: RunManager, ada: Visitor) -> OperationState:
    """Where the only operation stands."""
    return manager.operations.list(ada.actor, PageRequest()).items[0].state


def test_the_bar_shows_another_admins_operation_and_its_end(
    ada: Visitor, host: HostWriter, grace: Visitor
) -> None:
    ids = host.add_runs(2)
    with deletions_wait_at(host, ids[0]):
        ada.at().tick(*ids).press("delete_selected").press("confirm_deletion")
        assert any(one.startswith("Deleting: 0 of 2 runs") for one in ada.texts)
        assert any(one.endswith("· by ada") for one in grace.at().texts)
        assert grace.has_button("stop_operation")
        # Somebody else's hinders nobody.
        assert not grace.tick(ids[1]).app.button(key="delete_selected").disabled
    grace.finish_deletion()
    assert not any("Deleting" in one for one in grace.texts)
    assert not grace.has_button("close_result")


def test_without_a_copy_nothing_can_be_undone_which_is_said_before(
    ada: Visitor, host: HostWriter
) -> None:
    (run,) = host.add_runs(1)
    ada.at().tick(run).press("delete_selected")
    assert any(one.startswith("A copy is kept for 30 days") for one in ada.texts)
    ada.app.checkbox(key="keep_no_copy").check()
    assert "Nothing is kept: this cannot be undone." in said(ada.look())
    ada.press("confirm_deletion").finish_deletion()
    assert not ada.has_button("undo")
    opened(ada, ada.operations[0])
    assert not ada.has_button("restore_operation")
    assert "none" in ada.texts
    # Never from last time.
    host.add_runs(1)
    ada.at().press("select_page").press("delete_selected")
    assert ada.app.checkbox(key="keep_no_copy").value is False


def test_where_the_archive_is_off_the_dialog_says_so(
    host: HostWriter, open_manager: OpenManager
) -> None:
    session.provide(open_manager(archive="off"))
    ada = Visitor(session.service()).signed_in_as("ada")
    (run,) = host.add_runs(1)
    ada.at().tick(run).press("delete_selected")
    assert "Nothing is kept: this cannot be undone." in said(ada)
    assert not any(one.key == "keep_no_copy" for one in ada.app.checkbox)
    ada.press("confirm_deletion").finish_deletion()
    assert host.is_gone(run)
    assert not ada.has_button("undo")


def test_a_reason_is_asked_for_above_the_number_that_is_set(
    host: HostWriter, open_manager: OpenManager
) -> None:
    session.provide(open_manager(reason_above=1))
    ada = Visitor(session.service()).signed_in_as("ada")
    one, two, three = host.add_runs(3)
    ada.at().tick(one).press("delete_selected")
    assert not ada.app.button(key="confirm_deletion").disabled
    ada.press("cancel_deletion").tick(two).press("delete_selected")
    assert ada.app.button(key="confirm_deletion").disabled
    ada.app.text_input(key="deletion_reason").set_value("  ")
    assert ada.look().app.button(key="confirm_deletion").disabled
    ada.app.text_input(key="deletion_reason").set_value("Incident 4711")
    ada.look().press("confirm_deletion").finish_deletion()
    assert ada.operations[0].reason == "Incident 4711"
    # The next one begins without it.
    ada.tick(three).press("delete_selected")
    assert ada.app.text_input(key="deletion_reason").value == ""


def test_runs_that_write_are_set_apart_and_no_longer_selected_afterwards(
    ada: Visitor, host: HostWriter
) -> None:
    quiet, busy = host.add_runs(2)
    host.execute("UPDATE logs SET created_at = now() WHERE thread_id = %s", busy)
    ada.at().tick(quiet, busy).press("delete_selected")
    assert "**1 run wrote within the last minutes and is left out.**" in said(ada)
    ada.open_tab("Left out 1")
    assert "They have written within the last minutes:" in ada.texts
    ada.press("confirm_deletion").finish_deletion()
    assert [host.is_gone(one) for one in (quiet, busy)] == [True, False]
    assert ada.selection == set()
    ada.tick(busy).press("delete_selected")
    ada.app.checkbox(key="include_running").check()
    ada.look().press("confirm_deletion").finish_deletion()
    assert host.is_gone(busy)


def test_what_is_held_is_not_selected_any_more(ada: Visitor, host: HostWriter) -> None:
    one, two = host.add_runs(2)
    host.execute(HOLD.format(one))
    deleted(ada, one, two)
    assert ada.selection == set()


def test_an_operation_that_nobody_knows_is_said_to_be_unknown(ada: Visitor) -> None:
    ada.at("operations.py", operation="![](http://example.invalid/x.png)")
    assert any("There is no operation with this id" in one for one in ada.texts)
