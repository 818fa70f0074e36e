"""Whatever is created, changed, deleted, killed, restored and purged, in whatever order.

A model in Python says what the host has and what every receipt must say; the database agrees.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pages.passwords import is_password
from runmanager.deletion.reasons import NOT_FOUND, STILL_RUNNING
from runmanager.errors import InvalidRequestError, OperationStateError
from runmanager.filters import RunFilter
from runmanager.records import DeletionReceipt, OperationState
from runmanager.service import RunManager
from tests import killing
from tests.operations import deleted, errors, until

if TYPE_CHECKING:
    from pathlib import Path

    from runmanager.records import DeletionPlan, OperationView
    from tests.hosts import HostWriter

IDS = [f"run-{number}" for number in range(6)]
NAMES = ("Order", "Invoice")
RESTS = {OperationState.FINISHED, OperationState.PAUSED}
picked = st.lists(st.sampled_from(IDS), unique=True, min_size=1, max_size=6)


class Machine(RuleBasedStateMachine):
    """Run Manager on one host, beside the model."""

    host: HostWriter
    state_dir: Path
    number = 0

    def __init__(self) -> None:
        super().__init__()
        self.host.execute("TRUNCATE run_metadata, logs, checkpoints, checkpoint_writes")
        self.host.execute("TRUNCATE checkpoint_blobs")
        self.admin = self.host.admin
        # The rows of each run that is there, by table; and those that each deletion has taken.
        self.rows: dict[str, dict[str, list[str]]] = {}
        self.archives: dict[str, dict[str, dict[str, list[str]]]] = {}
        self.planned: DeletionPlan | None = None
        self.stamps: dict[str, str] = {}
        self.manager = self.opened()

    def opened(self) -> RunManager:
        """A Run Manager that takes whoever was at work before for dead."""
        store = self.state_dir / "runmanager.sqlite"
        with closing(sqlite3.connect(store)) as connection, connection:
            connection.execute(
                "UPDATE operations SET lease_until = 0 WHERE lease_until IS NOT NULL"
            )
        return RunManager.open(self.host.url, killing.settings_of(self.state_dir), is_password)

    def teardown(self) -> None:
        """Let go of the host."""
        self.manager.close()

    def read(self, run: str) -> dict[str, list[str]]:
        """The rows of a run, as text."""
        found = {}
        for table in self.host.shape.tables:
            statement = f"SELECT t::text FROM {table} t WHERE thread_id = %s ORDER BY 1"  # noqa: S608  a name of ours
            found[table] = [row for (row,) in self.host.execute(statement, run)]
        return found

    def make(self, run: str, name: str, status: str) -> None:
        Machine.number += 1
        stamp = f"2025-01-01 12:00:{Machine.number % 60:02}.{Machine.number:06}+00"
        self.host.add_run(run, name=name, status=status, created_at=stamp)
        self.host.add_traces(run, checkpoints=1, writes=1, blobs=1, logs=2)
        self.stamps[run] = stamp
        self.rows[run] = self.read(run)

    # The host

    @rule(run=st.sampled_from(IDS), name=st.sampled_from(NAMES))
    def create(self, run: str, name: str) -> None:
        if run not in self.rows:
            self.make(run, name, "completed")

    @rule(run=st.sampled_from(IDS))
    def begin_again(self, run: str) -> None:
        """The host lets a run go on that has ended."""
        if run in self.rows:
            self.host.execute(
                "UPDATE run_metadata SET status = 'running' WHERE thread_id = %s", run
            )
            self.rows[run] = self.read(run)

    @rule(run=st.sampled_from(IDS), name=st.sampled_from(NAMES))
    def make_anew(self, run: str, name: str) -> None:
        """The host deletes a run, and makes another with its id."""
        self.take_away(run)
        self.make(run, name, "completed")

    @rule(run=st.sampled_from(IDS))
    def take_away(self, run: str) -> None:
        """The host deletes a run itself."""
        for table in self.host.shape.tables:
            self.host.execute(f"DELETE FROM {table} WHERE thread_id = %s", run)  # noqa: S608  a name of ours
        self.rows.pop(run, None)

    # Deleting

    def is_running(self, run: str) -> bool:
        return any(",running," in row for row in self.rows[run]["run_metadata"])

    @rule(ids=picked)
    def plan(self, ids: list[str]) -> None:
        plan = self.manager.deleting.plan(self.admin, ids)
        self.planned, self.planned_as = plan, dict(self.stamps)
        expected = {run for run in ids if run in self.rows and not self.is_running(run)}
        assert {run.thread_id for run in plan.runs} == expected
        assert set(plan.missing) == set(ids) - self.rows.keys()

    @rule(name=st.sampled_from(NAMES))
    def plan_by_filter(self, name: str) -> None:
        try:
            plan = self.manager.deleting.plan_matching(self.admin, RunFilter(search=name))
        except InvalidRequestError:
            return
        matching = {
            run for run, rows in self.rows.items() if f",{name}," in rows["run_metadata"][0]
        }
        assert plan.total == sum(not self.is_running(run) for run in matching)
        self.planned, self.planned_as = plan, dict(self.stamps)
        self.by_filter = matching

    @precondition(lambda self: self.planned is not None and self.planned.total)
    @rule()
    def delete(self) -> None:
        """Delete what was planned, whatever has become of it since."""
        plan, self.planned = self.planned, None
        assert plan is not None
        started = self.manager.deleting.start(self.admin, plan)
        self.account_for(self.ended(started.operation_id))

    @rule(ids=picked, at=st.integers(1, 260))
    def delete_and_be_killed(self, ids: list[str], at: int) -> None:
        """Another process deletes, and dies in the middle; this one goes on."""
        before = {view.operation_id for view in self.listed()}
        self.manager.close()
        url = self.host.url.render_as_string(hide_password=False)
        killing.run(killing.Job(url, self.state_dir, self.admin, "delete", tuple(ids), die_at=at))
        self.manager = self.opened()
        self.planned = None
        until(lambda: all(view.state in RESTS for view in self.listed()))
        self.planned_as = dict(self.stamps)
        for view in self.listed():
            if view.operation_id not in before:
                self.account_for(self.ended(view.operation_id))

    def listed(self) -> tuple[OperationView, ...]:
        return self.manager.operations.list(self.admin, killing.FIRST_PAGE).items

    def ended(self, operation_id: str) -> OperationView:
        until(lambda: self.manager.operations.view(self.admin, operation_id).state in RESTS)
        view = self.manager.operations.get(self.admin, operation_id)
        assert view.is_over, view.message
        return view

    def account_for(self, view: OperationView) -> None:
        """Each run of a receipt went, or has the reason that the model knows."""
        receipt = view.receipt
        assert isinstance(receipt, DeletionReceipt)
        taken: dict[str, dict[str, list[str]]] = {}
        for one in receipt.done:
            rows = self.rows.pop(one.thread_id)
            taken[one.thread_id] = rows
            assert dict(one.rows) == {table: len(lines) for table, lines in rows.items() if lines}
        for run, why in errors(receipt).items():
            if run not in self.rows:
                assert why == NOT_FOUND
            elif self.stamps[run] != self.planned_as.get(run):
                assert why.startswith("Another run has this id") or "it had not" in why
            else:
                assert self.is_running(run)
                assert why == STILL_RUNNING
        assert receipt.came_back == ()
        if taken:
            self.archives[view.operation_id] = taken

    # What was kept

    @precondition(lambda self: self.archives)
    @rule(data=st.data())
    def restore(self, data: Any) -> None:
        operation_id = data.draw(st.sampled_from(sorted(self.archives)))
        taken = self.archives[operation_id]
        started = self.manager.operations.restore(self.admin, operation_id)
        receipt = self.ended(started.operation_id).receipt
        assert receipt is not None
        expected = taken.keys() - self.rows.keys()
        assert {run.thread_id for run in receipt.done} == expected
        assert {run.thread_id for run in receipt.failed} == taken.keys() - expected
        for run in expected:
            self.rows[run] = taken[run]
            ((stamp,),) = self.host.execute(
                "SELECT created_at::text FROM run_metadata WHERE thread_id = %s", run
            )
            self.stamps[run] = stamp

    @precondition(lambda self: self.archives)
    @rule(data=st.data())
    def purge(self, data: Any) -> None:
        operation_id = data.draw(st.sampled_from(sorted(self.archives)))
        started = self.manager.operations.purge(self.admin, operation_id)
        assert self.ended(started.operation_id).receipt is not None
        del self.archives[operation_id]
        with pytest.raises(OperationStateError):
            self.manager.operations.restore(self.admin, operation_id)
        receipt = self.manager.operations.get(self.admin, operation_id).receipt
        assert receipt is not None
        assert deleted(receipt)

    @invariant()
    def the_host_has_what_the_model_has(self) -> None:
        for run in IDS:
            empty: dict[str, list[str]] = {table: [] for table in self.host.shape.tables}
            assert self.read(run) == self.rows.get(run, empty), run


def test_the_database_and_every_receipt_agree_with_a_model(
    host: HostWriter, state_dir: Path, small: None, every_point: bool
) -> None:
    class Here(Machine):
        pass

    Here.host, Here.state_dir = host, state_dir
    run_state_machine_as_test(
        Here,
        settings=hypothesis_settings(
            max_examples=100 if every_point else 5,
            stateful_step_count=20 if every_point else 12,
            deadline=None,
        ),
    )
