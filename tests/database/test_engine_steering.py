"""Stop, pause and resume in every state, by whomever; and an instance that is shut down."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runmanager.errors import InterruptedOperationError, OperationStateError
from runmanager.records import OperationState, Origin
from runmanager.tasks import Ending
from runmanager.work import turns
from tests.conftest import every_store
from tests.engines import ADA, FAST, Counting, Engines, submit
from tests.polling import wait_until

if TYPE_CHECKING:
    from runmanager.records import OperationView
    from runmanager.tasks import Task
    from runmanager.work.engine import Engine

STATES = OperationState
STOP, PAUSE = Ending.STOP, Ending.PAUSE
# What others ask comes with a renewal only.
SELDOM = replace(FAST, renew=900.0, tell=900.0, lease=9000.0)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was interrupted is not tried again by itself within a test."""
    monkeypatch.setattr(turns, "FIRST_WAIT_SECONDS", 600.0)
    monkeypatch.setattr(turns, "LONGEST_WAIT_SECONDS", 600.0)


def at_step(engines: Engines, engine: Engine, step: int, total: int = 4) -> str:
    """An operation that is held back at this step."""
    engines.journal.gate(step)
    operation_id = submit(engine, total).operation_id
    assert engines.journal.arrived[step].wait(30)
    return operation_id


def paused(engines: Engines, engine: Engine, step: int = 1) -> str:
    """An operation that rests in the middle."""
    operation_id = at_step(engines, engine, step)
    engine.want(operation_id, PAUSE)
    engines.journal.gates[step].set()
    assert engine.wait(operation_id).state is STATES.PAUSED
    return operation_id


def waiting(engines: Engines) -> tuple[Engine, str]:
    """An operation that nobody takes up, and an engine that could not."""
    idle = engines.open("idle", at_once=0)
    return idle, submit(idle, 4).operation_id


def interrupted(engines: Engines) -> tuple[Engine, str]:
    """An operation that waits a while before it is tried again."""

    def fail(task: Task, step: int) -> None:
        if step == 1 and task.interruptions == 0:
            raise InterruptedOperationError

    engine = engines.open("failing", kinds=[Counting(engines.journal, fail)])
    operation_id = submit(engine, 4).operation_id
    wait_until(lambda: engine.view(operation_id).state is STATES.INTERRUPTED)
    return engine, operation_id


def assert_whole(engines: Engines, view: OperationView, steps: int = 4) -> None:
    """It has finished with each step done once."""
    assert view.is_over
    assert engines.journal.steps[view.operation_id] == list(range(steps))


# Pause and resume --------------------------------------------------------------------------------


@every_store
@pytest.mark.parametrize("by_other", [False, True])
def test_what_runs_pauses_after_its_step_and_goes_on_there(
    engines: Engines, by_other: bool
) -> None:
    engine = engines.open("one")
    asked = engines.open("two", at_once=0) if by_other else engine
    operation_id = at_step(engines, engine, 1)
    view = asked.want(operation_id, PAUSE)
    assert (view.state, view.wanted, view.is_stopping) == (STATES.RUNNING, "pause", True)
    if by_other:
        turn = engine._workers.turn(operation_id)
        assert turn is not None
        wait_until(lambda: turn._wanted is PAUSE)
    engines.journal.gates[1].set()
    rests = engine.wait(operation_id)
    assert (rests.state, rests.wanted, rests.done) == (STATES.PAUSED, None, 2)
    assert engines.journal.ended[operation_id] == ["pause"]
    assert asked.resume(operation_id).state is STATES.QUEUED
    ended = asked.wait(operation_id)
    assert_whole(engines, ended)
    assert ended.interruptions == 0


def test_what_is_asked_here_is_heard_here_without_the_store_being_asked(engines: Engines) -> None:
    engine = engines.open(pace=SELDOM)
    operation_id = at_step(engines, engine, 1)
    engine.want(operation_id, PAUSE)
    engines.journal.gates[1].set()
    assert engine.wait(operation_id).done == 2


