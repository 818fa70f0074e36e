"""The archive turned off, and on again: what was kept before is not lost, nor said to be gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.archive import purging
from runmanager.errors import ArchiveError, OperationStateError
from runmanager.restoring.schedule import sweep
from runmanager.store import files, operations
from runmanager.store.tables import OPERATIONS
from tests.archives import values_of
from tests.operations import receipt_of, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

FOREVER = 1e10
ELSEWHERE = (
    "are not here while RUNMANAGER_ARCHIVE is off: they are in the folder of the archive that was "
    "used before. Let RUNMANAGER_ARCHIVE name that one again"
)


def delete(manager: RunManager, admin: Actor, runs: list[str]) -> str:
    started = manager.deleting.start(admin, manager.deleting.plan(admin, runs))
    receipt_of(manager, admin, started.operation_id)
    return started.operation_id


def swept(manager: RunManager) -> tuple[str, ...]:
    """What a purge by schedule purges now."""
    return sweep(manager._access.database, manager._store, manager._keeping.place)


def keep_until(manager: RunManager, operation_id: str, seconds: float) -> None:
    with manager._store.write() as connection:
        connection.execute(
            OPERATIONS.update().where(OPERATIONS.c.id == operation_id).values(archive_until=seconds)
        )


def is_purged(manager: RunManager, operation_id: str) -> bool:
    with manager._store.read() as connection:
        found = operations.find(connection, operation_id)
    assert found is not None
    return found.purged_at is not None


ASKED: dict[str, Callable[[RunManager, Actor, str], object]] = {
    "its receipt": lambda manager, admin, one: manager.operations.get(admin, one),
    "its receipt's document": lambda manager, admin, one: list(
        manager.operations.receipt_html(admin, one)
    ),
    "what a restore would do": lambda manager, admin, one: manager.operations.plan_restore(
        admin, one
    ),
    "a restore": lambda manager, admin, one: manager.operations.restore(admin, one),
    "what a purge would do": lambda manager, admin, one: manager.operations.plan_purge(admin, one),
    "a purge": lambda manager, admin, one: manager.operations.purge(admin, one),
    "its size": lambda manager, _admin, one: manager._keeping.place.size(one),
    "its removal": lambda manager, _admin, one: manager._keeping.place.remove(one),
}


def test_what_was_archived_is_not_said_to_be_gone_while_the_archive_is_off(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    runs, others = host.add_runs(2), host.add_runs(1)
    before = values_of(host)
    manager = open_manager()
    one = delete(manager, admin, runs)
    plan = manager.deleting.keep(admin, manager.deleting.plan(admin, others))
    manager.close()

    manager = open_manager(archive="off")
    for ask in ASKED.values():
        with pytest.raises(ArchiveError, match=ELSEWHERE):
            ask(manager, admin, one)
    with pytest.raises(ArchiveError, match=ELSEWHERE):
        manager.deleting.start(admin, plan)
    keep_until(manager, one, 1.0)
    place = manager._keeping.place
    assert swept(manager) == ()
    with pytest.raises(ArchiveError, match=ELSEWHERE):
        purging.purge(manager._store, place, one)
    assert not is_purged(manager, one)
    keep_until(manager, one, FOREVER)
    manager.close()

    manager = open_manager()
    back = manager.operations.restore(admin, one)
    until(lambda: manager.operations.view(admin, back.operation_id).is_over)
    assert values_of(host) == before
    keep_until(manager, one, 1.0)
    assert swept(manager) == (one,)


def test_a_restore_that_waits_while_the_archive_is_off_says_where_its_files_are(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    manager = open_manager()
    one = delete(manager, admin, host.add_runs(1))
    manager._engine.begin_closing()
    back = manager.operations.restore(admin, one).operation_id
    manager.close()
    manager = open_manager(archive="off")
    until(lambda: manager.operations.view(admin, back).message)
    assert ELSEWHERE in str(manager.operations.view(admin, back).message)
    manager.close()
    manager = open_manager()
    manager.operations.resume(admin, back)
    until(lambda: manager.operations.view(admin, back).is_over)
    assert manager.operations.view(admin, back).done == 1


def test_what_was_done_while_the_archive_was_off_is_read_from_the_store(
    host: HostWriter, open_manager: OpenManager, admin: Actor, tmp_path: Path
) -> None:
    manager = open_manager(archive="off")
    one = delete(manager, admin, host.add_runs(1))
    plan = manager.deleting.keep(admin, manager.deleting.plan(admin, host.add_runs(1)))
    manager.close()
    manager = open_manager(archive=str(tmp_path / "archive"))
    assert receipt_of(manager, admin, one).done_total == 1
    with pytest.raises(OperationStateError, match="No copy"):
        manager.operations.plan_restore(admin, one)
    # A plan from before keeps its files in the store, and its rows beside them.
    started = manager.deleting.start(admin, plan)
    assert receipt_of(manager, admin, started.operation_id).done_total == 1
    back = manager.operations.restore(admin, started.operation_id)
    until(lambda: manager.operations.view(admin, back.operation_id).is_over)
    assert manager.operations.view(admin, back.operation_id).done == 1


def test_an_archive_that_was_never_on_is_not_spoken_of(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    manager = open_manager(archive="off")
    one = delete(manager, admin, host.add_runs(1))
    with manager._store.write() as connection:
        files.remove_all(connection, one)
    assert manager.operations.get(admin, one).receipt is None
