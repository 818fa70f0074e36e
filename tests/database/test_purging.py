"""The end of an archive: by hand and by its days; the receipt stays, and nothing lies meanwhile."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from runmanager.archive import purging
from runmanager.archive.store_place import StorePlace
from runmanager.errors import (
    ArchiveError,
    InterruptedOperationError,
    NotAdminError,
    OperationStateError,
)
from runmanager.ledger import lock_operation
from runmanager.records import Actor, OperationState, Origin
from runmanager.restoring import PurgeWork
from runmanager.restoring.schedule import sweep
from runmanager.store import files, operations, plans
from runmanager.store.operations import NewOperation
from runmanager.store.tables import FILES, OPERATIONS
from runmanager.tasks import Ending
from tests.conftest import every_store
from tests.deaths import KilledError, Life, MortalFolder
from tests.killing import FIRST_PAGE
from tests.operations import delete, until
from tests.restoring import CHILD, PARENT, Control, Undo, task_of, undoing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runmanager.archive.purging import Files
    from runmanager.folders import Folder
    from runmanager.service import RunManager
    from runmanager.store import Store
    from tests.hosts import HostWriter

ADA = Actor("1", "ada")
DAY = 86_400.0


@pytest.fixture
def undo(host: HostWriter) -> Iterator[Undo]:
    """A deletion on the test's host."""
    with undoing(host.url) as undone:
        yield undone


class MortalPlace:
    """A place whose files are used in a life."""

    def __init__(self, store: Store, life: Life) -> None:
        self._place = StorePlace(store)
        self._life = life

    def folder(self, operation_id: str) -> Folder:
        """The files of one operation."""
        return MortalFolder(self._place.folder(operation_id), self._life)

    def remove(self, operation_id: str) -> None:
        """Remove all files of one."""
        self._life.step("remove all")
        self._place.remove(operation_id)


def add(
    store: Store,
    operation_id: str,
    *,
    kind: str = "deletion",
    state: OperationState = OperationState.FINISHED,
    parent: str | None = None,
    days: float | None = None,
) -> None:
    """An operation; ``days`` is how long its archive is still kept."""
    new = NewOperation(operation_id, kind, ADA, Origin.PAGE.value, {}, parent)
    with store.write() as connection:
        operations.insert(connection, new, state)
        if days is not None:
            until = operations.now(connection) + days * DAY
            operations.change(connection, operation_id, archive_until=until, archive_bytes=7)


def fill(place: StorePlace, operation_id: str) -> None:
    """The files of a deletion of two batches."""
    folder = place.folder(operation_id)
    for name in ("000001.sql.zst", "000002.sql.zst", "ids.zst", "receipt.json", "operation.json"):
        folder.write(name, name.encode())
    for name in ("000001.json", "000002.json"):
        folder.write(name, b'{"done": {"some run": {"run_metadata": 1}}}')


STAYS = ("000001.json", "000002.json", "ids.zst", "operation.json", "receipt.json")


@every_store
def test_rows_are_purged_and_all_else_stays(store: Store) -> None:
    place = StorePlace(store)
    add(store, PARENT, days=30)
    fill(place, PARENT)
    for _again in range(2):
        purging.purge(store, place, PARENT)
        assert place.folder(PARENT).names() == STAYS
        with store.read() as connection:
            found = operations.find(connection, PARENT)
        assert found is not None
        assert found.purged_at is not None
        assert (found.archive_bytes, found.archive_until) == (0, None)


@every_store
def test_the_schedule_purges_what_is_past_its_days_and_forgets_old_plans(
    store: Store, undo: Undo
) -> None:
    place = StorePlace(store)
    add(store, "past", days=-1)
    add(store, "kept", days=1)
    add(store, "busy", days=-1)
    add(store, "restoring", kind="restore", state=OperationState.PAUSED, parent="busy")
    add(store, "running", state=OperationState.PAUSED, days=-1)
    add(store, "plan", state=OperationState.PLANNED)
    add(store, "old plan", state=OperationState.PLANNED)
    for one in ("past", "kept", "busy", "running", "plan"):
        fill(place, one)
    place.folder("old-plan").write("ids.zst", b"ids")
    with store.write() as connection:
        connection.execute(
            sa.update(OPERATIONS)
            .where(OPERATIONS.c.id == "old plan")
            .values(id="old-plan", created_at=OPERATIONS.c.created_at - 3601)
        )
    assert purging.due(store) == ("past",)
    assert sweep(undo.database, store, place) == ("past",)
    assert place.folder("past").names() == STAYS
    for one in ("kept", "busy", "running", "plan"):
        assert len(place.folder(one).names()) == 7, one
    assert place.folder("old-plan").names() == ()
    with store.read() as connection:
        old = operations.find(connection, "old-plan")
    assert old is not None
    assert old.is_expired
    assert sweep(undo.database, store, place) == ()


