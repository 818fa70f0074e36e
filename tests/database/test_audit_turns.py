"""The audit lines of an operation that takes several turns: one start, whatever becomes of it."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from runmanager import ledger
from runmanager.archive.store_place import StorePlace
from runmanager.errors import InterruptedOperationError
from runmanager.ledger import lock_operation
from runmanager.records import OperationState, Origin
from runmanager.restoring import PurgeWork
from runmanager.store import operations
from runmanager.store.operations import NewOperation
from runmanager.tasks import Ending
from tests.deaths import KilledError
from tests.operations import Here, deletion_here, task_of
from tests.restoring import CHILD, PARENT, Undo, undoing
from tests.restoring import task_of as undo_task_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from runmanager.tasks import Finished, Kind, Task
    from tests.hosts import HostWriter

KINDS = ("deletion", "restore", "purge")


@dataclass
class Turns:
    """The turns at one operation, as an engine gives them."""

    kind: Kind
    task: Task
    control: Here = field(default_factory=Here)
    epoch: int = 0

    def take(self) -> Finished | None:
        """One more, whatever became of the last."""
        self.epoch += 1
        task = replace(self.task, epoch=self.epoch, interruptions=self.epoch - 1)
        return self.kind.carry_out(replace(task, control=self.control))

    def dies(self) -> None:
        """One in which the process dies before anything was done to a run."""

        def die() -> Ending | None:
            raise KilledError

        self.control.should_end = die
        with suppress(KilledError):
            self.take()
        self.control.should_end = lambda: None


@pytest.fixture
def undo(host: HostWriter) -> Iterator[Undo]:
    """A deletion on the test's host that is to be undone."""
    with undoing(host.url) as undone:
        yield undone


@pytest.fixture
def turns(
    request: pytest.FixtureRequest,
    host: HostWriter,
    manager: RunManager,
    undo: Undo,
    admin: Actor,
) -> Turns:
    """An operation of the kind that the test names, at which nobody has been at work."""
    runs = host.add_runs(2)
    if request.param == "deletion":
        plan = manager.deleting.plan(admin, runs)
        work, _folder = deletion_here(manager, plan)
        return Turns(work, task_of("0" * 32, admin, Here(), is_archived=True))
    undo.delete(runs)
    if request.param == "restore":
        return Turns(undo.work(), undo_task_of(admin, {"thread_ids": None}))
    store = manager._store
    purge = PurgeWork(undo.database, undo.current_host, store, StorePlace(store))
    return Turns(purge, undo_task_of(admin, total=2))


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Every audit line by now, and no other from here on."""
    found = [json.loads(one.getMessage()) for one in caplog.records if one.name.endswith(".audit")]
    caplog.clear()
    return found


def names(lines: list[dict[str, Any]]) -> list[str]:
    """What each line says has happened, without the operation's kind."""
    return [str(line["event"]).rpartition(" ")[2] for line in lines]


@pytest.fixture(autouse=True)
def at_info(caplog: pytest.LogCaptureFixture) -> None:
    """Let audit lines be seen."""
    caplog.set_level(logging.INFO, "runmanager.audit")


@contextmanager
def at_work_elsewhere(url: sa.URL, operation_id: str) -> Iterator[None]:
    """Let a transaction of the operation's be open, as one that was left in the middle."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        lock_operation(connection, operation_id)
        yield
    engine.dispose()


@pytest.mark.parametrize("turns", KINDS, indirect=True)
def test_who_wants_what_is_written_once_and_each_further_turn_says_that_it_is_one(
    turns: Turns, caplog: pytest.LogCaptureFixture
) -> None:
    turns.dies()
    turns.dies()
    assert turns.take() is not None
    first, *further, last = events(caplog)
    assert names([first, *further, last])[0] == "started"
    assert set(names(further)) == {"resumed"}
    assert names([last]) == ["ended"]
    # Whoever reads only the last file of the log learns from it who wanted what, all the same.
    for line in further:
        assert {**line, "event": 0, "time": 0, "interruptions": 0} == {
            **first, "event": 0, "time": 0, "interruptions": 0,
        }  # fmt: skip
    assert further[-1]["interruptions"] == last["interruptions"] == 2


@pytest.mark.parametrize("turns", KINDS, indirect=True)
def test_one_that_is_let_go_before_it_began_has_its_start(
    turns: Turns, caplog: pytest.LogCaptureFixture
) -> None:
    turns.control.should_end = lambda: Ending.PAUSE
    assert turns.take() is None
    assert names(events(caplog)) == ["started"]
    turns.control.should_end = lambda: None
    assert turns.take() is not None
    assert names(events(caplog)) == ["resumed", "ended"]


@pytest.mark.parametrize("turns", ["deletion", "restore"], indirect=True)
def test_one_that_cannot_begin_has_its_start_and_no_line_for_each_turn_in_vain(
    turns: Turns,
    host: HostWriter,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger, "RESOLVE_SECONDS", 0.0)
    with at_work_elsewhere(host.url, turns.task.operation_id):
        for _turn in range(3):
            with pytest.raises(InterruptedOperationError):
                turns.take()
    assert names(events(caplog)) == ["started"]
    assert turns.take() is not None
    assert names(events(caplog)) == ["resumed", "ended"]


@pytest.mark.parametrize("turns", ["purge"], indirect=True)
def test_a_purge_that_waits_for_a_restore_has_its_start_and_no_line_for_each_turn_in_vain(
    turns: Turns, manager: RunManager, admin: Actor, caplog: pytest.LogCaptureFixture
) -> None:
    store = manager._store
    with store.write() as connection:
        restore = NewOperation("restoring", "restore", admin, Origin.PAGE.value, {}, PARENT)
        # At rest, so that the manager's own engine leaves it alone.
        operations.insert(connection, restore, OperationState.PAUSED)
    for _turn in range(3):
        with pytest.raises(InterruptedOperationError, match="being restored"):
            turns.take()
    (line,) = events(caplog)
    assert (line["event"], line["operation"], line["of"]) == ("purge started", CHILD, PARENT)
    with store.write() as connection:
        operations.change(connection, "restoring", state=OperationState.FINISHED.value)
    assert turns.take() is not None
    assert names(events(caplog)) == ["resumed", "ended"]
