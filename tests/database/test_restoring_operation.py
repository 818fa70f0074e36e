"""A restore as an operation: its order, its end, its receipt, and what interrupts it."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from runmanager.errors import InterruptedOperationError, LeaseLostError
from runmanager.records import Actor
from runmanager.restoring import reasons
from runmanager.tasks import Ending
from tests.deaths import KilledError
from tests.hosts import connect
from tests.restoring import CHILD, Control, Undo, undoing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hosts import HostWriter


@pytest.fixture
def undo(host: HostWriter) -> Iterator[Undo]:
    """A deletion on the test's host that is to be undone."""
    with undoing(host.url) as undone:
        yield undone


def in_batches(undo: Undo, runs: list[str], size: int = 2) -> None:
    """Delete these in batches of so many."""
    for start in range(0, len(runs), size):
        undo.delete(runs[start : start + size])


def test_all_batches_come_back_and_the_receipt_says_so(
    host: HostWriter, undo: Undo, admin: Actor
) -> None:
    runs = host.add_runs(5)
    before = host.contents()
    in_batches(undo, runs)
    control = Control()
    finished = undo.carry_out(admin, control=control)
    assert host.contents() == before
    assert finished is not None
    assert (finished.done, finished.failed) == (5, 0)
    assert finished.summary["restored"] == 5
    assert control.told[-1] == (5, 0)
    head, lines = undo.receipt()
    assert (head["restored"], head["failed"], head["parent"]) == (5, 0, "parent")
    assert head["rows"] == dict.fromkeys(host.shape.tables, 5)
    assert head["told"] == []
    assert sorted(line["thread_id"] for line in lines) == runs
    assert {line["title"] for line in lines} == {"Order processing"}
    assert all(line["rows"] == host.counts(line["thread_id"]) for line in lines)


def test_chosen_runs_come_back_and_what_is_not_archived_is_named(
    host: HostWriter, undo: Undo, admin: Actor
) -> None:
    runs = host.add_runs(5)
    in_batches(undo, runs)
    finished = undo.carry_out(admin, [runs[0], runs[4], "never"])
    assert finished is not None
    assert (finished.done, finished.failed) == (2, 1)
    _head, lines = undo.receipt()
    assert {line["thread_id"]: line.get("error") for line in lines} == {
        runs[0]: None,
        runs[4]: None,
        "never": reasons.NOT_ARCHIVED,
    }


def test_batches_come_back_from_the_last_to_the_first(
    host: HostWriter, undo: Undo, admin: Actor
) -> None:
    # What goes first refers to what goes later; what goes later referred to what went first.
    host.execute(
        "ALTER TABLE run_metadata ADD FOREIGN KEY (parent_thread_id) REFERENCES run_metadata"
        " ON DELETE SET NULL;"
        "CREATE TABLE needs (thread_id text REFERENCES run_metadata ON DELETE CASCADE,"
        " other text REFERENCES run_metadata ON DELETE CASCADE)"
    )
    first, second, third = host.add_runs(3)
    host.execute(
        "UPDATE run_metadata SET parent_thread_id = %s WHERE thread_id = %s", first, second
    )
    host.execute("INSERT INTO needs VALUES (%s, %s)", first, third)
    before = host.contents()
    in_batches(undo, [first, second, third], 1)
    finished = undo.carry_out(admin)
    assert finished is not None
    assert finished.failed == 0, undo.receipt()
    assert host.contents() == before
    assert undo.receipt()[0]["told"] == [
        "1 reference of “run_metadata” that the deletion had cleared was put back."
    ]


