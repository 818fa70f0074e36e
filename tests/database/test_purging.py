"""The end of an archive: by hand and by its days; the receipt stays, and nothing lies meanwhile."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from runmanager.archive import purging
from runmanager.archive.store_place import StorePlace
from runmanager.errors import ArchiveError, InterruptedOperationError, NotAdminError
from runmanager.records import Actor, OperationState, Origin
from runmanager.restoring import PurgeWork
from runmanager.store import operations
from runmanager.store.operations import NewOperation
from runmanager.store.tables import OPERATIONS
from runmanager.tasks import Ending
from tests.conftest import every_store
from tests.deaths import KilledError, Life, MortalFolder
from tests.restoring import CHILD, PARENT, Control, Undo, task_of, undoing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runmanager.folders import Folder
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
    for name in (
        "000001.json",
        "000001.sql.zst",
        "000002.json",
        "000002.sql.zst",
        "ids.zst",
        "receipt.json",
        "operation.json",
    ):
        folder.write(name, name.encode())


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
def test_the_schedule_purges_what_is_past_its_days_and_forgets_old_plans(store: Store) -> None:
    place = StorePlace(store)
    add(store, "past", days=-1)
    add(store, "kept", days=1)
    add(store, "busy", days=-1)
    add(store, "restoring", kind="restore", state=OperationState.PAUSED, parent="busy")
    add(store, "running", state=OperationState.PAUSED, days=-1)
    add(store, "plan", state=OperationState.PLANNED)
    add(store, "old plan", state=OperationState.PLANNED)
    for one in ("past", "kept", "busy", "running", "plan", "old-plan"):
        fill(place, one)
    with store.write() as connection:
        connection.execute(
            sa.update(OPERATIONS)
            .where(OPERATIONS.c.id == "old plan")
            .values(id="old-plan", created_at=OPERATIONS.c.created_at - 3601)
        )
    assert purging.due(store) == ("past",)
    assert purging.sweep(store, place) == ("past",)
    assert place.folder("past").names() == STAYS
    for one in ("kept", "busy", "running", "plan"):
        assert len(place.folder(one).names()) == 7, one
    assert place.folder("old-plan").names() == ()
    with store.read() as connection:
        old = operations.find(connection, "old-plan")
    assert old is not None
    assert old.is_expired
    assert purging.sweep(store, place) == ()


def test_what_cannot_be_removed_now_is_said_to_be_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = StorePlace(store)
    add(store, "past", days=-1)
    fill(place, "past")
    with monkeypatch.context() as patched:
        patched.setattr(purging, "purge_rows", _refuse)
        assert purging.sweep(store, place) == ()
    with store.read() as connection:
        found = operations.find(connection, "past")
    assert found is not None
    assert found.purged_at is None
    assert purging.sweep(store, place) == ("past",)


def _refuse(_folder: Folder) -> None:
    raise ArchiveError("The folder is read-only.")


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


def test_a_purge_that_is_killed_anywhere_and_started_again_ends_the_same(
    host: HostWriter, store: Store, admin: Actor
) -> None:
    with undoing(host.url) as undo:
        known = undo.known_host = undo.current_host()
    steps: list[str] = []
    at = 0
    while at <= len(steps):
        with store.write() as connection:
            connection.execute(OPERATIONS.delete())
        for one in (PARENT, CHILD):
            StorePlace(store).remove(one)
        add(store, PARENT, days=30)
        fill(StorePlace(store), PARENT)
        for life in (Life(at or None), Life()):
            with life.database(host.url) as database, suppress(KilledError):
                place = MortalPlace(store, life)
                PurgeWork(database, lambda: known, store, place).carry_out(task_of(admin, total=2))
            with store.read() as connection:
                found = operations.find(connection, PARENT)
            assert found is not None
            left = [one for one in StorePlace(store).folder(PARENT).names() if "sql" in one]
            assert not (left and found.purged_at), (at, steps)
            steps = steps or life.steps
        assert StorePlace(store).folder(PARENT).names() == STAYS
        assert StorePlace(store).folder(CHILD).names() == ("receipt.json",)
        assert found is not None
        assert found.purged_at is not None
        at += 1
    assert at > 8
