"""Killed at every boundary, then started again: no half run, true receipts, and all comes back."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pages.passwords import is_password
from runmanager.archive.reading import read_header
from runmanager.deletion.reasons import NOT_FOUND
from runmanager.ledger import Ledger, read_records, rows_numbers
from runmanager.paging import PageRequest
from runmanager.records import DeletionReceipt, OperationState
from runmanager.service import RunManager
from tests import killing
from tests.hosts import HostWriter, connect
from tests.killing import Job
from tests.operations import deleted, errors, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runmanager.records import Actor, OperationView
    from tests.conftest import Server
    from tests.hosts import Shape

# So many points of each kind of operation; `make fuzz` tries all.
SAMPLED = {"delete": 8, "restore": 4, "purge": 2}
GONE_BEFORE = "nobody"
KILLED = -9


@dataclass
class World:
    """A host with runs of every sort, a store, and what both were before."""

    server: Server
    shape: Shape
    template: str
    state_dir: Path
    actor: Actor
    going: list[str]
    held: str
    orphan: str
    number: int = 0

    @property
    def asked(self) -> tuple[str, ...]:
        """What is asked to be deleted."""
        return (*self.going, self.held, self.orphan, GONE_BEFORE)

    @contextmanager
    def copied(self) -> Iterator[Copy]:
        """One of its own, to be destroyed."""
        self.number += 1
        database = self.server.clone(self.template)
        state_dir = self.state_dir.with_name(f"copy-{self.number}")
        shutil.copytree(self.state_dir, state_dir)
        url = self.server.url(database, self.shape)
        with connect(url) as connection:
            host = HostWriter.__new__(HostWriter)
            host.shape, host.url, host.connection, host.admin = (
                self.shape, url, connection, self.actor,
            )  # fmt: skip
            yield Copy(self, host, state_dir)
        self.server.drop(database)
        shutil.rmtree(state_dir)


@dataclass
class Copy:
    """A world in which a process is killed."""

    world: World
    host: HostWriter
    state_dir: Path
    before: dict[str, list[str]] = field(init=False)
    rows: dict[str, dict[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.host.contents()
        self.rows = {run: self.host.counts(run) for run in self.world.asked}

    def job(self, kind: str, *target: str, **how: Any) -> Job:
        """What a process does here."""
        url = self.host.url.render_as_string(hide_password=False)
        return Job(url, self.state_dir, self.world.actor, kind, target, **how)

    @contextmanager
    def started(self) -> Iterator[RunManager]:
        """Run Manager, started again: whoever was at work before is dead, and known to be."""
        with closing(sqlite3.connect(self.state_dir / "runmanager.sqlite")) as store, store:
            store.execute("UPDATE operations SET lease_until = 0 WHERE lease_until IS NOT NULL")
        settings = killing.settings_of(self.state_dir)
        manager = RunManager.open(self.host.url, settings, is_password)
        try:
            yield manager
        finally:
            manager.close()

    def ended(self, manager: RunManager, kind: str) -> OperationView | None:
        """The operation of this kind, once it has finished; None where none was begun."""
        admin = self.world.actor
        rests = {OperationState.FINISHED, OperationState.PAUSED}

        def found() -> list[OperationView]:
            page = manager.operations.list(admin, PageRequest(1, 50))
            return [view for view in page.items if view.kind.name == kind]

        until(lambda: all(view.state in rests for view in found()))
        if not found():
            return None
        (view,) = found()
        assert view.state is OperationState.FINISHED, view.message
        return manager.operations.get(admin, view.operation_id)

    def assert_whole(self) -> None:
        """Each run is there with all of its rows, or gone with all of them."""
        for run, rows in self.rows.items():
            assert self.host.counts(run) in (rows, dict.fromkeys(rows, 0)), run

    def assert_true(self, manager: RunManager, view: OperationView) -> None:
        """The receipt is what the database shows, and the archive has exactly what went."""
        receipt = view.receipt
        assert isinstance(receipt, DeletionReceipt)
        stands = sorted(deleted(receipt)) + sorted(errors(receipt))
        assert len(receipt.done) + len(receipt.failed) == len(self.world.asked)
        assert sorted(stands) == sorted(self.world.asked)
        assert deleted(receipt) == {*self.world.going, self.world.orphan}
        for run in receipt.done:
            rows = {table: n for table, n in self.rows[run.thread_id].items() if n}
            assert {table: n for table, n in run.rows if n} == rows
            assert self.host.is_gone(run.thread_id)
            assert run.was_orphan is (run.thread_id == self.world.orphan)
        assert errors(receipt)[GONE_BEFORE] == NOT_FOUND
        assert self.host.counts(self.world.held) == self.rows[self.world.held]
        assert receipt.came_back == ()
        assert dict(receipt.tables) == {
            table: sum(self.rows[run][table] for run in deleted(receipt))
            for table in self.world.shape.tables
        }
        self.assert_archived(manager, view)

    def assert_archived(self, manager: RunManager, view: OperationView) -> None:
        """Rows' files are those of the records that did something, and hold what they say."""
        folder = manager._keeping.folder(view.operation_id)
        records = {record["number"]: record for record in read_records(folder)}
        numbers = [number for number, record in records.items() if record.get("done")]
        assert rows_numbers(folder) == numbers
        archived: list[str] = []
        for number in numbers:
            done = records[number]["done"]
            archived += done
            held: dict[str, dict[str, int]] = {run: {} for run in done}
            for table in read_header(folder, number).tables:
                for run, rows in table.rows.items():
                    held[run][table.name] = rows
            assert held == {
                run: {table: n for table, n in rows.items() if n} for run, rows in done.items()
            }
        assert len(archived) == len(set(archived))


