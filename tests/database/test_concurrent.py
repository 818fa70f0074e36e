"""Many at work on the same runs: each run goes once, and what is written meanwhile is not lost."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from runmanager.archive.reading import open_rows, read_header
from runmanager.deletion import DeletionWork, execution
from runmanager.deletion.batch import DeletionStep
from runmanager.deletion.reasons import LOCKED, NOT_FOUND
from runmanager.deletion.spec import DeletionSpec, write_frozen
from runmanager.ledger import rows_numbers
from tests import killing
from tests.hosts import connect
from tests.killing import Job
from tests.operations import (
    HERE,
    Here,
    deleted,
    errors,
    execute_here,
    in_batches_of,
    read_receipt_of,
    task_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    import pytest
    import sqlalchemy as sa

    from runmanager.records import Actor, DeletionPlan, DeletionReceipt
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

ADMINS, RUNS = 8, 60
# How long `make fuzz` lets workers write beside deletions.
SECONDS = 600.0


def deadlocks(host: HostWriter) -> int:
    ((number,),) = host.execute(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    return int(number)


def test_8_admins_who_delete_the_same_60_runs_delete_each_once(
    host: HostWriter,
    open_manager: OpenManager,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    every_point: bool,
) -> None:
    caplog.set_level(logging.INFO, "runmanager.audit")
    in_batches_of(20, monkeypatch)
    monkeypatch.setattr(execution, "PATIENCE_SECONDS", (0.01, 0.02, 0.1, 1.0))
    manager = open_manager(pool_size=2 * ADMINS, lock_timeout=30.0)
    admins = [host.admin] + [
        type(host.admin)(host.add_user(f"admin {n}", is_admin=True), f"admin {n}")
        for n in range(1, ADMINS)
    ]
    numbers = count(1)
    for _round in range(50 if every_point else 3):
        runs = host.add_runs(RUNS)
        # Each in an order of their own.
        plans = [
            manager.deleting.plan(admin, runs[n * 7 :] + runs[: n * 7])
            for n, admin in enumerate(admins)
        ]
        caplog.clear()
        receipts = at_once(manager, admins, plans, numbers)
        gone = [run for receipt in receipts for run in deleted(receipt)]
        assert sorted(gone) == sorted(runs)
        reasons = {reason for receipt in receipts for reason in errors(receipt).values()}
        assert reasons <= {NOT_FOUND, LOCKED}
        assert all(host.is_gone(run) for run in runs)
        lines = [json.loads(record.getMessage()) for record in caplog.records]
        ended = [line for line in lines if line["event"] == "deletion ended"]
        assert len(ended) == ADMINS
        assert sum(line["deleted"] for line in ended) == RUNS
        assert sum(line["rows"]["logs"] for line in ended) == RUNS
    assert deadlocks(host) == 0


def test_who_took_what_another_deleted_for_deleted_would_be_found_out(
    host: HostWriter, open_manager: OpenManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = open_manager(pool_size=4, lock_timeout=30.0)
    runs = host.add_runs(RUNS)
    plans = [manager.deleting.plan(host.admin, runs) for _ in range(2)]
    real = DeletionStep._delete

    def as_asked(
        step: DeletionStep, connection: sa.Connection, going: list[str], gone: list[str], into: Any
    ) -> dict[str, Counter[str]]:
        own = {run: Counter({"run_metadata": 1}) for run in gone}
        return own | real(step, connection, going, gone, into)

    monkeypatch.setattr(DeletionStep, "_delete", as_asked)
    receipts = at_once(manager, [host.admin] * 2, plans, count(1))
    assert sorted(run for receipt in receipts for run in deleted(receipt)) != sorted(runs)


def at_once(
    manager: RunManager, admins: list[Actor], plans: list[DeletionPlan], numbers: Iterator[int]
) -> list[DeletionReceipt]:
    """Carry out each admin's plan, all of them at the same moment; their receipts."""
    begin = threading.Barrier(len(admins))

    def carry_out(admin: Actor, plan: DeletionPlan, number: int) -> DeletionReceipt:
        begin.wait(20)
        return carried_out(manager, admin, plan, f"{number:032x}")

    with ThreadPoolExecutor(len(admins)) as threads:
        ids = [next(numbers) for _admin in admins]
        return list(threads.map(carry_out, admins, plans, ids))


def carried_out(
    manager: RunManager, actor: Actor, plan: DeletionPlan, operation_id: str
) -> DeletionReceipt:
    """Carry a plan out in this thread, in a folder of its own; the receipt."""
    place, access = manager._keeping.place, manager._access
    folder = place.folder(operation_id)
    write_frozen(folder, plan)
    DeletionSpec.of(plan).write(folder)
    work = DeletionWork(access.database, lambda: access.host, place.folder)
    assert work.carry_out(task_of(operation_id, actor, Here(), is_archived=True)) is not None
    return read_receipt_of(folder)


