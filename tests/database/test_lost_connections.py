"""What loses its connection goes on, and its receipt is true, whenever that happens."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import pytest

from runmanager.archive.reading import read_header
from runmanager.errors import DatabaseAwayError, InterruptedOperationError
from runmanager.ledger import rows_numbers
from runmanager.receipts import read_receipt
from runmanager.restoring import RestoreWork
from runmanager.restoring.receipts import NAME
from tests.hosts import connect
from tests.ledgers import believing
from tests.operations import HERE, Here, deleted, errors, execute_here, in_batches_of, task_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from runmanager.tasks import Finished, Kind, Task
    from tests.cutting import Cut
    from tests.hosts import HostWriter

RUNS = 6
PARENT = "f" * 32
# `make fuzz` tries every round.
SAMPLED = 12


def carried_out(
    host: HostWriter,
    manager: RunManager,
    admin: Actor,
    begin: Callable[[], object],
    end: Callable[[], object] = lambda: None,
) -> None:
    """Delete some runs between ``begin`` and ``end``; all of them go, as the receipt has it."""
    runs = host.add_runs(RUNS)
    kept = host.add_runs(1)
    rows = {run: sum(host.counts(run).values()) for run in runs}
    plan = manager.deleting.plan(admin, runs)
    begin()
    receipt = execute_here(manager, admin, plan)
    end()
    assert errors(receipt) == {}
    assert deleted(receipt) == set(runs)
    assert {run.thread_id: sum(dict(run.rows).values()) for run in receipt.done} == rows
    assert receipt.came_back == ()
    assert all(host.is_gone(run) for run in runs)
    assert not any(host.is_gone(run) for run in kept)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_deletion_goes_on_whatever_round_its_connection_is_cut_at(
    host: HostWriter,
    cut_way: tuple[RunManager, Cut],
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
    every_point: bool,
    after: bool,
) -> None:
    in_batches_of(2, monkeypatch)
    manager, cut = cut_way
    carried_out(host, manager, admin, cut.begin)
    rounds = range(1, cut.rounds + 1)
    assert len(rounds) > 60
    for number in rounds if every_point else sorted(random.sample(rounds, SAMPLED)):
        carried_out(host, manager, admin, partial(cut.begin, number, after=after))


def test_a_deletion_goes_on_whatever_round_its_backend_is_ended_at(
    host: HostWriter,
    cut_way: tuple[RunManager, Cut],
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
    every_point: bool,
) -> None:
    in_batches_of(2, monkeypatch)
    manager, cut = cut_way

    def end_backends() -> None:
        host.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'runmanager'"
        )

    carried_out(host, manager, admin, cut.begin)
    rounds = range(1, cut.rounds + 1)
    for number in rounds if every_point else sorted(random.sample(rounds, SAMPLED)):
        begin = partial(cut.begin, number, instead=end_backends)
        carried_out(host, manager, admin, begin)


def test_each_file_says_whose_rows_it_has_though_the_connection_was_lost_at_that_question(
    host: HostWriter, cut_way: tuple[RunManager, Cut], admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(2, monkeypatch)
    manager, cut = cut_way
    carried_out(host, manager, admin, partial(cut.begin, b"pg_database.datname"))
    assert cut.cuts == 1
    folder = manager._keeping.place.folder(HERE)
    with connect(host.url) as connection:
        name = connection.info.dbname
    numbers = rows_numbers(folder)
    assert [read_header(folder, one).host["name"] for one in numbers] == [name] * len(numbers)
    assert len(numbers) > 1


def test_a_deletion_that_took_a_lost_commit_for_done_would_be_found_out(
    host: HostWriter,
    cut_way: tuple[RunManager, Cut],
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_batches_of(2, monkeypatch)
    manager, cut = cut_way
    carried_out(host, manager, admin, cut.begin)
    believing(monkeypatch)
    assert_found_out(cut, lambda begin: carried_out(host, manager, admin, begin))


def assert_found_out(cut: Cut, do: Callable[[Callable[[], object]], object]) -> None:
    """Lose each COMMIT of what was done last, until ``do`` says that something is not true."""
    commits = [number for number, sent in enumerate(cut.sent, 1) if b"COMMIT" in sent]
    for number in commits:
        try:
            do(partial(cut.begin, number))
        except AssertionError:
            return
    pytest.fail("nothing was found out")


def in_turns(kind: Kind, task: Task) -> Finished:
    """Carry it out as an engine does: what is interrupted gets another turn."""
    for turn in (1, 2):
        try:
            finished = kind.carry_out(replace(task, epoch=turn, interruptions=turn - 1))
        except (DatabaseAwayError, InterruptedOperationError):
            continue
        assert finished is not None
        return finished
    pytest.fail("a second turn was interrupted too")


def put_back(
    host: HostWriter, manager: RunManager, admin: Actor, begin: Callable[[], object], number: int
) -> None:
    """Delete some runs, and restore them after ``begin``; all come back, as the receipt has it."""
    runs = host.add_runs(RUNS)
    before = host.contents()
    plan = manager.deleting.plan(admin, runs)
    rows = dict(execute_here(manager, admin, plan, operation_id=PARENT).tables)
    assert all(host.is_gone(run) for run in runs)
    place, access = manager._keeping.place, manager._access
    told: list[str] = []
    work = RestoreWork(access.database, lambda: access.host, place.folder, told.extend)
    task = replace(
        task_of(f"{number:032x}", admin, Here(), thread_ids=None), parent=PARENT, total=RUNS
    )
    begin()
    finished = in_turns(work, task)
    assert (finished.done, finished.failed) == (RUNS, 0)
    with place.folder(task.operation_id).reading(NAME) as source:
        head, lines = read_receipt(source)
        outcomes = {line["thread_id"]: line["outcome"] for line in lines}
    assert outcomes == dict.fromkeys(runs, "restored")
    assert (head["restored"], head["failed"]) == (RUNS, 0)
    assert head["rows"] == {table: number for table, number in rows.items() if number}
    assert sorted(told) == runs
    assert host.contents() == before
    host.execute("DELETE FROM run_metadata WHERE thread_id = ANY(%s)", runs)
    for table in host.shape.tables:
        host.execute(f"DELETE FROM {table} WHERE thread_id = ANY(%s)", runs)  # noqa: S608
    assert all(host.is_gone(run) for run in runs)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_restore_goes_on_whatever_round_its_connection_is_cut_at(
    host: HostWriter,
    cut_way: tuple[RunManager, Cut],
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
    every_point: bool,
    after: bool,
) -> None:
    # Two files of rows: a transaction for each.
    in_batches_of(RUNS // 2, monkeypatch)
    manager, cut = cut_way
    put_back(host, manager, admin, cut.begin, 0)
    rounds = range(1, cut.rounds + 1)
    assert len(rounds) > 30
    for number in rounds if every_point else sorted(random.sample(rounds, SAMPLED)):
        put_back(host, manager, admin, partial(cut.begin, number, after=after), number)
        assert cut.cuts == 1


def test_a_restore_that_took_a_lost_commit_for_done_would_be_found_out(
    host: HostWriter,
    cut_way: tuple[RunManager, Cut],
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_batches_of(RUNS // 2, monkeypatch)
    manager, cut = cut_way
    put_back(host, manager, admin, cut.begin, 0)
    believing(monkeypatch)
    numbers = count(1)
    assert_found_out(cut, lambda begin: put_back(host, manager, admin, begin, next(numbers)))
