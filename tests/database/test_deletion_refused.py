"""What the database refuses: one bad run fails alone, in plain words, with all of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager import batches
from runmanager.deletion import DELETION, execution
from runmanager.deletion.reasons import HAS_RERUNS, KEPT, LOCKED
from runmanager.errors import DatabaseAwayError
from tests.conftest import every_shape
from tests.hosts import connect
from tests.operations import delete, deleted, errors, execute_here, in_batches_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter


def assert_only_fails(
    host: HostWriter, manager: RunManager, admin: Actor, bad: str, runs: list[str], reason: str
) -> None:
    """Deleting ``runs`` leaves every row of ``bad``, for ``reason``, and none of the others."""
    kept = host.counts(bad)
    receipt = delete(manager, admin, runs)
    assert list(errors(receipt)) == [bad]
    assert reason in errors(receipt)[bad]
    assert deleted(receipt) == set(runs) - {bad}
    assert host.counts(bad) == kept
    assert all(host.is_gone(run) for run in runs if run != bad)


@every_shape
def test_a_run_held_by_a_foreign_key_fails_alone(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(
        f"CREATE TABLE invoices (run {host.shape.thread_id} REFERENCES run_metadata, note text)"
    )
    runs = host.add_runs(7)
    host.execute("INSERT INTO invoices VALUES (%s)", runs[3])
    reason = (
        "Rows of “invoices” refer to its row of “run_metadata” (constraint “invoices_run_fkey”), "
        "and the database keeps them. Remove those references; or name “invoices” in "
        "RUNMANAGER_TRACE_TABLES, and such rows go with their run."
    )
    assert_only_fails(host, open_manager(), admin, runs[3], runs, reason)


def test_a_reference_that_is_checked_at_the_commit_fails_alone(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(
        "CREATE TABLE invoices (run text REFERENCES run_metadata DEFERRABLE INITIALLY DEFERRED)"
    )
    runs = host.add_runs(5)
    host.execute("INSERT INTO invoices VALUES (%s)", runs[0])
    assert_only_fails(host, open_manager(), admin, runs[0], runs, "“invoices”")


@pytest.mark.parametrize("table", ["run_metadata", "logs", "checkpoints"])
def test_a_trigger_that_raises_fails_its_run_alone(
    host: HostWriter, manager: RunManager, admin: Actor, table: str
) -> None:
    runs = host.add_runs(6)
    body = f"IF OLD.thread_id = '{runs[5]}' THEN RAISE 'under legal hold'; END IF; RETURN OLD;"
    host.add_trigger(table, body)
    reason = f"The database refused, at table “{table}”: under legal hold"
    assert_only_fails(host, manager, admin, runs[5], runs, reason)


@pytest.mark.parametrize("table", ["run_metadata", "logs", "checkpoint_blobs"])
def test_a_trigger_that_keeps_a_row_keeps_the_whole_run(
    host: HostWriter, manager: RunManager, admin: Actor, table: str
) -> None:
    runs = host.add_runs(5)
    host.add_trigger(table, f"RETURN CASE WHEN OLD.thread_id = '{runs[2]}' THEN NULL ELSE OLD END;")
    assert_only_fails(host, manager, admin, runs[2], runs, KEPT.format(table=table))


def test_a_trigger_that_keeps_an_orphans_row_keeps_them_all(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    orphan = host.new_id()
    host.add_traces(orphan)
    kept = host.counts(orphan)
    host.add_trigger("logs", "RETURN NULL;")
    receipt = delete(manager, admin, [orphan])
    assert errors(receipt) == {orphan: KEPT.format(table="logs")}
    assert host.counts(orphan) == kept


def test_a_locked_run_fails_alone_and_soon(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "PATIENCE_SECONDS", (0.0, 0.0))
    runs = host.add_runs(3)
    with connect(host.url) as other, other.transaction():
        other.execute("SELECT FROM run_metadata WHERE thread_id = %s FOR SHARE", [runs[1]])
        assert_only_fails(host, manager, admin, runs[1], runs, LOCKED)


def test_a_stop_is_heard_while_a_refused_batch_is_taken_apart(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    runs = host.add_runs(4)
    host.add_trigger("run_metadata", "RAISE 'no';")
    asked: list[None] = []

    def at_the_third_time() -> bool:
        asked.append(None)
        return len(asked) >= 3

    plan = manager.deleting.plan(admin, runs)
    receipt = execute_here(manager, admin, plan, should_stop=at_the_third_time)
    assert receipt.was_stopped
    assert set(errors(receipt).values()) == {batches.stopped(DELETION)}
    assert len(asked) == 3


@pytest.fixture
def narrow_role(host: HostWriter) -> Iterator[str]:
    """A role that may do everything to the host's tables, until a test takes some of it back."""
    host.execute("CREATE ROLE narrow LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO narrow")
    yield "narrow"
    host.execute("DROP OWNED BY narrow; DROP ROLE narrow")