def test_references_that_stayed_empty_are_put_back_and_others_are_named(
    host: HostWriter, undo: Undo, admin: Actor
) -> None:
    host.execute(
        "CREATE TABLE invoices (id int PRIMARY KEY, thread_id text REFERENCES run_metadata"
        " ON DELETE SET NULL, note text)"
    )
    first, second = host.add_runs(2)
    host.execute("INSERT INTO invoices SELECT n, %s, 'a' FROM generate_series(1, 4) n", first)
    undo.delete([first])
    host.execute("UPDATE invoices SET thread_id = %s WHERE id = 2", second)
    host.execute("UPDATE invoices SET note = 'b' WHERE id = 3; DELETE FROM invoices WHERE id = 4")
    undo.carry_out(admin)
    assert host.execute("SELECT * FROM invoices ORDER BY id") == [
        (1, first, "a"),
        (2, second, "a"),
        (3, first, "b"),
    ]
    assert undo.receipt()[0]["told"] == [
        "2 references of “invoices” that the deletion had cleared were put back.",
        (
            "2 references of “invoices” that the deletion had cleared were not put back (the row "
            f"is gone, or refers to something else by now): id 2 → {first}, id 4 → {first}."
        ),
    ]


def test_an_operation_that_is_stopped_names_what_it_left(
    host: HostWriter, undo: Undo, admin: Actor
) -> None:
    runs = host.add_runs(6)
    in_batches(undo, runs)
    control = Control()

    def stop(done: int, _failed: int) -> None:
        control.ends = Ending.STOP if done else None

    control.on_tell = stop
    finished = undo.carry_out(admin, control=control)
    assert finished is not None
    assert (finished.done, finished.failed) == (2, 4)
    assert finished.summary["was_stopped"]
    head, lines = undo.receipt()
    assert head["stopped"]
    restored = [line["thread_id"] for line in lines if line["outcome"] == "restored"]
    assert restored == runs[4:]
    assert {line.get("error") for line in lines} == {
        None,
        "Not restored: the restore was stopped before this run.",
    }


@pytest.mark.parametrize("ending", [Ending.PAUSE, Ending.SHUTDOWN])
def test_an_operation_that_rests_goes_on_where_it_was(
    host: HostWriter, undo: Undo, admin: Actor, ending: Ending
) -> None:
    runs = host.add_runs(6)
    before = host.contents()
    in_batches(undo, runs)
    turns = 1
    while turns < 10:
        control = Control()

        def rest(done: int, _failed: int, control: Control = control) -> None:
            control.ends = ending if done > control.told[0][0] else None

        control.on_tell = rest
        finished = undo.carry_out(admin, control=control)
        if finished is not None:
            break
        turns += 1
    assert turns == 3
    assert host.contents() == before
    head, lines = undo.receipt()
    assert (head["restored"], head["failed"], len(lines)) == (6, 0, 6)


def test_who_is_no_admin_any_more_restores_nothing(
    host: HostWriter, undo: Undo, admin: Actor
) -> None:
    runs = host.add_runs(4)
    in_batches(undo, runs)
    kate = Actor(host.add_user("kate"), "kate")
    finished = undo.carry_out(kate)
    assert finished is not None
    assert (finished.done, finished.failed) == (0, 4)
    assert all(host.is_gone(run) for run in runs)
    assert "Only active administrators" in undo.receipt()[1][0]["error"]


def test_who_has_lost_the_lease_does_nothing(host: HostWriter, undo: Undo, admin: Actor) -> None:
    (run,) = host.add_runs(1)
    undo.delete([run])

    def lost() -> None:
        raise LeaseLostError

    with pytest.raises(LeaseLostError):
        undo.carry_out(admin, control=Control(lease=lost))
    assert host.is_gone(run)
    assert undo.of(CHILD).names() == ()


