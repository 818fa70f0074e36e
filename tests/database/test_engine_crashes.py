"""Instances that die, sleep or lose the store: each operation goes on, and none is done by two."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from runmanager.errors import LeaseLostError
from runmanager.records import OperationState
from runmanager.tasks import Ending
from runmanager.work import turns
from tests.conftest import every_store
from tests.database.test_store_faults import away, in_postgres
from tests.engines import FAST, Counting, Engines, submit
from tests.polling import wait_until

if TYPE_CHECKING:
    import pytest

    from runmanager.records import OperationView
    from runmanager.store import Store
    from runmanager.tasks import Task
    from runmanager.work.engine import Engine
    from tests.stores import StorePlace

STATES = OperationState


def in_the_middle(engines: Engines, engine: Engine, step: int = 2) -> str:
    """An operation that is held back at this step of four."""
    engines.journal.gate(step)
    operation_id = submit(engine, 4).operation_id
    assert engines.journal.arrived[step].wait(30)
    return operation_id


def slept_over(engines: Engines) -> tuple[Engine, threading.Event, OperationView]:
    """Who sleeps at a step of an operation, what holds that step back, and how another ended it."""
    sleeper = engines.open("one")
    operation_id = in_the_middle(engines, sleeper)
    engines.reach(sleeper).freeze()
    gate = engines.journal.gates.pop(2)
    return sleeper, gate, engines.open("two").wait(operation_id)


def wake(engines: Engines, sleeper: Engine, gate: threading.Event) -> None:
    """Let it go on. Its step has begun before it slept: it would be done twice now."""
    engines.reach(sleeper).thaw()
    gate.set()
    wait_until(lambda: not engines.journal.at_work)


@every_store
def test_what_a_crash_leaves_goes_on_where_it_was(engines: Engines) -> None:
    engine = engines.open("one")
    operation_id = in_the_middle(engines, engine)
    engines.reach(engine).crash()
    again = engines.open("one", at_once=0)
    wait_until(lambda: again.view(operation_id).state is STATES.INTERRUPTED)
    # What crashed is at that step for ever.
    gate = engines.journal.gates.pop(2)
    ended = engines.open("one").wait(operation_id)
    assert (ended.state, ended.interruptions, ended.summary["epoch"]) == (STATES.FINISHED, 1, 2)
    gate.set()
    wait_until(lambda: not engines.journal.at_work)
    assert engines.journal.steps[operation_id] == [0, 1, 2, 3]
    assert [epoch for _id, _step, epoch in engines.journal.by] == [1, 1, 2, 2]


@every_store
def test_a_lease_that_is_renewed_is_not_taken_over(engines: Engines, store: Store) -> None:
    engine, other = engines.open("one"), engines.open("two")
    operation_id = in_the_middle(engines, engine)
    turn = engine._workers.turn(operation_id)
    assert turn is not None
    began = turn.renewed_at
    wait_until(lambda: turn.renewed_at - began > FAST.lease)
    assert other.view(operation_id).state is STATES.RUNNING
    engines.journal.gates[2].set()
    assert other.wait(operation_id).interruptions == 0


@every_store
def test_who_slept_over_the_lease_is_refused_and_leaves_it_to_the_other(
    engines: Engines, caplog: pytest.LogCaptureFixture
) -> None:
    sleeper, gate, ended = slept_over(engines)
    operation_id = ended.operation_id
    assert (ended.state, ended.interruptions) == (STATES.FINISHED, 1)
    wake(engines, sleeper, gate)
    assert engines.journal.steps[operation_id] == [0, 1, 2, 3]
    wait_until(lambda: "left here: Another instance of Run Manager has taken" in caplog.text)
    assert sleeper.wait(operation_id) == ended


@every_store
def test_who_did_not_ask_for_the_lease_would_do_a_step_twice(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper, gate, ended = slept_over(engines)
    assert ended.is_over
    monkeypatch.setattr(turns.Turn, "require_lease", lambda _turn: None)
    wake(engines, sleeper, gate)
    assert engines.journal.steps[ended.operation_id][:5] == [0, 1, 2, 3, 2]


@every_store
def test_who_sleeps_hears_of_it_before_the_next_step(engines: Engines) -> None:
    """Also where the kind asks for no lease."""
    asked = threading.Event()
    endings: list[str] = []

    def note(task: Task, step: int) -> None:
        if (task.epoch, step) == (1, 2):
            asked.set()
            wait_until(lambda: endings == ["taken"])
            wait_until(lambda: _is_lost(task))
            endings.append("lost")

    kind = Counting(engines.journal, note)
    sleeper = engines.open("one", kinds=[kind])
    operation_id = submit(sleeper, 4).operation_id
    assert asked.wait(30)
    engines.reach(sleeper).freeze()
    other = engines.open("two", kinds=[kind])
    assert other.wait(operation_id).is_over
    endings.append("taken")
    engines.reach(sleeper).thaw()
    wait_until(lambda: endings == ["taken", "lost"])
    assert engines.journal.steps[operation_id] == [0, 1, 2, 3]


def _is_lost(task: Task) -> bool:
    try:
        task.control.ending()
    except LeaseLostError:
        return True
    return False


@every_store
def test_what_is_paused_while_its_instance_sleeps_is_not_gone_on_with(engines: Engines) -> None:
    sleeper = engines.open("one")
    operation_id = in_the_middle(engines, sleeper)
    engines.reach(sleeper).freeze()
    other = engines.open("two", at_once=0)
    wait_until(lambda: other.view(operation_id).state is STATES.INTERRUPTED)
    assert other.want(operation_id, Ending.PAUSE).state is STATES.PAUSED
    engines.reach(sleeper).thaw()
    engines.journal.gates[2].set()
    wait_until(lambda: not engines.journal.at_work)
    assert engines.journal.steps[operation_id] == [0, 1]
    assert other.resume(operation_id).state is STATES.QUEUED
    assert other.wait(operation_id).is_over
    assert engines.journal.steps[operation_id] == [0, 1, 2, 3]


@in_postgres
def test_while_the_store_is_really_away_nothing_is_lost_and_it_goes_on_after(
    engines: Engines, store_place: StorePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "FIRST_WAIT_SECONDS", 0.1)
    assert store_place.url is not None
    engine, other = engines.open("one"), engines.open("two")
    operation_id = in_the_middle(engines, engine)
    waits = [submit(engine, 2).operation_id for _ in range(2)]
    with away(store_place.url):
        assert engine.view(operation_id).done == 2
        engines.journal.gates[2].set()
        wait_until(lambda: engines.journal.steps[operation_id] == [0, 1])
    for one, total in ((operation_id, 4), (waits[0], 2), (waits[1], 2)):
        assert other.wait(one).is_over
        assert engines.journal.steps[one] == list(range(total))


@every_store
@settings(max_examples=6)
@given(seed=st.integers(0, 2**32))
def test_however_instances_come_sleep_and_die_each_step_is_done_once(
    store: Store, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  no secret
    engines = Engines(store)
    quick = replace(FAST, lease=0.4, renew=0.1, tell=0.02, poll=0.02)

    def dawdle(_task: Task, _step: int) -> None:
        threading.Event().wait(chance.random() * 0.02)

    kinds = [Counting(engines.journal, dawdle)]
    alive = [engines.open(str(number), kinds, pace=quick) for number in range(3)]
    started = [submit(chance.choice(alive), 8).operation_id for _ in range(6)]
    for number in range(chance.randint(1, 5)):
        threading.Event().wait(chance.random() * 0.2)
        way = chance.choice(["crash", "sleep", "close"])
        one = alive.pop(chance.randrange(len(alive)))
        if way == "crash":
            engines.reach(one).crash()
        elif way == "sleep":
            engines.reach(one).freeze()
            threading.Event().wait(chance.random())
            engines.reach(one).thaw()
        else:
            one.close()
        alive.append(engines.open(f"later {number}", kinds, pace=quick))
    for operation_id in started:
        assert alive[0].wait(operation_id).is_over
    engines.close()
    assert {one: engines.journal.steps[one] for one in started} == {
        one: list(range(8)) for one in started
    }
    # Epochs only grow: whoever was refused did nothing afterwards.
    for operation_id in started:
        epochs = [epoch for one, _step, epoch in engines.journal.by if one == operation_id]
        assert epochs == sorted(epochs)


@every_store
def test_what_lapsed_is_not_begun_again_beside_itself(engines: Engines) -> None:
    """One process would be at work on it twice, and each for nothing."""
    engine = engines.open(pace=replace(FAST, lease=0.3, renew=900.0, tell=900.0))
    operation_id = in_the_middle(engines, engine)
    wait_until(lambda: engine.view(operation_id).state is STATES.INTERRUPTED)
    # A later one has been looked for, and done, since.
    assert engine.wait(submit(engine, 0).operation_id).is_over
    assert len(engines.journal.at_work) == 1
    engines.journal.gates.pop(2).set()
    ended = engine.wait(operation_id)
    assert (ended.is_over, ended.interruptions) == (True, 1)
    assert engines.journal.steps[operation_id] == [0, 1, 2, 3]