def test_what_cannot_be_removed_now_is_said_to_be_there(
    store: Store, undo: Undo, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = StorePlace(store)
    add(store, "past", days=-1)
    fill(place, "past")
    with monkeypatch.context() as patched:
        patched.setattr(purging, "purge_rows", _refuse)
        assert sweep(undo.database, store, place) == ()
    with store.read() as connection:
        found = operations.find(connection, "past")
    assert found is not None
    assert found.purged_at is None
    assert sweep(undo.database, store, place) == ("past",)


def _refuse(_folder: Folder) -> None:
    raise ArchiveError("The folder is read-only.")


@contextmanager
def restoring_from(undo: Undo, operation_id: str) -> Iterator[None]:
    """Let a restore's transaction be at work on what an operation archived."""
    with undo.database.write() as connection:
        lock_operation(connection, operation_id)
        yield


def waits_for_a_lock(host: HostWriter) -> bool:
    """Whether somebody waits for a lock that is nobody's row."""
    return bool(host.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))


@pytest.mark.parametrize("by", ["schedule", "hand"])
def test_a_restore_that_is_asked_for_before_the_rows_are_removed_keeps_them(
    host: HostWriter, store: Store, admin: Actor, by: str
) -> None:
    place = StorePlace(store)
    add(store, PARENT, days=-1)
    fill(place, PARENT)
    with undoing(host.url, lock_timeout=20.0) as undo, ThreadPoolExecutor(1) as thread:
        work = PurgeWork(undo.database, undo.current_host, store, place)

        def purge() -> object:
            if by == "schedule":
                return sweep(undo.database, store, place)
            with pytest.raises(InterruptedOperationError, match="being restored"):
                work.carry_out(task_of(admin))
            return ()

        with restoring_from(undo, PARENT):
            purged = thread.submit(purge)
            until(lambda: waits_for_a_lock(host) or purged.done())
            add(store, "restoring", kind="restore", state=OperationState.PAUSED, parent=PARENT)
        assert purged.result(20) == ()
    assert len(place.folder(PARENT).names()) == 7
    with store.read() as connection:
        found = operations.find(connection, PARENT)
    assert found is not None
    assert found.purged_at is None


@pytest.mark.parametrize("by", ["schedule", "hand"])
def test_what_another_restores_from_at_this_moment_is_not_waited_for_long(
    undo: Undo, store: Store, admin: Actor, by: str
) -> None:
    place = StorePlace(store)
    add(store, PARENT, days=-1)
    fill(place, PARENT)
    work = PurgeWork(undo.database, undo.current_host, store, place)
    with restoring_from(undo, PARENT):
        if by == "schedule":
            assert sweep(undo.database, store, place) == ()
        else:
            with pytest.raises(InterruptedOperationError, match="being restored"):
                work.carry_out(task_of(admin))
    assert len(place.folder(PARENT).names()) == 7
    assert sweep(undo.database, store, place) == (PARENT,)


@dataclass
class SlowPlace:
    """A place that takes a test's time over telling what is in it, as the rows are removed."""

    place: purging.Files
    is_removing: Event = field(default_factory=Event)
    may_go_on: Event = field(default_factory=Event)

    def folder(self, operation_id: str) -> Folder:
        """The files of one operation."""
        self.is_removing.set()
        assert self.may_go_on.wait(20)
        return self.place.folder(operation_id)

    def remove(self, operation_id: str) -> None:
        """Remove all files of one."""
        self.place.remove(operation_id)