@pytest.mark.parametrize(
    ("privilege", "table"),
    [("DELETE", "logs"), ("DELETE", "run_metadata"), ("UPDATE", "run_metadata")],
)
def test_a_privilege_that_is_taken_after_the_plan_lets_nothing_go_and_is_named(
    host: HostWriter, open_manager: OpenManager, admin: Actor, narrow_role: str, privilege: str,
    table: str,
) -> None:  # fmt: skip
    manager = open_manager(host.url.set(username=narrow_role))
    runs = host.add_runs(3)
    before = host.contents()
    plan = manager.deleting.plan(admin, runs)
    host.execute(f"REVOKE {privilege} ON {table} FROM narrow")
    receipt = execute_here(manager, admin, plan)
    (reason,) = set(errors(receipt).values())
    assert f"at table “{table}”: permission denied for table {table}." in reason
    assert host.contents() == before
    manager.close()


def test_a_row_that_holds_a_run_where_nobody_may_look_is_named_by_the_database(
    host: HostWriter, open_manager: OpenManager, admin: Actor, narrow_role: str
) -> None:
    host.execute("CREATE TABLE invoices (run text REFERENCES run_metadata)")
    runs = host.add_runs(3)
    host.execute("INSERT INTO invoices VALUES (%s)", runs[1])
    manager = open_manager(host.url.set(username=narrow_role))
    (unseen,) = manager.deleting.plan(admin, runs).unseen
    assert unseen.startswith("Rows of “invoices” may hold runs, which would then stay.")
    assert "GRANT SELECT ON public.invoices TO narrow;" in unseen
    reason = (
        "A row of “run_metadata” is still referenced from table “invoices” "
        "(constraint “invoices_run_fkey”). Remove that reference, then delete again."
    )
    assert_only_fails(host, manager, admin, runs[1], runs, reason)
    manager.close()