@every_store
def test_a_pause_that_is_taken_back_in_time_does_not_happen(engines: Engines) -> None:
    engine = engines.open()
    operation_id = at_step(engines, engine, 1)
    engine.want(operation_id, PAUSE)
    view = engine.resume(operation_id)
    assert (view.state, view.wanted) == (STATES.RUNNING, None)
    engines.journal.gates[1].set()
    assert_whole(engines, engine.wait(operation_id))
    assert engines.journal.ended[operation_id] == []


@every_store
def test_what_rests_is_not_taken_up_whoever_starts(engines: Engines) -> None:
    engine = engines.open()
    operation_id = paused(engines, engine)
    engine.close()
    again = engines.open("again")
    # It would have been first.
    assert again.wait(submit(again).operation_id).is_over
    assert again.view(operation_id).state is STATES.PAUSED
    again.resume(operation_id)
    assert_whole(engines, again.wait(operation_id))


@every_store
def test_what_waits_for_its_turn_rests_at_once(engines: Engines) -> None:
    idle, operation_id = waiting(engines)
    assert idle.want(operation_id, PAUSE).state is STATES.PAUSED
    engine = engines.open()
    assert engine.wait(submit(engine).operation_id).is_over
    assert engine.view(operation_id).state is STATES.PAUSED
    assert engine.resume(operation_id).state is STATES.QUEUED
    assert_whole(engines, engine.wait(operation_id))


@every_store
def test_what_was_interrupted_rests_at_once_or_goes_on_at_once(engines: Engines) -> None:
    engine, operation_id = interrupted(engines)
    view = engine.want(operation_id, PAUSE)
    assert view.state is STATES.PAUSED
    engine.resume(operation_id)
    wait_until(lambda: engine.view(operation_id).state is STATES.INTERRUPTED)
    engine.resume(operation_id)
    assert_whole(engines, engine.wait(operation_id))


@every_store
def test_what_is_so_already_is_no_error(engines: Engines) -> None:
    engine = engines.open()
    operation_id = paused(engines, engine)
    assert engine.want(operation_id, PAUSE).state is STATES.PAUSED
    gate = engines.journal.gate(2)
    engine.resume(operation_id)
    assert engine.resume(operation_id).state in {STATES.QUEUED, STATES.RUNNING}
    gate.set()
    assert_whole(engines, engine.wait(operation_id))


# Stop --------------------------------------------------------------------------------------------


@every_store
def test_what_runs_stops_after_its_step_for_good(engines: Engines) -> None:
    engine = engines.open()
    operation_id = at_step(engines, engine, 1)
    view = engine.want(operation_id, STOP)
    assert (view.state, view.wanted) == (STATES.RUNNING, "stop")
    assert engine.want(operation_id, STOP).wanted == "stop"
    with pytest.raises(OperationStateError, match="being stopped already"):
        engine.want(operation_id, PAUSE)
    with pytest.raises(OperationStateError, match="being stopped already"):
        engine.resume(operation_id)
    engines.journal.gates[1].set()
    ended = engine.wait(operation_id)
    assert (ended.is_over, ended.was_stopped, ended.done, ended.wanted) == (True, True, 2, None)


@every_store
@pytest.mark.parametrize("state", ["queued", "paused", "interrupted", "lapsed"])
def test_what_rests_or_waits_is_stopped_by_its_kind(engines: Engines, state: str) -> None:
    """It is to end in a receipt, and does nothing more before."""
    if state == "queued":
        (asked, operation_id), done = waiting(engines), 0
    elif state == "paused":
        asked, done = engines.open(), 2
        operation_id = paused(engines, asked)
    elif state == "interrupted":
        (asked, operation_id), done = interrupted(engines), 1
    else:
        dies, done = engines.open("dies"), 1
        operation_id = at_step(engines, dies, 1)
        engines.reach(dies).crash()
        asked = engines.open(at_once=0)
        wait_until(lambda: asked.view(operation_id).state is STATES.INTERRUPTED)
    asked.want(operation_id, STOP)
    ended = engines.open().wait(operation_id)
    assert (ended.is_over, ended.was_stopped, ended.done) == (True, True, done)
    assert engines.journal.steps[operation_id] == list(range(done))


