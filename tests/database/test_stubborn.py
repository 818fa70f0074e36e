"""Databases and disks in the way: what passes is waited for, what does not ends it at once."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from runmanager import database
from runmanager.archive.marker import MARKER
from runmanager.deletion import execution
from runmanager.deletion.reasons import LOCKED, TOO_SLOW
from runmanager.errors import ArchiveError, SchemaChangedError
from tests.archives import mounted
from tests.hosts import connect, fill
from tests.operations import (
    HERE,
    Here,
    delete,
    deleted,
    deletion_here,
    errors,
    execute_here,
    in_batches_of,
    read_receipt_of,
    task_of,
)
from tests.statements import recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from runmanager.records import Actor, DeletionReceipt
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

# Each batch that is tried locks its runs first.


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody be patient for long."""
    monkeypatch.setattr(execution, "PATIENCE_SECONDS", (0.01, 0.02, 0.03))


def batches_tried(statements: list[str]) -> int:
    return sum("FOR UPDATE" in one for one in statements)


def at(runs: int, act: Callable[[], object]) -> Callable[[int, int], None]:
    """Act once, as soon as so many runs are dealt with."""
    did: list[None] = []

    def tell(done: int, _failed: int) -> None:
        if done >= runs and not did:
            did.append(None)
            act()

    return tell


def test_a_backend_that_is_ended_at_batch_3_of_30_is_followed_by_another(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(1, monkeypatch)
    runs = host.add_runs(30)
    plan = manager.deleting.plan(admin, runs)
    end = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'runmanager'"
    )
    receipt = execute_here(manager, admin, plan, on_progress=at(3, lambda: host.execute(end)))
    assert deleted(receipt) == set(runs)
    assert errors(receipt) == {}


# Locks


def deleted_past_a_lock(
    host: HostWriter, manager: RunManager, admin: Actor, table: str
) -> tuple[DeletionReceipt, list[str], list[list[str]]]:
    """Delete 20 runs while somebody has a row of the eighth, until the others are dealt with.

    The receipt, the runs, and which of them were still there each time something was told.
    """
    runs = host.add_runs(20)
    plan = manager.deleting.plan(admin, runs)
    there: list[list[str]] = []
    with connect(host.url) as other:
        other.autocommit = False
        locked = other.execute(
            f"SELECT FROM {table} WHERE thread_id = %s FOR UPDATE",
            [runs[7]],
        )
        assert locked.rowcount == 1

        def tell(done: int, failed: int) -> None:
            there.append([run for run in runs if not host.is_gone(run)])
            if (done, failed) == (19, 1):
                other.rollback()

        receipt = execute_here(manager, admin, plan, on_progress=tell)
    return receipt, runs, there


@pytest.mark.parametrize("table", ["run_metadata", "logs", "checkpoints"])
def test_a_run_that_is_locked_for_a_while_is_tried_again_at_the_end(
    host: HostWriter, manager: RunManager, admin: Actor, hasty: None, table: str
) -> None:
    receipt, runs, there = deleted_past_a_lock(host, manager, admin, table)
    # All others were gone before it, which had failed by then, and went as the last.
    assert there[-2:] == [[runs[7]], []]
    assert all(runs[7] in left for left in there[:-1])
    assert errors(receipt) == {}
    assert deleted(receipt) == set(runs)
    assert [run.thread_id for run in receipt.done if run.thread_id == runs[7]] == [runs[7]]


@pytest.mark.parametrize("table", ["run_metadata", "logs", "checkpoints"])
def test_who_did_not_try_again_at_the_end_would_leave_a_locked_run(
    host: HostWriter,
    manager: RunManager,
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
    table: str,
) -> None:
    """The control: it is the second try, not patience at the first, that takes the run along."""
    monkeypatch.setattr(execution._Turn, "_try_again", lambda _turn: None)
    receipt, runs, there = deleted_past_a_lock(host, manager, admin, table)
    assert there[-1] == [runs[7]]
    assert errors(receipt) == {runs[7]: LOCKED}