def test_the_lease_is_asked_for_again_once_the_archives_lock_is_held(
    host: HostWriter, undo: Undo, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    undo.delete([run])
    held = []

    def look() -> None:
        rows = host.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        held.append(rows[0][0])

    undo.carry_out(admin, control=Control(lease=look))
    # First for clearing up what an earlier turn has left; then for the record, and the receipt.
    assert held == [1, 1, 2, 2, 0]


def test_rows_that_were_purged_are_named_and_others_come_back(
    host: HostWriter, undo: Undo, admin: Actor
) -> None:
    runs = host.add_runs(4)
    in_batches(undo, runs)
    undo.folder.remove(["000001.sql.zst"])
    finished = undo.carry_out(admin)
    assert finished is not None
    assert (finished.done, finished.failed) == (2, 2)
    errors = {line["thread_id"]: line.get("error") for line in undo.receipt()[1]}
    assert errors == {run: None if run in runs[2:] else reasons.NOT_KEPT for run in runs}


@pytest.mark.parametrize("how", ["cut", "flipped", "text", "empty"])
def test_of_a_damaged_file_nothing_comes_back_and_of_others_all_does(
    host: HostWriter, undo: Undo, admin: Actor, how: str
) -> None:
    runs = host.add_runs(4)
    in_batches(undo, runs)
    whole = undo.folder.read("000002.sql.zst")
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    damaged = {"cut": whole[:middle], "flipped": flipped, "text": b"-- no", "empty": b""}[how]
    undo.folder.write("000002.sql.zst", damaged)
    finished = undo.carry_out(admin)
    assert finished is not None
    assert (finished.done, finished.failed) == (2, 2)
    errors = {line["thread_id"]: line.get("error") for line in undo.receipt()[1]}
    assert all("000002.sql.zst of the archive is damaged" in str(errors[run]) for run in runs[2:])
    assert [host.is_gone(run) for run in runs] == [False, False, True, True]


def test_rows_of_another_database_are_not_put_here(
    host: HostWriter, undo: Undo, admin: Actor
) -> None:
    runs = host.add_runs(1)
    undo.delete(runs)
    with undo.database.read() as connection:
        number = connection.exec_driver_sql(
            "SELECT oid FROM pg_database WHERE datname = current_database()"
        ).scalar_one()
    folder = undo.folder
    import zstandard

    data = folder.read("000001.sql.zst")
    text = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    changed = text.replace(f'"database": {number}'.encode(), b'"database": 1')
    assert changed != text
    folder.write("000001.sql.zst", zstandard.ZstdCompressor().compress(changed))
    plan = undo.plan()
    assert plan.obstacle is not None
    assert "rows are of another database" in plan.obstacle
    finished = undo.carry_out(admin)
    assert finished is not None
    assert (finished.done, finished.failed) == (0, 1)
    assert host.is_gone(runs[0])


def test_two_restores_of_one_deletion_put_each_run_back_once(
    host: HostWriter, admin: Actor
) -> None:
    runs = host.add_runs(12)
    before = host.contents()
    with undoing(host.url) as undo, undoing(host.url) as other:
        in_batches(undo, runs)
        other.folders = {"parent": undo.folder}
        ended: list[Undo] = []

        def carry_out(one: Undo) -> None:
            while not any(of is one for of in ended):
                with suppress(InterruptedOperationError):
                    one.carry_out(admin)
                    ended.append(one)

        threads = [threading.Thread(target=carry_out, args=(one,)) for one in (undo, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        done = [
            line["thread_id"]
            for one in (undo, other)
            for line in one.receipt()[1]
            if line["outcome"] == "restored"
        ]
    assert sorted(done) == runs
    assert host.contents() == before


def test_a_restore_waits_while_another_is_at_work_on_the_archive(
    host: HostWriter, undo: Undo, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    undo.delete([run])
    with connect(host.url) as other:
        other.execute("BEGIN")
        other.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('run-manager operation parent', 0))"
        )
        with pytest.raises(InterruptedOperationError, match="same archive"):
            undo.carry_out(admin)
    finished = undo.carry_out(admin)
    assert finished is not None
    assert finished.done == 1


def test_what_is_gone_again_after_a_crash_is_said_in_a_restore_s_own_words(
    host: HostWriter, undo: Undo, admin: Actor
) -> None:
    first, second = host.add_runs(2)
    undo.delete([first, second])

    def die(done: int, _failed: int) -> None:
        if done:
            raise KilledError

    with suppress(KilledError):
        undo.carry_out(admin, control=Control(on_tell=die))
    undo.delete([first])
    undo.folder.remove(["000002.json", "000002.sql.zst"])
    finished = undo.carry_out(admin)
    assert finished is not None
    assert (finished.done, finished.failed) == (1, 1)
    _head, lines = undo.receipt()
    said = {line["thread_id"]: line.get("error") for line in lines}
    assert said == {first: reasons.GONE_AGAIN, second: None}
    # The record says so too, which whoever looks into the archive reads.
    record = json.loads(undo.of(CHILD).read("000001.json"))
    assert record["failed"] == {first: reasons.GONE_AGAIN}