@pytest.fixture
def world(server: Server, shape: Shape, small: None, state_dir: Path) -> Iterator[World]:
    database = server.create(shape)
    url = server.url(database, shape)
    with connect(url) as connection:
        host = HostWriter(shape, url, connection)
        host.execute(
            "CREATE TABLE invoices (id bigint PRIMARY KEY, run text REFERENCES run_metadata);"
            "CREATE TABLE notes (id bigint PRIMARY KEY,"
            " run text REFERENCES run_metadata ON DELETE SET NULL)"
        )
        going = host.add_runs(5)
        (held,) = host.add_runs(1)
        host.add_runs(2)
        orphan = host.new_id()
        host.add_traces(orphan)
        host.execute("INSERT INTO invoices VALUES (1, %s)", held)
        host.execute("INSERT INTO notes SELECT n, %s FROM generate_series(1, 3) n", going[1])
        actor = host.admin
    yield World(server, shape, database, state_dir, actor, going, held, orphan)
    server.drop(database)


def points(kind: str, names: list[str], *, every: bool) -> list[int]:
    """Which boundaries a process is killed at: some of them, or all."""
    numbers = range(1, len(names) + 1)
    return list(numbers) if every else sorted(random.sample(numbers, SAMPLED[kind]))


def killed_deletion(world: World, die_at: int, **how: Any) -> bool:
    """Kill a deletion at a boundary, go on, put all back; whether it died, and all was true."""
    with world.copied() as copy:
        code, _names = killing.run(copy.job("delete", *world.asked, die_at=die_at, **how))
        copy.assert_whole()
        with copy.started() as manager:
            view = copy.ended(manager, "deletion")
            if view is None:
                assert copy.host.contents() == copy.before
                return code == KILLED
            copy.assert_true(manager, view)
            manager.operations.restore(world.actor, view.operation_id)
            copy.ended(manager, "restore")
        assert copy.host.contents() == copy.before
        return code == KILLED