def test_a_restore_that_is_asked_for_while_the_rows_are_removed_is_refused(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    delete(manager, admin, host.add_runs(2))
    (view,) = manager.operations.list(admin, FIRST_PAGE).items
    with manager._store.write() as connection:
        past = operations.now(connection) - 1
        operations.change(connection, view.operation_id, archive_until=past)
    slow = SlowPlace(manager._keeping.place)
    database = manager._access.database
    with ThreadPoolExecutor(2) as threads:
        purge = threads.submit(sweep, database, manager._store, slow)
        assert slow.is_removing.wait(20)
        restore = threads.submit(manager.operations.restore, admin, view.operation_id)
        until(lambda: waits_for_a_lock(host) or restore.done())
        slow.may_go_on.set()
        assert purge.result(20) == (view.operation_id,)
        with pytest.raises(OperationStateError, match="were purged"):
            restore.result(20)
    assert manager.operations.running(admin) == ()


def test_a_purge_by_schedule_is_in_the_audit_log_once(
    store: Store, undo: Undo, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "runmanager.audit")
    place = StorePlace(store)
    add(store, "past", days=-1)
    fill(place, "past")
    with store.write() as connection:
        operations.change(connection, "past", summary='{"deleted": 3}')
    for _again in range(2):
        sweep(undo.database, store, place)
    lines = [json.loads(one.getMessage()) for one in caplog.records if one.name.endswith(".audit")]
    assert [line["event"] for line in lines] == ["purge started", "purge ended"]
    for line in lines:
        assert (line["actor"], line["actor_id"], line["how"]) == ("schedule", None, "schedule")
        assert (line["of"], line["operation"], line["runs"]) == ("past", None, 3)
    assert (lines[0]["bytes"], lines[1]["purged"], lines[1]["failed"]) == (7, 3, 0)


def test_a_purge_is_an_operation_with_a_receipt(
    host: HostWriter, undo: Undo, store: Store, admin: Actor
) -> None:
    place = StorePlace(store)
    add(store, PARENT, days=30)
    fill(place, PARENT)
    work = PurgeWork(undo.database, undo.current_host, store, place)
    finished = work.carry_out(task_of(admin, total=5))
    assert finished is not None
    assert (finished.done, finished.summary["purged"]) == (5, 5)
    assert place.folder(PARENT).names() == STAYS
    undo.folders[CHILD] = place.folder(CHILD)
    head, lines = undo.receipt()
    assert (head["kind"], head["purged"], head["parent"], lines) == ("purge", 5, PARENT, [])


def test_a_purge_waits_for_a_restore(
    host: HostWriter, undo: Undo, store: Store, admin: Actor
) -> None:
    place = StorePlace(store)
    add(store, PARENT, days=30)
    add(store, "restoring", kind="restore", state=OperationState.QUEUED, parent=PARENT)
    fill(place, PARENT)
    work = PurgeWork(undo.database, undo.current_host, store, place)
    with pytest.raises(InterruptedOperationError, match="being restored"):
        work.carry_out(task_of(admin))
    assert len(place.folder(PARENT).names()) == 7


def test_who_is_no_admin_any_more_purges_nothing(
    host: HostWriter, undo: Undo, store: Store
) -> None:
    place = StorePlace(store)
    add(store, PARENT, days=30)
    fill(place, PARENT)
    work = PurgeWork(undo.database, undo.current_host, store, place)
    with pytest.raises(NotAdminError):
        work.carry_out(task_of(Actor(host.add_user("kate"), "kate")))
    assert len(place.folder(PARENT).names()) == 7


@pytest.mark.parametrize(
    ("ending", "files"), [(Ending.STOP, 7), (Ending.PAUSE, 7), (Ending.SHUTDOWN, 7)]
)
def test_a_purge_that_is_to_end_does_nothing(
    host: HostWriter, undo: Undo, store: Store, admin: Actor, ending: Ending, files: int
) -> None:
    place = StorePlace(store)
    add(store, PARENT, days=30)
    fill(place, PARENT)
    work = PurgeWork(undo.database, undo.current_host, store, place)
    finished = work.carry_out(task_of(admin, control=Control(ends=ending)))
    assert (finished is not None) == (ending is Ending.STOP)
    assert len(place.folder(PARENT).names()) == files


@pytest.mark.parametrize("is_noted", [False, True])
def test_a_purge_that_has_begun_is_ended_and_not_stopped(
    host: HostWriter, undo: Undo, store: Store, admin: Actor, is_noted: bool
) -> None:
    place = StorePlace(store)
    add(store, PARENT, days=30)
    fill(place, PARENT)
    folder = place.folder(PARENT)
    folder.remove([name for name in folder.names() if name.endswith(".sql.zst")][:1])
    if is_noted:
        purging.purge(store, place, PARENT)
    work = PurgeWork(undo.database, undo.current_host, store, place)
    finished = work.carry_out(task_of(admin, control=Control(ends=Ending.STOP), total=2))
    assert finished is not None
    assert finished.summary == {"purged": 2, "was_stopped": False}
    assert not any(name.endswith(".sql.zst") for name in folder.names())


def test_what_half_written_files_hold_is_purged_too(store: Store) -> None:
    place = StorePlace(store)
    add(store, PARENT, days=30)
    fill(place, PARENT)
    with store.write() as connection:
        files.add_part(connection, PARENT, ".000003.sql.zst.0a1b2c3d", 0, b"rows of somebody")
    purging.purge(store, place, PARENT)
    with store.read() as connection:
        left = connection.execute(sa.select(FILES.c.name).distinct()).scalars().all()
    assert not any(".sql.zst" in name for name in left)


def test_a_plan_that_was_begun_keeps_its_files_whatever_the_store_says(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = StorePlace(store)
    for name in ("ids.zst", "operation.json"):
        for operation_id in (PARENT, CHILD):
            place.folder(operation_id).write(name, b"{}")
    place.folder(PARENT).write("000001.json", b"{}")
    monkeypatch.setattr(plans, "old", lambda _connection: (PARENT, CHILD))
    purging.forget_plans(store, place)
    assert len(place.folder(PARENT).names()) == 3
    assert place.folder(CHILD).names() == ()


def test_a_purge_that_is_killed_anywhere_and_started_again_ends_the_same(
    host: HostWriter, store: Store, admin: Actor
) -> None:
    steps = killed_purge(host, store, admin, None)
    assert len(steps) > 8
    for at in range(1, len(steps) + 1):
        killed_purge(host, store, admin, at)


def test_a_purge_that_is_said_to_be_over_before_it_is_would_be_found_out(
    host: HostWriter, store: Store, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said_first(store: Store, place: Files, operation_id: str) -> None:
        with store.write() as connection:
            operations.mark_purged(connection, operation_id)
        purging.purge_rows(place.folder(operation_id))

    monkeypatch.setattr(purging, "purge", said_first)
    steps = killed_purge(host, store, admin, None)
    with pytest.raises(AssertionError):
        killed_purge(host, store, admin, steps.index("remove 000002.sql.zst") + 1)


def killed_purge(host: HostWriter, store: Store, admin: Actor, at: int | None) -> list[str]:
    """Purge in one life, which may end before that step, and in another; the first one's steps."""
    with undoing(host.url) as undo:
        known = undo.current_host()
    with store.write() as connection:
        connection.execute(OPERATIONS.delete())
    for one in (PARENT, CHILD):
        StorePlace(store).remove(one)
    add(store, PARENT, days=30)
    fill(StorePlace(store), PARENT)
    lives = Life(at), Life()
    for life in lives:
        with (
            life.database(host.url) as database,
            # Who is dead may meet the end of a connection first.
            suppress(KilledError, InterruptedOperationError),
        ):
            place = MortalPlace(store, life)
            PurgeWork(database, lambda: known, store, place).carry_out(task_of(admin, total=2))
        with store.read() as connection:
            found = operations.find(connection, PARENT)
        assert found is not None
        left = [one for one in StorePlace(store).folder(PARENT).names() if "sql" in one]
        is_purged = found.purged_at is not None
        assert not (left and is_purged), at
    assert StorePlace(store).folder(PARENT).names() == STAYS
    assert StorePlace(store).folder(CHILD).names() == ("receipt.json",)
    assert is_purged
    return lives[0].steps
