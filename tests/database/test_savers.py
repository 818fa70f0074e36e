"""Whatever saver made the host's tables: checkpoints listed, opened, measured and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from runmanager.errors import RunNotFoundError
from runmanager.paging import PageRequest
from tests.operations import delete
from tests.savers import (
    BARE,
    FIRST,
    PICKLED,
    PLATFORM,
    STEPS,
    Saver,
    every_saver,
    step_id,
    step_time,
)

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

ALL = PageRequest(1, 200)
DOCUMENTS = ("checkpoint", "metadata")


@pytest.fixture
def runs(host: HostWriter, saver: Saver) -> list[str]:
    """Two runs, of which the saver has kept the same."""
    return saver.add_runs(host)


@every_saver
def test_checkpoints_are_listed_newest_first_with_all_that_the_saver_says(
    runs: list[str], saver: Saver, manager: RunManager, admin: Actor
) -> None:
    pages = [
        manager.reviewing.checkpoints(admin, runs[0], PageRequest(number + 1, 1))
        for number in range(STEPS)
    ]
    assert [page.total for page in pages] == [STEPS] * STEPS
    found = [one for page in pages for one in page.items][::-1]
    assert tuple(one.checkpoint_id for one in found) == saver.ids
    assert len({one.key for one in found}) == STEPS
    assert saver is BARE or tuple(one.key for one in found) == saver.ids
    assert tuple(one.parent_id for one in found) == saver.parents
    assert tuple(one.time for one in found) == saver.times
    assert tuple(one.nodes for one in found) == saver.nodes
    has_writes = "checkpoint_writes" in saver.tables
    writes = None if saver is BARE else int(has_writes)
    assert [one.writes for one in found] == [writes] * STEPS
    assert [one.step for one in found] == (["0", "1", "2"] if saver.is_json else [None] * STEPS)
    assert all(one.namespace == "" for one in found)
    assert all((one.stored_bytes is None) == (saver is BARE) for one in found)


@every_saver
def test_each_checkpoint_opens_and_its_bytes_are_only_measured(
    runs: list[str], saver: Saver, manager: RunManager, admin: Actor
) -> None:
    found = manager.reviewing.checkpoints(admin, runs[0], ALL).items
    for one in found:
        opened = manager.reviewing.checkpoint(admin, runs[0], "", one.key)
        assert opened.summary == one
        assert (opened.state is not None) == saver.is_json
        assert (opened.metadata is not None) == saver.is_json
        if not saver.is_json:
            sizes = [len(PICKLED) if f" {name} bytea" in saver.ddl else None for name in DOCUMENTS]
            assert [opened.state_bytes, opened.metadata_bytes] == sizes
        written = [(write.channel, write.index, write.bytes) for write in opened.writes]
        assert written == ([("n", 0, saver.ids.index(one.key) + 1)] if one.writes else [])
    for key in ("gone", step_id(9), "\0", "", '["a"]', "2024-05-04", "infinity"):
        with pytest.raises(RunNotFoundError):
            manager.reviewing.checkpoint(admin, runs[0], "", key)
    with pytest.raises(RunNotFoundError):
        manager.reviewing.checkpoint(admin, runs[0], "elsewhere", found[0].key)


@every_saver
def test_stored_values_are_listed_by_version(
    runs: list[str], saver: Saver, manager: RunManager, admin: Actor
) -> None:
    found = manager.reviewing.blobs(admin, runs[0], ALL)
    assert tuple(one.version for one in found.items) == saver.versions
    assert [one.bytes for one in found.items] == [one and int(one) for one in saver.versions]


@every_saver
def test_a_run_is_deleted_from_every_table_of_its_saver(
    runs: list[str], saver: Saver, host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    gone, stays = runs
    before = {table: host.count(table, gone) for table in saver.tables}
    assert all(before.values())
    plan = manager.deleting.plan(admin, [gone])
    receipt = delete(manager, admin, [], plan=plan)
    planned = {table.table: table.rows for table in plan.tables}
    assert planned == dict(receipt.tables)
    assert {table: planned[table] for table in saver.tables} == before
    assert {host.count(table, gone) for table in saver.tables} == {0}
    assert {table: host.count(table, stays) for table in saver.tables} == before


@pytest.mark.parametrize(("shape", "saver"), [("uuid", PLATFORM)], indirect=["shape"])
def test_ids_of_type_uuid_are_compared_as_such_so_that_an_index_finds_them(
    runs: list[str], manager: RunManager, admin: Actor, host: HostWriter
) -> None:
    asked: list[tuple[str, Any]] = []
    engine = manager._access.database._engine

    def record(_connection: Any, _cursor: Any, statement: str, values: Any, *_others: Any) -> None:
        if ".checkpoints" in statement or ".checkpoint_writes" in statement:
            asked.append((statement, values))

    sa.event.listen(engine, "before_cursor_execute", record)
    manager.reviewing.checkpoint(admin, runs[0], "", step_id(1))
    sa.event.remove(engine, "before_cursor_execute", record)
    assert len(asked) == 3
    host.execute("SET enable_seqscan = off")
    for statement, values in asked:
        plan = host.connection.execute(f"EXPLAIN {statement}".encode(), values).fetchall()
        asking = [line for (line,) in plan if "Cond" in line or "Filter" in line]
        assert any("Index Cond" in line for line in asking), plan
        # Which index it is depends on the server; none serves a column that is cast.
        assert any("checkpoint_id = " in line for line in asking), plan
        assert not any("checkpoint_id)::" in line for line in asking), plan


def test_a_checkpoint_that_is_known_by_its_time_is_none_at_another(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    FIRST.make(host)
    FIRST.fill(host, "r")
    manager = open_manager()
    with pytest.raises(RunNotFoundError):
        manager.reviewing.checkpoint(admin, "r", "", step_time(0).replace("+00", "+02"))
