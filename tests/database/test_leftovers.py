"""Files that were written before an operation was: they stay as long as anybody may need them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runmanager.archive.places import LocalPlace, StorePlace
from runmanager.errors import StoreError
from runmanager.paging import PageRequest
from runmanager.records import Actor, OperationState, Origin
from runmanager.service.leftovers import LEFT_SECONDS, LOOK_SECONDS, Leftovers
from runmanager.store import operations
from runmanager.store.operations import NewOperation
from runmanager.work.engine import Engine
from tests.conftest import every_store
from tests.engines import CutOff, Deaf
from tests.operations import until

if TYPE_CHECKING:
    from pathlib import Path

    from runmanager.archive.places import Place
    from runmanager.service import RunManager
    from runmanager.service.deleting import Deleting
    from runmanager.store import Store
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

FIRST = PageRequest(1, 10)
LEFT, KNOWN, BEGUN = "a" * 32, "b" * 32, "c" * 32


def deleting_on(manager: RunManager, store: Store) -> Deleting:
    """The same service on another way to the store, and with an engine that is not at work."""
    kinds = tuple(manager._engine._kinds.values())
    return replace(manager.deleting, _engine=Engine(store, kinds, "cut off"))


def folders(manager: RunManager) -> set[str]:
    """The operations that have files."""
    return set(manager._keeping.place.operations())


@pytest.mark.parametrize("archive", ["", "off"], ids=["local", "off"])
def test_a_deletion_whose_start_was_written_and_not_answered_has_its_files(
    host: HostWriter, open_manager: OpenManager, admin: Actor, archive: str
) -> None:
    manager = open_manager(archive=archive)
    run = host.add_run()
    before = host.contents()
    deaf = deleting_on(manager, Deaf(manager._store, for_good=True))
    with pytest.raises(StoreError):
        deaf.start(admin, manager.deleting.plan(admin, [run]))
    # Another instance takes it up.
    until(lambda: manager.operations.list(admin, FIRST).items[0].is_over)
    (view,) = manager.operations.list(admin, FIRST).items
    assert (view.done, view.failed) == (1, 0)
    assert host.is_gone(run)
    if archive != "off":
        undone = manager.operations.restore(admin, view.operation_id)
        until(lambda: manager.operations.view(admin, undone.operation_id).is_over)
        assert host.contents() == before


def test_what_was_never_kept_as_a_plan_leaves_no_files(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    plan = manager.deleting.plan(admin, [host.add_run()])
    reached = CutOff(manager._store)
    reached.crash()
    cut = deleting_on(manager, reached)
    with pytest.raises(StoreError):
        cut.keep(admin, plan)
    assert folders(manager) == set()


def fill(place: Place, operation_id: str, *names: str) -> None:
    """Write files of an operation."""
    for name in names:
        place.folder(operation_id).write(name, b"x")


@pytest.fixture(params=["local", "store"])
def place(request: pytest.FixtureRequest, store: Store, tmp_path: Path) -> Place:
    """A place with a folder that is left over, one of an operation, and one of a lost operation."""
    found: Place = StorePlace(store)
    if request.param == "local":
        local = LocalPlace(tmp_path / "archive")
        local.write_marker("ours")
        (tmp_path / "archive" / "lost+found").mkdir()
        found = local
    fill(found, LEFT, "ids.zst", "operation.json")
    fill(found, KNOWN, "ids.zst", "operation.json")
    fill(found, BEGUN, "ids.zst", "operation.json", "000001.json", "000001.sql.zst")
    fill(found, "somebody-elses", "ids.zst")
    new = NewOperation(KNOWN, "deletion", Actor("1", "ada"), Origin.PAGE.value, {})
    with store.write() as connection:
        operations.insert(connection, new, OperationState.PAUSED)
    return found


@every_store
def test_files_that_the_store_knows_nothing_of_go_after_a_day(store: Store, place: Place) -> None:
    leftovers = Leftovers(store, place)
    assert leftovers.sweep(now=1000.0) == ()
    assert leftovers.sweep(now=1000.0 + LEFT_SECONDS - 1) == ()
    # Looked for again after a while only.
    assert leftovers.sweep(now=1000.0 + LEFT_SECONDS) == ()
    assert leftovers.sweep(now=1000.0 + LEFT_SECONDS + LOOK_SECONDS) == (LEFT,)
    assert set(place.operations()) == {KNOWN, BEGUN, "somebody-elses"}
    assert len(place.folder(BEGUN).names()) == 4
    assert leftovers.sweep(now=1000.0 + 3 * LEFT_SECONDS) == ()


@every_store
def test_files_whose_operation_is_written_down_meanwhile_stay(store: Store, place: Place) -> None:
    leftovers = Leftovers(store, place)
    leftovers.sweep(now=0.0)
    new = NewOperation(LEFT, "deletion", Actor("1", "ada"), Origin.PAGE.value, {})
    with store.write() as connection:
        operations.insert(connection, new, OperationState.QUEUED)
    assert leftovers.sweep(now=2 * LEFT_SECONDS) == ()
    assert LEFT in place.operations()


@every_store
def test_while_the_store_does_not_answer_nothing_goes(store: Store, place: Place) -> None:
    reached = CutOff(store)
    leftovers = Leftovers(reached, place)
    leftovers.sweep(now=0.0)
    reached.crash()
    with pytest.raises(StoreError):
        leftovers.sweep(now=2 * LEFT_SECONDS)
    assert LEFT in place.operations()
