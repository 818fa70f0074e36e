"""On hosts that nobody designed, a plan and a receipt say what really goes, table by table."""

from __future__ import annotations

import os
import uuid
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, seed, settings

from runmanager import batches
from runmanager.archive.local_place import LocalPlace
from runmanager.conventions import Conventions
from runmanager.database import Database
from runmanager.deletion import execution, plan_deletion
from runmanager.deletion.reasons import NOT_FOUND
from runmanager.errors import MissingGrantError
from runmanager.records import Actor
from runmanager.service.access import Access
from runmanager.settings import Settings
from tests.hosts import SHAPES, connect
from tests.operations import execute_in
from tests.random_hosts import ORPHAN, ROLE, RUNS, Built, RandomHost, cleared, random_hosts, removed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runmanager.folders import Folder
    from runmanager.records import DeletionPlan, DeletionReceipt
    from tests.conftest import Server

# 500 hosts in all; `make fuzz` makes ten times as many.
SHARDS = 10
EXAMPLES = int(os.environ.get("RANDOM_HOSTS", "500")) // SHARDS
ADA = Actor("1", "ada")


@contextmanager
def built(server: Server, host: RandomHost) -> Iterator[tuple[Built, Access]]:
    """The host in a database of its own, and Run Manager's access to it as an ordinary role."""
    server.add_role(ROLE)
    name = server.create_empty()
    url = server.url(name, SHAPES[0])
    connection = connect(url)
    database = None
    try:
        made = Built(host, connection)
        made.build()
        database = Database(url.set(username=ROLE), Settings(pool_size=2))
        yield made, Access(database, Conventions(trace_tables=host.trace_tables))
    finally:
        if database is not None:
            database.close()
        connection.close()
        server.drop(name)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_plan_and_receipt_say_what_really_goes(server: Server, shard: int, tmp_path: Path) -> None:
    place = LocalPlace(tmp_path / "archive")
    place.write_marker("here")

    @seed(shard)
    @settings(max_examples=EXAMPLES, database=None)
    @given(random_hosts())
    def check(host: RandomHost) -> None:
        with built(server, host) as (made, access), pytest.MonkeyPatch.context() as patch:
            patch.setattr(batches, "BATCH_SIZE", host.batch_size)
            patch.setattr(execution, "PATIENCE_SECONDS", (0.0, 0.0))
            compare(made, access, place.folder(uuid.uuid4().hex))

    check()


def compare(made: Built, access: Access, folder: Folder) -> None:
    """Plan, delete, and compare both with the rows that are gone."""
    host = made.host
    try:
        plan: DeletionPlan = access.read_to_delete(
            ADA,
            lambda reading: plan_deletion(
                reading.connection, reading.host, host.thread_ids, include_running=False
            ),
        )
    except MissingGrantError as refused:
        assert_refused_for_a_reason(host, refused.message)
        return
    before = made.rows()
    of_its_own = made.without(run.thread_id for run in plan.runs)
    receipt = execute_in(folder, access.database, access.host, ADA, plan)
    after = made.rows()
    gone = removed(before, after)
    told = Counter(dict(receipt.tables)) + Counter(dict(receipt.also_gone))
    assert +told == gone
    unseen = {one.table for one in receipt.kept if one.references is None}
    seen = {one.table: one.references for one in receipt.kept if one.references is not None}
    really = cleared(before, after)
    cleared_and_seen = {table: rows for table, rows in really.items() if table not in unseen}
    if any(sheet.trigger == "delete" for sheet in host.sheets):
        # What refers to rows that a trigger deletes is cleared too: of those only their number is
        # told, as rows that went beside the plan.
        assert all(rows <= cleared_and_seen[table] for table, rows in seen.items())
    else:
        assert seen == cleared_and_seen
    assert_whole(receipt, after)
    # Where the plan says that it may not look, a run can be held that it did not know of.
    if host.is_pure and not plan.unseen:
        assert_as_planned(plan, receipt, after)
        if not host.named and of_its_own is not None:
            # Nothing goes that the host's own keys would have kept, and the other way round.
            assert {table: rows.keys() for table, rows in after.items()} == {
                table: rows.keys() for table, rows in of_its_own.items()
            }


def assert_whole(receipt: DeletionReceipt, after: dict[str, dict[str, Any]]) -> None:
    """A run that is said to be deleted is gone, and one that failed is all there."""
    there = {row.get("thread_id") or row.get("pk") for row in after["run_metadata"].values()}
    assert not there & {run.thread_id for run in receipt.done}
    failed = {run.thread_id for run in receipt.failed}
    assert failed & set(RUNS) <= there


def assert_as_planned(
    plan: DeletionPlan, receipt: DeletionReceipt, after: dict[str, dict[str, Any]]
) -> None:
    """Without a trigger that decides over rows the plan knew all of it."""
    failed = {run.thread_id: run.error for run in receipt.failed}
    done = {run.thread_id for run in receipt.done}
    if failed.get(ORPHAN) == NOT_FOUND and ORPHAN not in plan.missing:
        # Its rows were another run's too, in a batch before.
        done.add(ORPHAN)
        del failed[ORPHAN]
    assert {run.thread_id for run in plan.runs} == done, failed
    assert failed.keys() == {run.thread_id for run in plan.held} | set(plan.missing)
    assert {one.table: one.rows for one in plan.tables} == dict(receipt.tables)
    assert receipt.also_gone == ()
    # Which GRANT would let one look is the plan's to say.
    assert receipt.kept == tuple(replace(one, denied=None) for one in plan.kept)
    for left in plan.left_behind:
        if left.rows is not None:
            rows = after[left.table].values()
            assert left.rows == sum(row.get("thread_id") in done for row in rows)


def assert_refused_for_a_reason(host: RandomHost, message: str) -> None:
    """Nothing is refused where every row can be seen and what is asked of the role is given."""
    hidden = any(one.policy not in {None, "open"} for one in host.sheets)
    denied = any(not one.may_read or not one.may_delete for one in host.sheets)
    assert hidden or denied, message
