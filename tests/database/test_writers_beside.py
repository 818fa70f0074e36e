"""Somebody writes to a run while it goes: no row of it is lost that is not in the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from runmanager.deletion import batch
from tests.hosts import connect
from tests.operations import deleted, errors, receipt_of, until
from tests.roles import DELETER

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from runmanager.records import Actor, DeletionReceipt
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.roles import Roles

MESSAGES = """
    CREATE TABLE messages (id int PRIMARY KEY,
        thread_id text REFERENCES run_metadata ON DELETE CASCADE);
    CREATE TABLE tool_calls (id int PRIMARY KEY,
        message int REFERENCES messages ON DELETE CASCADE, said text);
"""


def once_behind(
    monkeypatch: pytest.MonkeyPatch, table: str, write: Callable[[], object]
) -> list[str]:
    """Let somebody write when the statement about ``table`` is over; which tables that was for."""
    real = batch.__dict__["delete_rows"]
    written: list[str] = []

    def delete_rows(connection: Any, host: Any, unit: Any, *others: Any) -> Any:
        found = real(connection, host, unit, *others)
        if not written and table in {trace.name for trace in unit}:
            written.append(table)
            write()
        return found

    monkeypatch.setattr(batch, "delete_rows", delete_rows)
    return written


def delete(manager: RunManager, admin: Actor, run: str) -> DeletionReceipt:
    started = manager.deleting.start(admin, manager.deleting.plan(admin, [run]))
    return receipt_of(manager, admin, started.operation_id)


def restore(manager: RunManager, admin: Actor, receipt: DeletionReceipt) -> None:
    back = manager.operations.restore(admin, str(receipt.operation_id))
    until(lambda: manager.operations.view(admin, back.operation_id).is_over)


def test_a_row_that_is_added_behind_its_table_s_statement_is_archived(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host.execute(MESSAGES)
    (run,) = host.add_runs(1)
    host.execute("INSERT INTO messages VALUES (1, %s)", run)
    host.execute("INSERT INTO tool_calls VALUES (1, 1)")
    manager = open_manager()
    written = once_behind(
        monkeypatch, "tool_calls", lambda: host.execute("INSERT INTO tool_calls VALUES (2, 1)")
    )
    receipt = delete(manager, admin, run)
    assert written
    assert deleted(receipt) == {run}
    assert host.execute("SELECT count(*) FROM tool_calls") == [(0,)]
    assert (dict(receipt.tables)["tool_calls"], receipt.also_gone) == (2, ())
    restore(manager, admin, receipt)
    assert host.execute("SELECT id FROM tool_calls ORDER BY id") == [(1,), (2,)]


def taken_along(host: HostWriter, roles: Roles, *grants: str) -> tuple[str, str]:
    """A run with what goes along with it, and a role that may only read that, and ``grants``."""
    host.execute(MESSAGES)
    (run,) = host.add_runs(1)
    host.execute("INSERT INTO messages VALUES (1, %s)", run)
    host.execute("INSERT INTO tool_calls VALUES (1, 1, 'before')")
    role = roles.of_the_page(DELETER)
    for grant in ("SELECT ON messages, tool_calls", *grants):
        host.execute(f"GRANT {grant} TO {role}")
    return run, role


def test_a_row_that_goes_along_is_not_changed_between_its_reading_and_its_going(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    roles: Roles,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, role = taken_along(host, roles, "UPDATE (said) ON tool_calls")
    manager = open_manager(roles.url(role))
    refused = []

    def write() -> None:
        with connect(host.url) as other:
            other.execute("SET lock_timeout = 100")
            try:
                other.execute("UPDATE tool_calls SET said = 'after'")
            except psycopg.errors.LockNotAvailable as error:
                refused.append(error)

    written = once_behind(monkeypatch, "tool_calls", write)
    receipt = delete(manager, admin, run)
    assert written
    assert deleted(receipt) == {run}
    assert host.execute("SELECT count(*) FROM tool_calls") == [(0,)]
    assert len(refused) == 1


def test_a_row_that_is_added_to_those_that_go_along_is_archived(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    roles: Roles,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, role = taken_along(host, roles)
    manager = open_manager(roles.url(role))
    written = once_behind(
        monkeypatch, "tool_calls", lambda: host.execute("INSERT INTO tool_calls VALUES (2, 1)")
    )
    receipt = delete(manager, admin, run)
    assert written
    assert (errors(receipt), dict(receipt.tables)["tool_calls"]) == ({}, 2)
    assert host.execute("SELECT count(*) FROM tool_calls") == [(0,)]