def test_two_processes_that_delete_the_same_runs_delete_each_once(
    host: HostWriter, open_manager: OpenManager, state_dir: Path, every_point: bool
) -> None:
    host.execute(
        "INSERT INTO run_metadata (thread_id, status, created_at)"
        " SELECT 'run-' || lpad(n::text, 5, '0'), 'completed', '2025-01-01' FROM"
        " generate_series(1, %s) n",
        3000 if every_point else 600,
    )
    host.execute(
        "INSERT INTO logs (thread_id, message) SELECT thread_id, m::text FROM run_metadata,"
        " generate_series(1, 3) m"
    )
    runs = [run for (run,) in host.execute("SELECT thread_id FROM run_metadata ORDER BY 1")]
    url = host.url.render_as_string(hide_password=False)
    folders = [state_dir.with_name(name) for name in ("first", "second")]
    jobs = [
        Job(url, folder, host.admin, "delete", tuple(asked), is_small=False, audit=audit_of(folder))
        for folder, asked in zip(folders, (runs, runs[::-1]), strict=True)
    ]
    with ThreadPoolExecutor(2) as threads:
        assert [code for code, _names in threads.map(killing.run, jobs)] == [0, 0]
    receipts, ends = [], []
    for folder in folders:
        manager = open_manager(state_dir=folder)
        (view,) = manager.operations.list(host.admin, killing.FIRST_PAGE).items
        place = manager._keeping.place.folder(view.operation_id)
        receipts.append(read_receipt_of(place))
        started, ended = map(json.loads, audit_of(folder).read_text().splitlines())
        for line, event in ((started, "deletion started"), (ended, "deletion ended")):
            assert (line["event"], line["operation"]) == (event, view.operation_id)
        assert started["runs"] == len(runs)
        assert ended["deleted"] == len(receipts[-1].done)
        assert ended["failed"] == len(receipts[-1].failed)
        assert ended["rows"] == dict(receipts[-1].tables)
        # What it says of a run, by its id, is that the other has deleted it.
        failed_here = {one["thread_id"] for one in ended["first_failed"]}
        assert failed_here.isdisjoint(deleted(receipts[-1]))
        ends.append(ended)
        assert sum(
            sum(table.rows.values())
            for number in rows_numbers(place)
            for table in read_header(place, number).tables
        ) == sum(dict(receipts[-1].tables).values())
        manager.close()
    gone = [run for receipt in receipts for run in deleted(receipt)]
    assert sorted(gone) == runs
    assert {why for receipt in receipts for why in errors(receipt).values()} <= {NOT_FOUND}
    assert host.execute("SELECT count(*) FROM run_metadata") == [(0,)]
    assert sum(dict(receipt.tables)["logs"] for receipt in receipts) == 3 * len(runs)
    # Each run is in the numbers of one end alone, and failed in the other's.
    assert sum(line["deleted"] for line in ends) == len(runs)
    assert sum(line["failed"] for line in ends) == len(runs)
    assert sum(line["rows"]["run_metadata"] for line in ends) == len(runs)
    assert sum(line["rows"]["logs"] for line in ends) == 3 * len(runs)
    assert deadlocks(host) == 0


def audit_of(state_dir: Path) -> Path:
    """Where the audit lines of the process with this store go."""
    return state_dir.with_name(f"{state_dir.name}.audit")


def test_what_a_worker_writes_beside_every_batch_is_archived_or_reported(
    host: HostWriter, open_manager: OpenManager, admin: Actor, monkeypatch: pytest.MonkeyPatch,
    every_point: bool,
) -> None:  # fmt: skip
    in_batches_of(5, monkeypatch)
    manager = open_manager(active_minutes=0.0)
    for _round in rounds(2, SECONDS if every_point else 0.0):
        runs = host.add_runs(40)
        plan = manager.deleting.plan(admin, runs)
        is_over = threading.Event()
        written: list[str] = []

        def work(
            first: int,
            runs: list[str] = runs,
            is_over: threading.Event = is_over,
            written: list[str] = written,
        ) -> None:
            with connect(host.url) as worker:
                for number in count(first):
                    if is_over.is_set():
                        return
                    line = f"written {first} {number}"
                    worker.execute(
                        "INSERT INTO logs (thread_id, message) VALUES (%s, %s)",
                        [runs[number * 7 % len(runs)], line],
                    )
                    written.append(line)

        with ThreadPoolExecutor(3) as threads:
            workers = [threads.submit(work, first) for first in (0, 1, 2)]
            stop = partial(stop_at, len(runs), is_over, workers)
            try:
                receipt = execute_here(manager, admin, plan, on_progress=stop)
            finally:
                is_over.set()
        assert deleted(receipt) == set(runs)
        there = [message for (message,) in host.execute("SELECT message FROM logs")]
        archived = archived_messages(manager)
        assert len(written) > len(runs)
        assert sorted(written) == sorted(set(archived) - {"line 1"} | set(there))
        assert len(archived) + len(there) == len(written) + len(runs)
        assert {one.table: one.rows for one in receipt.came_back or ()} == (
            {"logs": len(there)} if there else {}
        )
        host.execute("DELETE FROM logs")


def rounds(least: int, seconds: float) -> Iterator[int]:
    """So many rounds, and further ones for so long."""
    deadline = time.monotonic() + seconds
    for number in count(1):
        if number > least and time.monotonic() > deadline:
            return
        yield number


def stop_at(
    total: int, is_over: threading.Event, workers: list[Future[None]], done: int, _failed: int
) -> None:
    """Let the workers end once all runs are deleted, before anybody looks again."""
    if done == total:
        is_over.set()
        for worker in workers:
            worker.result(20)


def archived_messages(manager: RunManager) -> list[str]:
    """The messages of all lines of logs that the deletion archived."""
    folder = manager._keeping.place.folder(HERE)
    messages: list[str] = []
    for number in rows_numbers(folder):
        with open_rows(folder, number) as rows:
            for table, lines in rows.tables():
                if table.name == "logs":
                    at = [column.name for column in table.columns].index("message")
                    messages += (line.split(b"\t")[at].decode() for _run, line in lines)
    return messages