def test_a_database_that_accepts_no_changes_is_asked_once(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(f"ALTER DATABASE {host.url.database} SET default_transaction_read_only = on")
    runs = host.add_runs(3)
    receipt = delete(open_manager(), admin, runs)
    assert errors(receipt) == dict.fromkeys(runs, batches.read_only(DELETION))


def test_a_lost_connection_keeps_what_had_gone_and_accounts_for_the_rest(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(2, monkeypatch)
    runs = host.add_runs(6)
    body = (
        f"IF OLD.thread_id = '{runs[3]}' THEN PERFORM pg_terminate_backend(pg_backend_pid());"
        " PERFORM pg_sleep(1); END IF; RETURN OLD;"
    )
    host.add_trigger("run_metadata", body)
    receipt = delete(manager, admin, runs)
    assert deleted(receipt) == set(runs[:2])
    reason = f"Not deleted. {DatabaseAwayError().message}"
    assert errors(receipt) == dict.fromkeys(runs[2:], reason)
    assert [host.is_gone(run) for run in runs] == [True] * 2 + [False] * 4
    assert manager.reviewing.run(admin, runs[5]).has_row  # and the next call finds a new connection


def test_a_connection_lost_at_each_commit_deletes_nothing_and_leaves_nothing_unsure(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(2, monkeypatch)
    runs = host.add_runs(4)
    host.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); RETURN OLD; END $$;"
        "CREATE CONSTRAINT TRIGGER refuse AFTER DELETE ON run_metadata DEFERRABLE"
        " INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    before = host.contents()
    receipt = delete(manager, admin, runs)
    # It is known what became of the first batch: it was undone, and tried again in vain.
    assert errors(receipt) == dict.fromkeys(runs, f"Not deleted. {DatabaseAwayError().message}")
    assert host.contents() == before


def test_a_connection_lost_once_at_the_commit_is_made_anew_and_every_run_goes(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(2, monkeypatch)
    runs = host.add_runs(4)
    # A sequence goes on though its transaction is undone.
    host.execute(
        "CREATE SEQUENCE tries;"
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF nextval('tries') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid());"
        " PERFORM pg_sleep(1); END IF; RETURN OLD; END $$;"
        "CREATE CONSTRAINT TRIGGER refuse AFTER DELETE ON run_metadata DEFERRABLE"
        " INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    receipt = delete(manager, admin, runs)
    assert (deleted(receipt), receipt.failed) == (set(runs), ())
    assert all(host.is_gone(run) for run in runs)


@pytest.mark.parametrize("on_delete", ["NO ACTION", "CASCADE"])
def test_a_family_of_reruns_goes_together_in_whatever_order(
    host: HostWriter, open_manager: OpenManager, admin: Actor, monkeypatch: pytest.MonkeyPatch,
    on_delete: str,
) -> None:  # fmt: skip
    in_batches_of(2, monkeypatch)
    refer_to_parent(host, on_delete)
    runs = host.add_runs(6)
    for child, parent in ((2, 0), (4, 0), (5, 2), (3, 5), (1, 3)):
        set_parent(host, runs[child], runs[parent])
    receipt = delete(open_manager(), admin, runs)
    assert receipt.failed == ()
    assert all(host.is_gone(run) for run in runs)


def test_a_parent_whose_rerun_stays_is_held_by_it(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    refer_to_parent(host, "NO ACTION")
    parent, rerun, other = host.add_runs(3)
    set_parent(host, rerun, parent)
    receipt = delete(open_manager(), admin, [parent, other])
    assert errors(receipt)[parent] == (
        "Another run's row of “run_metadata” refers to its row of “run_metadata” (constraint "
        "“run_metadata_parent_thread_id_fkey”). Select that run too."
    )
    assert deleted(receipt) == {other}
    assert not host.is_gone(rerun)


@pytest.mark.parametrize("column", ["parent_thread_id", "started_from"])
def test_a_cascade_takes_no_rerun_that_was_not_selected(
    host: HostWriter, open_manager: OpenManager, admin: Actor, column: str
) -> None:
    host.execute("ALTER TABLE run_metadata ADD started_from text")
    refer_to_parent(host, "CASCADE", column)
    first, second, third, other = host.add_runs(4)
    set_parent(host, second, first, column)
    set_parent(host, third, second, column)
    before = host.contents(without=[other])
    receipt = delete(open_manager(), admin, [first, second, other])
    assert errors(receipt) == {first: HAS_RERUNS, second: HAS_RERUNS}
    assert deleted(receipt) == {other}
    assert host.contents() == before


def refer_to_parent(host: HostWriter, on_delete: str, column: str = "parent_thread_id") -> None:
    host.execute(
        f"ALTER TABLE run_metadata ADD FOREIGN KEY ({column}) REFERENCES run_metadata"
        f" ON DELETE {on_delete}"
    )


def set_parent(host: HostWriter, child: str, parent: str, column: str = "parent_thread_id") -> None:
    statement = f"UPDATE run_metadata SET {column} = %s WHERE thread_id = %s"  # noqa: S608
    host.execute(statement, parent, child)