def test_a_deletion_that_is_killed_at_any_boundary_loses_nothing_and_tells_the_truth(
    world: World, every_point: bool
) -> None:
    with world.copied() as copy:
        code, names = killing.run(copy.job("delete", *world.asked))
        assert (code, len(names) > 200) == (0, True)
    died = [killed_deletion(world, at) for at in points("delete", names, every=every_point)]
    assert sum(died) >= len(died) - 3


def test_a_restore_that_is_killed_at_any_boundary_puts_back_every_byte(
    world: World, every_point: bool
) -> None:
    with world.copied() as copy:
        operation_id = deleted_here(copy)
        code, names = killing.run(copy.job("restore", operation_id))
        assert (code, len(names) > 100) == (0, True)
        assert copy.host.contents() == copy.before
    for at in points("restore", names, every=every_point):
        with world.copied() as copy:
            operation_id = deleted_here(copy)
            killing.run(copy.job("restore", operation_id, die_at=at))
            copy.assert_whole()
            with copy.started() as manager:
                view = copy.ended(manager, "restore")
                if view is None:
                    manager.operations.restore(world.actor, operation_id)
                    view = copy.ended(manager, "restore")
                assert view is not None
                assert view.receipt is not None
                assert {run.thread_id for run in view.receipt.done} == {*world.going, world.orphan}
                assert view.receipt.failed == ()
            assert copy.host.contents() == copy.before


def test_a_purge_that_is_killed_at_any_boundary_ends_and_leaves_the_receipt(
    world: World, every_point: bool
) -> None:
    with world.copied() as copy:
        operation_id = deleted_here(copy)
        code, names = killing.run(copy.job("purge", operation_id))
        assert (code, len(names) > 20) == (0, True)
    for at in points("purge", names, every=every_point):
        with world.copied() as copy:
            operation_id = deleted_here(copy)
            after = copy.host.contents()
            killing.run(copy.job("purge", operation_id, die_at=at))
            with copy.started() as manager:
                view = copy.ended(manager, "purge")
                if view is None:
                    manager.operations.purge(world.actor, operation_id)
                    view = copy.ended(manager, "purge")
                assert view is not None
                purged = manager.operations.get(world.actor, operation_id)
                assert purged.purged_at is not None
                assert isinstance(purged.receipt, DeletionReceipt)
                assert deleted(purged.receipt) == {*world.going, world.orphan}
                assert rows_numbers(manager._keeping.folder(operation_id)) == []
            assert copy.host.contents() == after


def deleted_here(copy: Copy) -> str:
    """Delete what is asked for, here; the operation's id."""
    with copy.started() as manager:
        plan = manager.deleting.plan(copy.world.actor, copy.world.asked)
        started = manager.deleting.start(copy.world.actor, plan)
        view = copy.ended(manager, "deletion")
        assert view is not None
        copy.assert_true(manager, view)
        return started.operation_id


def commits(names: list[str]) -> list[int]:
    """The boundaries between which a COMMIT lies, those next to the first record at first."""
    record = next(at for at, name in enumerate(names, 1) if name.endswith("000001.json"))
    around = {"before host do_commit", "after host do_commit"}
    found = [at for at, name in enumerate(names, 1) if name in around]
    return sorted(found, key=lambda at: abs(at - record))


@pytest.mark.parametrize("fault", ["late", "unsettled"])
def test_a_program_that_loses_track_is_caught(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Records that are written after the COMMIT, and a start that believes whatever it finds."""
    how = {"broken": fault} if fault == "late" else {}
    with world.copied() as copy:
        code, names = killing.run(copy.job("delete", *world.asked, **how))
        assert code == 0
    if fault == "unsettled":

        def believe(self: Ledger) -> None:
            self.number = max((record["number"] for record in self.records()), default=0)

        monkeypatch.setattr(Ledger, "recover", believe)
    caught = 0
    for at in commits(names):
        try:
            killed_deletion(world, at, **how)
        except AssertionError:
            caught += 1
            break
    assert caught