@every_store
def test_what_is_stopped_need_not_wait_for_a_free_place(engines: Engines) -> None:
    engine = engines.open()
    engines.journal.gate(0)
    busy = [submit(engine).operation_id for _ in range(2)]
    wait_until(lambda: len(engines.journal.at_work) == 2)
    waits, stopped = (submit(engine).operation_id for _ in range(2))
    engine.want(stopped, STOP)
    ended = engine.wait(stopped)
    assert (ended.was_stopped, ended.done) == (True, 0)
    assert engine.view(waits).state is STATES.QUEUED
    assert [engine.view(one).state for one in busy] == [STATES.RUNNING] * 2


@every_store
def test_a_stop_that_comes_while_it_pauses_is_not_lost(engines: Engines) -> None:
    engine = engines.open()
    operation_id = at_step(engines, engine, 1)
    turn = engine._workers.turn(operation_id)
    assert turn is not None
    engine.want(operation_id, PAUSE)
    let_go = turn._let_go
    engines.journal.ended[operation_id].append("")

    def stop_first() -> object:
        engine.want(operation_id, STOP)
        return let_go()

    turn._let_go = stop_first  # type: ignore[method-assign, assignment]
    engines.journal.gates[1].set()
    ended = engine.wait(operation_id)
    assert (ended.was_stopped, ended.done) == (True, 2)
    assert engines.journal.ended[operation_id] == ["", "pause", "stop"]


@every_store
def test_what_has_ended_or_not_begun_cannot_be_steered(engines: Engines) -> None:
    engine = engines.open()
    ended = engine.wait(submit(engine).operation_id).operation_id
    plan = engine.plan("counting", ADA, Origin.PAGE, {"total": 1}).operation_id
    for operation_id, said in ((ended, "has ended already"), (plan, "was not started")):
        for ending in (STOP, PAUSE):
            with pytest.raises(OperationStateError, match=said):
                engine.want(operation_id, ending)
        with pytest.raises(OperationStateError, match=said):
            engine.resume(operation_id)


# Shutting down -----------------------------------------------------------------------------------


@every_store
def test_closing_ends_after_the_step_and_the_next_start_goes_on_at_once(engines: Engines) -> None:
    # No lease lapses within the test.
    slow = replace(FAST, lease=900.0)
    engine = engines.open("one", pace=slow)
    operation_id = at_step(engines, engine, 1)
    waits = threading.Thread(target=engine.wait, args=(operation_id,))
    waits.start()
    engine.begin_closing()
    assert waits.is_alive()
    engines.journal.gates[1].set()
    engine.close()
    waits.join(30)
    assert not waits.is_alive()
    assert engines.journal.steps[operation_id] == [0, 1]
    view = engine.view(operation_id)
    assert (view.state, view.done, view.wanted) == (STATES.INTERRUPTED, 2, None)
    again = engines.open("one", pace=slow)
    ended = again.wait(operation_id)
    assert_whole(engines, ended)
    assert (ended.interruptions, ended.summary["epoch"]) == (1, 2)


@every_store
def test_a_stop_or_pause_outlasts_the_shutdown(engines: Engines) -> None:
    engine = engines.open()
    for ending, state in ((PAUSE, STATES.PAUSED), (STOP, STATES.FINISHED)):
        operation_id = at_step(engines, engine, 1)
        engine.want(operation_id, ending)
        engine.begin_closing()
        engines.journal.gates.pop(1).set()
        engine.close()
        view = engine.view(operation_id)
        assert (view.state, view.wanted) == (STATES.INTERRUPTED, ending.value)
        engine = engines.open()
        assert engine.wait(operation_id).state is state
        assert engines.journal.steps[operation_id] == [0, 1]
        engines.journal.arrived.clear()


@every_store
def test_nothing_begins_while_it_closes(engines: Engines) -> None:
    engine = engines.open()
    engine.begin_closing()
    view = submit(engine)
    assert engine.wait(view.operation_id).state is STATES.QUEUED
    engine.close()
    again = engines.open()
    assert again.wait(view.operation_id).is_over
    engine.close()


def test_an_engine_that_was_never_started_closes(engines: Engines) -> None:
    engine = engines.open()
    engine.close()
    never = type(engine)(engines.store, [], "never")
    never.close()
