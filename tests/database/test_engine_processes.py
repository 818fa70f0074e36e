"""Two processes on one store: one is killed in the middle, and the other takes over."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.errors import StoreError
from runmanager.records import OperationKind, OperationState
from runmanager.tasks import Finished
from runmanager.work.engine import Engine
from runmanager.work.workers import Pace
from tests.conftest import every_store
from tests.engines import COUNTING, submit
from tests.polling import wait_until
from tests.stores import StorePlace, in_the_middle, process

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.store import Store
    from runmanager.tasks import Task

PACE = Pace(lease=2.0, renew=0.3, tell=0.1, poll=0.1)
STEPS = sa.Table(
    "steps",
    sa.MetaData(),
    sa.Column("operation", sa.Text),
    sa.Column("step", sa.Integer),
    sa.Column("epoch", sa.Integer),
    sa.Column("process", sa.Text),
)


@dataclass
class Writing:
    """Counts by rows of a table: what is committed is done, and nothing else."""

    store: Store
    name: str
    before: Callable[[int], object]
    words: OperationKind = COUNTING

    def carry_out(self, task: Task) -> Finished | None:
        """Write row by row, each in a transaction that holds the operation's lock."""
        step = 0
        while step < task.total:
            if task.control.ending() is not None:
                return None
            with self.store.write() as connection:
                if connection.dialect.name != "sqlite":
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(4711)))
                task.control.require_lease()
                step = len(rows(connection, task.operation_id))
                values = (task.operation_id, step, task.epoch, self.name)
                connection.execute(sa.insert(STEPS).values(values))
                self.before(step)
            step += 1
            task.control.tell(step, 0)
        return Finished(step, 0, {"process": self.name})


def rows(connection: sa.Connection, operation_id: str) -> list[tuple[object, ...]]:
    """The steps that are done, with the epoch and the process of each."""
    found = sa.select(STEPS.c.step, STEPS.c.epoch, STEPS.c.process)
    done = found.where(STEPS.c.operation == operation_id).order_by(STEPS.c.step)
    return [tuple(row) for row in connection.execute(done)]


def work_until_step(place: StorePlace, name: str, step: int, stay: Callable[[], None]) -> None:
    """A process that submits an operation, and comes to a step of it that it does not commit."""

    def stay_there(at: int) -> None:
        if at == step:
            stay()

    store = place.open()
    engine = Engine(store, [Writing(store, name, stay_there)], name, 2, PACE)
    engine.start()
    engine.wait(submit(engine, 6).operation_id)


def work(place: StorePlace, name: str) -> None:
    """A process that works on whatever there is, until it is ended."""
    store = place.open()
    engine = Engine(store, [Writing(store, name, lambda _step: None)], name, 2, PACE)
    engine.start()
    engine._workers._heart.join()


def _is(engine: Engine, operation_id: str, state: OperationState) -> bool:
    try:
        return engine.view(operation_id).state is state
    except StoreError:
        # SQLite's writer was killed while it held the lock.
        return False


@every_store
def test_one_is_killed_in_the_middle_and_the_other_takes_over(
    store_place: StorePlace, store: Store
) -> None:
    with store.write() as connection:
        STEPS.create(connection)
    looks_on = Engine(store, [], "looks on")
    with in_the_middle(work_until_step, store_place, "killed", 3) as killed:
        (view,) = looks_on.running()
        other = process(work, store_place, "other")
        try:
            killed.kill()
            killed.join()
            ended = partial(_is, looks_on, view.operation_id, OperationState.FINISHED)
            wait_until(ended, seconds=60)
        finally:
            other.kill()
            other.join()
    with store.read() as connection:
        done = rows(connection, view.operation_id)
    assert [step for step, _epoch, _name in done] == [0, 1, 2, 3, 4, 5]
    assert {(epoch, name) for _step, epoch, name in done} == {(1, "killed"), (2, "other")}
    found = looks_on.view(view.operation_id)
    assert (found.interruptions, found.summary) == (1, {"process": "other"})