@pytest.mark.parametrize("table", ["run_metadata", "logs"])
def test_a_run_that_stays_locked_is_given_up_after_some_tries(
    host: HostWriter, manager: RunManager, admin: Actor, hasty: None, table: str
) -> None:
    runs = host.add_runs(8)
    plan = manager.deleting.plan(admin, runs)
    before = host.counts(runs[3])
    with connect(host.url) as other, other.transaction():
        other.execute(f"SELECT FROM {table} WHERE thread_id = %s FOR UPDATE", [runs[3]])
        with recorded(manager) as statements:
            receipt = execute_here(manager, admin, plan)
    # At the end at once, and then three times with growing patience; before that its batch, which
    # is halved where it is a trace that nobody gets.
    assert batches_tried(statements) == {"run_metadata": 1, "logs": 7}[table] + 4
    assert errors(receipt) == {runs[3]: LOCKED}
    assert deleted(receipt) == {*runs} - {runs[3]}
    assert host.counts(runs[3]) == before


# What would meet every run


def test_a_table_that_is_renamed_during_a_deletion_of_5000_ends_it_at_once(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(100, monkeypatch)
    fill(host, 5000)
    runs = [run for (run,) in host.execute("SELECT thread_id FROM run_metadata")]
    plan = manager.deleting.plan(admin, runs)
    rename = at(1000, lambda: host.execute("ALTER TABLE logs RENAME TO old_logs"))
    with recorded(manager) as statements:
        receipt = execute_here(manager, admin, plan, on_progress=rename)
    gone = len(deleted(receipt))
    assert 1000 <= gone < 1200
    assert set(errors(receipt).values()) == {f"Not deleted. {SchemaChangedError().message}"}
    assert len(errors(receipt)) == 5000 - gone
    # Fifty, then a hundred each, and the one that was refused.
    assert batches_tried(statements) == 12
    assert host.execute("SELECT count(*) FROM run_metadata") == [(5000 - gone,)]


@pytest.mark.parametrize("state", ["53100", "53200", "58030", "XX001"])
def test_a_fault_of_the_server_s_ends_it_at_once(
    host: HostWriter,
    manager: RunManager,
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
) -> None:
    in_batches_of(10, monkeypatch)
    runs = host.add_runs(40)
    host.add_trigger(
        "run_metadata",
        f"IF OLD.thread_id = '{runs[15]}' THEN"
        f" RAISE EXCEPTION USING ERRCODE = '{state}', MESSAGE = 'no space left';"
        " END IF; RETURN OLD;",
    )
    plan = manager.deleting.plan(admin, runs)
    with recorded(manager) as statements:
        receipt = execute_here(manager, admin, plan)
    assert deleted(receipt) == set(runs[:10])
    (reason,) = set(errors(receipt).values())
    assert reason.startswith("Not deleted. The database has a fault")
    assert "no space left" in reason
    assert batches_tried(statements) == 2


def test_a_statement_that_runs_into_its_limit_is_not_tried_on_every_half(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(64, monkeypatch)
    runs = host.add_runs(32)
    host.add_trigger("run_metadata", "PERFORM pg_sleep(5); RETURN OLD;")
    plan = manager.deleting.plan(admin, runs)
    monkeypatch.setattr(database, "WRITE_TIMEOUT_SECONDS", 0.1)
    with recorded(manager) as statements:
        receipt = execute_here(manager, admin, plan)
    assert errors(receipt) == dict.fromkeys(runs, TOO_SLOW)
    # All of them, and eight parts; on halves it would be 63.
    assert batches_tried(statements) == 9


def test_runs_that_are_held_by_foreign_keys_are_found_without_halving(
    host: HostWriter, open_manager: OpenManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(40, monkeypatch)
    host.execute("CREATE TABLE invoices (run text REFERENCES run_metadata)")
    manager = open_manager()
    runs = host.add_runs(40)
    plan = manager.deleting.plan(admin, runs)
    held = runs[3::10]
    host.execute("INSERT INTO invoices SELECT unnest(%s::text[])", held)
    with recorded(manager) as statements:
        receipt = execute_here(manager, admin, plan)
    assert sorted(errors(receipt)) == held
    assert all("invoices_run_fkey" in one for one in errors(receipt).values())
    assert len(deleted(receipt)) == 36
    # One batch; and what is held three times more, as another run of the plan may have held it.
    assert batches_tried(statements) <= 4


# What is looked at


def test_a_look_again_that_runs_into_its_limit_says_that_nobody_could_look(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    manager = open_manager(statement_timeout=0.3)
    runs = host.add_runs(3)
    plan = manager.deleting.plan(admin, runs)
    with connect(host.url) as other:
        other.autocommit = False

        def lock() -> None:
            other.execute("LOCK TABLE checkpoints IN ACCESS EXCLUSIVE MODE")

        receipt = execute_here(manager, admin, plan, on_progress=at(3, lock))
        other.rollback()
    assert deleted(receipt) == set(runs)
    assert receipt.came_back is None
    assert any("could not be looked at" in remark for remark in receipt.remarks)


@pytest.mark.parametrize("created_at", ["2026-01-01 12:00+00", None])
def test_an_id_that_the_host_has_made_again_since_the_plan_is_left_out_and_named(
    host: HostWriter, manager: RunManager, admin: Actor, created_at: str | None
) -> None:
    again, other = host.add_runs(2)
    plan = manager.deleting.plan(admin, [again, other])
    host.execute("DELETE FROM run_metadata WHERE thread_id = %s", again)
    host.add_run(again, name="Another", created_at=created_at)
    before = host.counts(again)
    receipt = delete(manager, admin, [], plan=plan)
    assert deleted(receipt) == {other}
    (reason,) = errors(receipt).values()
    assert reason.startswith("Another run has this id")
    assert host.counts(again) == before


# The archive


def assert_rolled_back(
    host: HostWriter,
    manager: RunManager,
    admin: Actor,
    runs: list[str],
    broken: AbstractContextManager[None],
) -> None:
    """Break the archive after two batches; then mend it, and go on where it was left."""
    plan = manager.deleting.plan(admin, runs)
    work, folder = deletion_here(manager, plan)
    with ExitStack() as stack:
        break_it = at(4, lambda: stack.enter_context(broken))
        with pytest.raises(ArchiveError) as raised:
            work.carry_out(task_of(HERE, admin, Here(break_it), is_archived=True))
    assert "\n" not in raised.value.message
    assert "then try again" in raised.value.message
    assert [host.is_gone(run) for run in runs] == [True] * 4 + [False] * (len(runs) - 4)
    work.carry_out(task_of(HERE, admin, Here(), is_archived=True))
    receipt = read_receipt_of(folder)
    rest = errors(receipt)
    assert deleted(receipt) | rest.keys() == set(runs)
    assert all(host.is_gone(run) for run in deleted(receipt))
    assert not any(host.is_gone(run) for run in rest)


def test_an_archive_that_is_gone_in_the_middle_rolls_its_batch_back(
    host: HostWriter,
    manager: RunManager,
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
    state_dir: Path,
) -> None:
    in_batches_of(2, monkeypatch)
    runs = host.add_runs(8)
    place = state_dir / "archive"
    away = place.with_name("away")

    @contextmanager
    def gone() -> Iterator[None]:
        place.rename(away)
        place.mkdir()
        yield
        place.rmdir()
        away.rename(place)

    assert_rolled_back(host, manager, admin, runs, gone())
    assert (place / MARKER).exists()


def test_an_archive_that_is_full_in_the_middle_loses_nothing(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    in_batches_of(2, monkeypatch)
    runs = host.add_runs(8)
    for run in runs[4:]:
        # What compresses to nothing would fit.
        host.execute(
            "INSERT INTO logs (thread_id, message) SELECT %s, string_agg(md5(random()::text), '')"
            " FROM generate_series(1, 60000)",
            run,
        )
    disk = tmp_path_factory.mktemp("disk")
    with mounted(disk):
        manager = open_manager(archive=str(disk))
        plan = manager.deleting.plan(admin, runs)
        work, folder = deletion_here(manager, plan)
        work.carry_out(task_of(HERE, admin, Here(), is_archived=True))
        receipt = read_receipt_of(folder)
        assert deleted(receipt) == set(runs[:4])
        (reason,) = set(errors(receipt).values())
        assert reason.startswith("Not deleted. ")
        assert "is full" in reason
        assert not any(host.is_gone(run) for run in runs[4:])
        manager.close()
