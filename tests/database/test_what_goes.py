"""What the host's foreign keys do when a run goes, told beforehand and counted afterwards."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from runmanager.errors import HostError
from runmanager.records import KeptRows
from tests.conftest import every_shape
from tests.hosts import connect
from tests.operations import delete, deleted, errors, in_batches_of
from tests.roles import DELETER

if TYPE_CHECKING:
    from runmanager.records import Actor, DeletionPlan, DeletionReceipt
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.roles import Roles

MESSAGES = """
    CREATE TABLE messages (
        id int PRIMARY KEY, thread_id {thread_id} REFERENCES run_metadata ON DELETE CASCADE);
    CREATE TABLE tool_calls (
        id int PRIMARY KEY, message int REFERENCES messages ON DELETE CASCADE);
"""


def planned(plan: DeletionPlan) -> dict[str, int]:
    """The rows that go, by table; those without any left out."""
    return {table.table: table.rows for table in plan.tables if table.rows}


def gone(receipt: DeletionReceipt) -> dict[str, int]:
    """The rows that went, by table; those without any left out."""
    return {table: rows for table, rows in receipt.tables if rows}


def number(host: HostWriter, table: str) -> int:
    return int(host.execute(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608


def add_messages(host: HostWriter, run: str, *, messages: int = 10, calls: int = 3) -> None:
    """Messages of one run, each with so many tool calls."""
    first = number(host, "messages")
    host.execute(
        "INSERT INTO messages SELECT %s + n, %s FROM generate_series(1, %s) n", first, run, messages
    )
    host.execute(
        "INSERT INTO tool_calls SELECT (%s + n) * 100 + c, %s + n"
        " FROM generate_series(1, %s) n, generate_series(1, %s) c",
        first,
        first,
        messages,
        calls,
    )


@every_shape
def test_what_cascades_from_a_cascade_is_counted_under_its_own_name(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(MESSAGES.format(thread_id=host.shape.thread_id))
    run, other = host.add_runs(2)
    for one in (run, other):
        add_messages(host, one)
    manager = open_manager()
    plan = manager.deleting.plan(admin, [run])
    assert (planned(plan)["messages"], planned(plan)["tool_calls"]) == (10, 30)
    assert plan.left_behind == ()
    receipt = delete(manager, admin, [run], plan=plan)
    assert gone(receipt) == planned(plan)
    assert receipt.also_gone == ()
    assert dict(receipt.done[0].rows)["tool_calls"] == 30
    assert (number(host, "messages"), number(host, "tool_calls")) == (10, 30)
    assert {one.table: one.rows for one in manager.reviewing.footprint(admin, other)[0]}[
        "tool_calls"
    ] == 30


def test_what_cascades_from_a_trace_table_is_counted(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("CREATE TABLE log_files (line bigint REFERENCES logs ON DELETE CASCADE)")
    run, other = host.add_runs(2)
    host.execute("INSERT INTO log_files SELECT id FROM logs, generate_series(1, 100)")
    manager = open_manager()
    plan = manager.deleting.plan(admin, [run])
    assert planned(plan)["log_files"] == 100
    assert gone(delete(manager, admin, [run], plan=plan)) == planned(plan)
    assert number(host, "log_files") == host.count("logs", other) * 100


def test_rows_whose_reference_the_database_clears_are_kept_and_told(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(
        "CREATE TABLE invoices (thread_id text REFERENCES run_metadata ON DELETE SET NULL,"
        " other text DEFAULT NULL REFERENCES run_metadata ON DELETE SET DEFAULT)"
    )
    run, stays = host.add_runs(2)
    host.execute("INSERT INTO invoices SELECT %s FROM generate_series(1, 5)", run)
    host.execute("INSERT INTO invoices VALUES (%s, %s)", stays, run)
    manager = open_manager()
    plan = manager.deleting.plan(admin, [run])
    assert plan.kept == (KeptRows("invoices", 6),)
    assert (plan.left_behind, "invoices" in planned(plan)) == ((), False)
    receipt = delete(manager, admin, [run], plan=plan)
    assert receipt.kept == plan.kept
    assert "6 references are cleared in “invoices”, whose rows are kept." in receipt.remarks
    assert host.execute("SELECT thread_id, other FROM invoices ORDER BY 1") == [
        (stays, None),
        *[(None, None)] * 5,
    ]


@pytest.mark.parametrize("rule", ["NO ACTION", "RESTRICT"])
def test_rows_that_the_host_keeps_hold_their_run_beforehand(
    host: HostWriter, open_manager: OpenManager, admin: Actor, rule: str
) -> None:
    host.execute(MESSAGES.format(thread_id="text"))
    host.execute(
        f"CREATE TABLE receipts (message int REFERENCES messages ON DELETE {rule});"
        f"CREATE TABLE bills (thread_id text REFERENCES run_metadata ON DELETE {rule})"
    )
    free, by_message, by_bill = host.add_runs(3)
    for run in (free, by_message, by_bill):
        add_messages(host, run, messages=1)
    host.execute("INSERT INTO receipts VALUES (2)")
    host.execute("INSERT INTO bills VALUES (%s), (%s)", by_bill, by_bill)
    manager = open_manager()
    plan = manager.deleting.plan(admin, [free, by_message, by_bill])
    assert [run.thread_id for run in plan.runs] == [free]
    reasons = {run.thread_id: run.reason for run in plan.held}
    assert list(reasons) == [by_message, by_bill]
    assert "“receipts” refer to its row of “messages”" in reasons[by_message]
    assert "name “bills” in RUNMANAGER_TRACE_TABLES" in reasons[by_bill]
    receipt = delete(manager, admin, [], plan=plan)
    assert (deleted(receipt), errors(receipt)) == ({free}, reasons)
    assert number(host, "bills") == 2


def test_the_setting_that_the_plan_names_lets_what_holds_go(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(MESSAGES.format(thread_id="text"))
    host.execute(
        "CREATE TABLE receipts (message int REFERENCES messages);"
        "CREATE TABLE bills (thread_id text REFERENCES run_metadata ON DELETE SET NULL)"
    )
    run, other = host.add_runs(2)
    add_messages(host, run, messages=2)
    host.execute("INSERT INTO receipts VALUES (1), (2), (NULL)")
    host.execute("INSERT INTO bills VALUES (%s), (%s)", run, other)
    manager = open_manager(trace_tables=("receipts", "bills"))
    plan = manager.deleting.plan(admin, [run])
    assert (plan.held, plan.kept) == ((), ())
    assert (planned(plan)["receipts"], planned(plan)["bills"]) == (2, 1)
    assert gone(delete(manager, admin, [run], plan=plan)) == planned(plan)
    assert (number(host, "receipts"), number(host, "bills")) == (1, 1)


def test_a_table_off_the_search_path_is_followed_and_named_with_its_schema(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(
        "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.notes"
        " (run text REFERENCES run_metadata ON DELETE CASCADE)"
    )
    (run,) = host.add_runs(1)
    host.execute("INSERT INTO elsewhere.notes VALUES (%s)", run)
    manager = open_manager()
    assert gone(delete(manager, admin, [run]))["elsewhere.notes"] == 1


def test_a_reference_that_cannot_be_cleared_holds_its_run(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(
        "CREATE TABLE bills (run text NOT NULL REFERENCES run_metadata ON DELETE SET NULL)"
    )
    run, other = host.add_runs(2)
    host.execute("INSERT INTO bills VALUES (%s)", run)
    manager = open_manager()
    plan = manager.deleting.plan(admin, [run, other])
    assert [one.thread_id for one in plan.held] == [run]
    assert deleted(delete(manager, admin, [], plan=plan)) == {other}


def test_rows_that_lead_back_to_themselves_are_counted_once(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(
        "CREATE TABLE replies (id int PRIMARY KEY, run text REFERENCES run_metadata"
        " ON DELETE CASCADE, parent int REFERENCES replies ON DELETE CASCADE, latest int);"
        "CREATE TABLE drafts (id int PRIMARY KEY, reply int REFERENCES replies ON DELETE CASCADE);"
        "ALTER TABLE replies ADD FOREIGN KEY (latest) REFERENCES drafts ON DELETE CASCADE"
    )
    (run, other) = host.add_runs(2)
    host.execute("INSERT INTO replies VALUES (1, %s), (2, NULL), (9, %s)", run, other)
    host.execute(
        "INSERT INTO replies SELECT n, NULL, n - 1 FROM generate_series(3, 6) n;"
        "UPDATE replies SET parent = 1 WHERE id = 2;"
        "INSERT INTO drafts SELECT n, n FROM generate_series(1, 5) n;"
        "INSERT INTO replies VALUES (7, NULL, NULL, 5); INSERT INTO drafts VALUES (7, 7)"
    )
    manager = open_manager()
    plan = manager.deleting.plan(admin, [run])
    assert (planned(plan)["replies"], planned(plan)["drafts"]) == (7, 6)
    receipt = delete(manager, admin, [run], plan=plan)
    assert gone(receipt) == planned(plan)
    assert receipt.also_gone == ()
    assert (number(host, "replies"), number(host, "drafts")) == (1, 0)


def test_runs_that_point_at_their_last_message_go_with_it(
    host: HostWriter, open_manager: OpenManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(1, monkeypatch)
    host.execute(MESSAGES.format(thread_id="text"))
    host.execute("ALTER TABLE run_metadata ADD last int REFERENCES messages")
    runs = host.add_runs(3)
    for run in runs:
        add_messages(host, run, messages=2)
    host.execute(
        "UPDATE run_metadata r SET last = (SELECT max(id) FROM messages m"
        " WHERE m.thread_id = r.thread_id)"
    )
    host.execute("UPDATE run_metadata SET last = 2 WHERE thread_id = %s", runs[2])
    manager = open_manager()
    (held,) = manager.deleting.plan(admin, runs[:2]).held
    assert held.thread_id == runs[0]
    assert "Another run's row of “run_metadata” refers to its row of “messages”" in held.reason
    assert deleted(delete(manager, admin, runs)) == set(runs)


def test_rows_that_a_trigger_deletes_are_in_the_receipt(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("CREATE TABLE shadows (run text)")
    host.add_trigger("run_metadata", "DELETE FROM shadows WHERE run = old.thread_id; RETURN old;")
    run, other = host.add_runs(2)
    host.execute("INSERT INTO shadows VALUES (%s), (%s), (%s)", run, run, other)
    receipt = delete(open_manager(), admin, [run])
    assert receipt.also_gone == (("shadows", 2),)
    assert any("2 more rows of “shadows” went" in one for one in receipt.remarks)


def test_what_the_role_may_only_read_the_database_takes_along(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    host.execute(MESSAGES.format(thread_id="text"))
    (run,) = host.add_runs(1)
    add_messages(host, run)
    role = roles.of_the_page(DELETER)
    host.execute(f"GRANT SELECT ON messages, tool_calls TO {role}")
    manager = open_manager(roles.url(role))
    plan = manager.deleting.plan(admin, [run])
    receipt = delete(manager, admin, [run], plan=plan)
    assert gone(receipt) == planned(plan)
    assert (gone(receipt)["tool_calls"], number(host, "tool_calls")) == (30, 0)


def test_a_trigger_that_keeps_what_the_database_was_to_take_along_keeps_the_run(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    host.execute(MESSAGES.format(thread_id="text"))
    host.add_trigger("tool_calls", "RETURN NULL;")
    run, other = host.add_runs(2)
    add_messages(host, run)
    role = roles.of_the_page(DELETER)
    host.execute(f"GRANT SELECT ON messages, tool_calls TO {role}")
    receipt = delete(open_manager(roles.url(role)), admin, [run, other])
    assert deleted(receipt) == {other}
    assert "kept rows of “tool_calls”" in errors(receipt)[run]
    assert (number(host, "messages"), number(host, "tool_calls")) == (10, 30)


def test_partitions_and_heirs_are_counted_under_the_table_above_them(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(
        "CREATE TABLE parts (run text REFERENCES run_metadata ON DELETE CASCADE, at int)"
        " PARTITION BY RANGE (at);"
        "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20)"
        " PARTITION BY LIST (at); CREATE TABLE parts_2a PARTITION OF parts_2 DEFAULT;"
        "CREATE TABLE logs_old () INHERITS (logs)"
    )
    run, other = host.add_runs(2)
    host.execute("INSERT INTO parts SELECT %s, n FROM generate_series(0, 19) n", run)
    host.execute("INSERT INTO logs_old (thread_id) VALUES (%s), (%s)", run, other)
    manager = open_manager()
    plan = manager.deleting.plan(admin, [run])
    assert (planned(plan)["parts"], planned(plan)["logs"]) == (20, 2)
    assert plan.left_behind == ()
    receipt = delete(manager, admin, [run], plan=plan)
    assert (gone(receipt), receipt.also_gone) == (planned(plan), ())


def test_a_row_of_two_runs_is_counted_once(
    host: HostWriter, open_manager: OpenManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(1, monkeypatch)
    host.execute(
        "CREATE TABLE links (one text REFERENCES run_metadata ON DELETE CASCADE,"
        " two text REFERENCES run_metadata ON DELETE CASCADE)"
    )
    first, second, third = host.add_runs(3)
    host.execute(
        "INSERT INTO links VALUES (%s, %s), (%s, %s), (%s, NULL)",
        first, second, second, third, third,
    )  # fmt: skip
    manager = open_manager()
    plan = manager.deleting.plan(admin, [first, second])
    assert planned(plan)["links"] == 2
    assert gone(delete(manager, admin, [], plan=plan)) == planned(plan)


def test_a_named_table_that_does_not_hang_on_runs_stops_the_start(
    host: HostWriter, open_manager: OpenManager
) -> None:
    host.execute("CREATE TABLE colours (id int)")
    with pytest.raises(HostError, match="or a foreign key to what goes with a run"):
        open_manager(trace_tables=("colours",))


def test_rows_added_while_a_deletion_waits_are_counted_too(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    plan = manager.deleting.plan(admin, [run])
    with connect(host.url) as other:
        other.execute("INSERT INTO logs (thread_id) VALUES (%s)", [run])
    receipt = delete(manager, admin, [], plan=plan)
    assert gone(receipt)["logs"] == planned(plan)["logs"] + 1


def test_the_setting_that_a_plan_names_is_one_that_works(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(
        "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.bills (run text REFERENCES run_metadata);"
        "CREATE TABLE parts (run text, at int) PARTITION BY RANGE (at);"
        "CREATE TABLE parts_1 PARTITION OF parts DEFAULT;"
        "ALTER TABLE parts_1 ADD FOREIGN KEY (run) REFERENCES run_metadata;"
        'CREATE TABLE "app.Notes" (run text REFERENCES run_metadata)'
    )
    runs = host.add_runs(3)
    tables = ("elsewhere.bills", "parts", '"app.Notes"')
    for table, run in zip(tables, runs, strict=True):
        host.execute(f"INSERT INTO {table} VALUES (%s)", run)  # noqa: S608
    held = open_manager().deleting.plan(admin, runs).held
    named = tuple(re.findall("name “([^”]+)” in RUNMANAGER", " ".join(run.reason for run in held)))
    assert named == tables
    manager = open_manager(trace_tables=named)
    plan = manager.deleting.plan(admin, runs)
    assert {table: planned(plan)[table] for table in named} == dict.fromkeys(named, 1)
    assert gone(delete(manager, admin, [], plan=plan)) == planned(plan)


def test_tables_whose_names_look_alike_are_told_apart(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("CREATE SCHEMA app")
    tables = ("app.notes", '"app.notes"', '"app.notes"":x"')
    (run,) = host.add_runs(1)
    for number, table in enumerate(tables):
        host.execute(f"CREATE TABLE {table} (run text REFERENCES run_metadata ON DELETE CASCADE)")
        insert = f"INSERT INTO {table} SELECT %s FROM generate_series(0, %s)"  # noqa: S608
        host.execute(insert, run, number)
    manager = open_manager()
    plan = manager.deleting.plan(admin, [run])
    assert [planned(plan)[table] for table in tables] == [1, 2, 3]
    receipt = delete(manager, admin, [run], plan=plan)
    assert (gone(receipt), receipt.also_gone) == (planned(plan), ())


def test_a_table_that_another_of_its_name_hides_is_left_behind(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    host.execute("CREATE SCHEMA older; CREATE TABLE older.checkpoints (thread_id text)")
    host.execute("INSERT INTO older.checkpoints VALUES (%s), ('another')", run)
    url = host.url.update_query_dict({"options": "-csearch_path=public,older"})
    manager = open_manager(url)
    (left,) = manager.deleting.plan(admin, [run]).left_behind
    assert (left.table, left.rows) == ("older.checkpoints", 1)
    assert gone(delete(manager, admin, [run]))["checkpoints"] == 1
