"""The engine at work: operations begin at once, take turns, come to an end, and are seen."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from runmanager.errors import (
    ArchiveError,
    DatabaseAwayError,
    DatabaseError,
    DatabaseTooSlowError,
    FileMissingError,
    InterruptedOperationError,
    OperationNotFoundError,
    PlanExpiredError,
    PlanUsedError,
    RunManagerError,
    StoreError,
)
from runmanager.paging import PageRequest
from runmanager.records import OperationKind, OperationState, Origin
from runmanager.store import operations, plans
from runmanager.store.tables import OPERATIONS
from runmanager.tasks import Ending, Finished
from runmanager.work import turns
from runmanager.work.engine import Engine
from tests.conftest import every_store
from tests.engines import ADA, COUNTING, FAST, GRACE, Counting, Deaf, Engines, submit
from tests.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.store import Store
    from runmanager.tasks import Task

STATES = OperationState
# Nothing is looked for by itself within a test.
SLEEPY = replace(FAST, poll=600.0, lease=900.0)


@dataclass
class Failing:
    """A kind whose turns end as they are told to, one after the other, and then well."""

    ends: list[Exception | None]
    turns: int = 0
    has_begun: threading.Event = field(default_factory=threading.Event)
    words: OperationKind = COUNTING

    def carry_out(self, task: Task) -> Finished | None:
        """Do as was told."""
        self.turns += 1
        self.has_begun.set()
        end = self.ends.pop(0) if self.ends else Finished(task.total, 0)
        if isinstance(end, Exception):
            raise end
        return end


@every_store
def test_an_operation_begins_as_soon_as_it_is_submitted_and_is_waited_for(
    engines: Engines,
) -> None:
    engine = engines.open(pace=SLEEPY)
    for _ in range(5):
        view = submit(engine, 3, sentence="three runs", reason="asked")
        assert (view.state, view.sentence, view.reason) == (STATES.QUEUED, "three runs", "asked")
        ended = engine.wait(view.operation_id)
        assert (ended.state, ended.total, ended.done) == (STATES.FINISHED, 3, 3)
        assert ended.summary == {"was_stopped": False, "epoch": 1}
        assert engine.view(view.operation_id) == ended
        assert engines.journal.steps[view.operation_id] == [0, 1, 2]


@every_store
def test_what_the_kind_is_given_is_what_was_written_down(engines: Engines) -> None:
    tasks: list[Task] = []
    kind = Counting(engines.journal, lambda task, _step: tasks.append(task))
    engine = engines.open(kinds=[kind])
    view = engine.submit(
        "counting", GRACE, Origin.API, {"total": 1, "other": [None]}, parent="p", operation_id="a"
    )
    engine.wait("a")
    (task,) = tasks
    assert (task.operation_id, task.actor, task.origin) == ("a", GRACE, Origin.API)
    assert (task.spec, task.parent, task.epoch) == ({"total": 1, "other": [None]}, "p", 1)
    assert (task.total, task.interruptions, task.created_at) == (1, 0, view.created_at)
    assert task.started_at == engine.view("a").started_at
    assert engine.spec("a") == task.spec


@every_store
def test_how_far_it_is_is_seen_here_at_once_and_by_others_in_a_moment(engines: Engines) -> None:
    engines.journal.gate(2)
    engine, other = engines.open("one"), engines.open("two", kinds=[Failing([])], at_once=0)
    view = submit(engine)
    assert engines.journal.arrived[2].wait(30)
    wait_until(lambda: engine.view(view.operation_id).done == 2)
    wait_until(lambda: other.view(view.operation_id).done == 2)
    assert engine.view(view.operation_id).state is STATES.RUNNING
    assert [one.operation_id for one in other.running()] == [view.operation_id]
    engines.journal.gates[2].set()
    assert other.wait(view.operation_id).done == 3
    assert other.running() == ()


@every_store
def test_progress_is_not_written_each_time(engines: Engines, store: Store) -> None:
    written: list[str] = []
    sa.event.listen(
        store._kept.engine, "before_cursor_execute", lambda *given: written.append(given[2])
    )

    def tell_often(task: Task, _step: int) -> None:
        for done in range(20_000):
            task.control.tell(done, 0)

    kind = Counting(engines.journal, tell_often)
    engine = engines.open(kinds=[kind], pace=replace(FAST, tell=1.0, renew=3.0))
    assert engine.wait(submit(engine, 1).operation_id).done == 1
    # It is claimed and ends, and it is slow where the machine is.
    assert len([one for one in written if one.startswith("UPDATE operations")]) < 10


@every_store
def test_a_third_operation_waits_its_turn_over_all_instances(engines: Engines) -> None:
    gate = engines.journal.gate(0)
    one, two = engines.open("one"), engines.open("two")
    started = [submit(engine, 1).operation_id for engine in (one, two, one, two, one)]
    wait_until(lambda: len(engines.journal.at_work) == 2)
    states = [two.view(each).state for each in started]
    assert states.count(STATES.RUNNING) == 2
    assert states.count(STATES.QUEUED) == 3
    gate.set()
    for each in started:
        assert one.wait(each).is_over
    assert engines.journal.most_at_work == 2
    assert sorted(engines.journal.by) == sorted((each, 0, 1) for each in started)


@every_store
def test_what_another_instance_queued_is_found(engines: Engines) -> None:
    idle = engines.open("idle", at_once=0)
    view = submit(idle)
    engines.open("working")
    assert idle.wait(view.operation_id).done == 3


@every_store
def test_a_kind_that_this_version_does_not_know_is_left_and_shown_by_its_name(
    engines: Engines,
) -> None:
    newer = Failing([], words=replace(COUNTING, name="trimming"))
    view = engines.open("newer", kinds=[newer], at_once=0).submit(
        "trimming", ADA, Origin.PAGE, {"total": 1}
    )
    engine = engines.open("older")
    assert engine.wait(submit(engine).operation_id).is_over
    seen = engine.view(view.operation_id)
    assert (seen.state, seen.kind.name, seen.kind.doing) == (STATES.QUEUED, "trimming", "trimming")
    assert len(engine.views(PageRequest()).items) == 2
    with pytest.raises(ValueError, match="trimming"):
        engine.submit("trimming", ADA, Origin.PAGE, {})


@every_store
def test_nobody_knows_an_operation_that_is_not(engines: Engines) -> None:
    engine = engines.open()
    asks: list[Callable[[str], object]] = [
        engine.view, engine.wait, engine.resume, engine.spec,
        lambda one: engine.want(one, Ending.STOP), lambda one: engine.queue(one, ADA),
    ]  # fmt: skip
    for ask in asks:
        with pytest.raises(OperationNotFoundError):
            ask("unknown")


@every_store
def test_lists_have_pages_newest_first_and_the_nearest_one(engines: Engines) -> None:
    engine = engines.open()
    started = [submit(engine, 0).operation_id for _ in range(5)]
    for one in started:
        engine.wait(one)
    page = engine.views(PageRequest(2, 2))
    assert [one.operation_id for one in page.items] == [started[2], started[1]]
    assert (page.total, page.number, page.size) == (5, 2, 2)
    last = engine.views(PageRequest(9, 2))
    assert ([one.operation_id for one in last.items], last.number) == ([started[0]], 3)
    assert engine.views(PageRequest(), [STATES.QUEUED]).total == 0
    assert engine.views(PageRequest(), [STATES.FINISHED]).total == 5


# Plans -------------------------------------------------------------------------------------------


@every_store
def test_a_plan_begins_when_its_maker_says_so_and_once(engines: Engines) -> None:
    engine, other = engines.open("one"), engines.open("two")
    view = engine.plan("counting", ADA, Origin.PAGE, {"total": 2, "sentence": "two"})
    assert view.state is STATES.PLANNED
    assert engine.views(PageRequest()).total == 0
    assert engine.running() == ()
    with pytest.raises(OperationNotFoundError):
        engine.queue(view.operation_id, GRACE)

    def start(number: int) -> str:
        try:
            begun = (engine, other)[number % 2].queue(
                view.operation_id, ADA, origin=Origin.API, more={"reason": f"{number}"}
            )
        except PlanUsedError:
            return "used"
        return begun.reason or ""

    with ThreadPoolExecutor(8) as threads:
        said = list(threads.map(start, range(16)))
    assert said.count("used") == 15
    ended = engine.wait(view.operation_id)
    assert (ended.done, ended.sentence, ended.origin) == (2, "two", "api")
    assert ended.reason in said
    assert engines.journal.steps[view.operation_id] == [0, 1]
    with pytest.raises(PlanUsedError):
        engine.queue(view.operation_id, ADA)


@every_store
def test_a_plan_of_an_hour_ago_does_not_begin(engines: Engines, store: Store) -> None:
    engine = engines.open()
    view = engine.plan("counting", ADA, Origin.PAGE, {"total": 2})
    with store.write() as connection:
        past = operations.now(connection) - plans.PLAN_SECONDS - 1
        operations.change(connection, view.operation_id, created_at=past)
    with pytest.raises(PlanExpiredError):
        engine.queue(view.operation_id, ADA)
    with store.write() as connection:
        plans.expire(connection, plans.old(connection))
    with pytest.raises(PlanExpiredError):
        engine.queue(view.operation_id, ADA)
    assert engines.journal.steps == {}


# Turns that end badly ----------------------------------------------------------------------------


@every_store
def test_an_error_that_nobody_foresaw_pauses_it_with_an_id_and_without_its_words(
    engines: Engines, caplog: pytest.LogCaptureFixture
) -> None:
    kind = Failing([RuntimeError("with a secret")])
    engine = engines.open(kinds=[kind])
    view = engine.wait(submit(engine).operation_id)
    assert view.state is STATES.PAUSED
    assert view.message is not None
    assert view.message.startswith("Run Manager met an error of its own (error ")
    error_id = view.message.partition("(error ")[2][:8]
    assert f"(error {error_id})" in caplog.text
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text + view.message
    again = engine.resume(view.operation_id)
    assert again.message is None
    assert engine.wait(view.operation_id).is_over
    assert kind.turns == 2


@every_store
def test_what_the_archive_refuses_pauses_it_with_its_sentence(
    engines: Engines, caplog: pytest.LogCaptureFixture
) -> None:
    engine = engines.open(kinds=[Failing([ArchiveError("The disk is full. Make room.")])])
    view = engine.wait(submit(engine).operation_id)
    assert view.state is STATES.PAUSED
    assert view.message is not None
    assert view.message.startswith("The disk is full. Make room. (error ")


@every_store
@pytest.mark.parametrize("error", [InterruptedOperationError, DatabaseAwayError])
def test_what_may_be_over_soon_is_tried_again_by_itself(
    engines: Engines,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: type[RunManagerError],
) -> None:
    monkeypatch.setattr(turns, "FIRST_WAIT_SECONDS", 0.1)
    kind = Failing([error("The database is away.")] * 3)
    engine = engines.open(kinds=[kind])
    view = engine.wait(submit(engine).operation_id)
    assert (view.state, view.interruptions, view.message) == (STATES.FINISHED, 3, None)
    assert [line.getMessage().partition(" goes on in ")[2] for line in caplog.records] == [
        f"{seconds} s: The database is away." for seconds in ("0.1", "0.2", "0.4")
    ]


@every_store
def test_a_start_whose_answer_is_lost_is_found_to_have_been_made(
    engines: Engines, store: Store
) -> None:
    deaf = Engine(Deaf(store, for_good=False), [Counting(engines.journal)], "deaf")
    view = submit(deaf)
    assert view.state is STATES.QUEUED
    assert engines.open().wait(view.operation_id).is_over


@pytest.mark.parametrize("away", [DatabaseAwayError, DatabaseTooSlowError])
def test_a_database_that_is_away_for_a_moment_is_waited_for_whichever_kind_it_is(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, away: type[DatabaseError]
) -> None:
    monkeypatch.setattr(turns, "FIRST_WAIT_SECONDS", 0.1)
    engine = engines.open(kinds=[Failing([away()])])
    view = engine.wait(submit(engine).operation_id)
    assert (view.state, view.interruptions, view.message) == (STATES.FINISHED, 1, None)


@every_store
def test_meanwhile_it_says_why_and_pauses_grow_up_to_a_minute(
    engines: Engines, store: Store
) -> None:
    kind = Failing([InterruptedOperationError("The database is away.")] * 6)
    engine = engines.open(kinds=[kind])
    view = submit(engine)
    waits = []
    for turn in range(1, 7):
        wait_until(partial(_is_interrupted, engine, view.operation_id, kind, turn))
        seen = engine.view(view.operation_id)
        assert seen.message == "The database is away."
        with store.read() as connection:
            until = connection.execute(sa.select(OPERATIONS.c.lease_until)).scalar_one()
            waits.append(round((until - operations.now(connection)) / 5) * 5)
        engine.resume(view.operation_id)
    assert waits == [5, 10, 20, 40, 60, 60]
    assert engine.wait(view.operation_id).is_over


def _is_interrupted(engine: Engine, operation_id: str, kind: Failing, turn: int) -> bool:
    view = engine.view(operation_id)
    return kind.turns == turn and view.state is STATES.INTERRUPTED


@every_store
def test_a_kind_that_ends_without_an_end_is_not_started_for_ever(engines: Engines) -> None:
    kind = Failing([None])
    engine = engines.open(kinds=[kind])
    assert engine.wait(submit(engine).operation_id).state is STATES.PAUSED
    assert kind.turns == 1


@every_store
def test_what_cannot_be_read_is_paused_and_others_go_on(engines: Engines, store: Store) -> None:
    idle = engines.open(at_once=0)
    view = submit(idle)
    with store.write() as connection:
        operations.change(connection, view.operation_id, spec="cos\nsystem\n(S'true'\ntR.")
    engine = engines.open()
    assert engine.wait(submit(engine).operation_id).is_over
    planted = engine.wait(view.operation_id)
    assert planted.state is STATES.PAUSED
    assert "cannot be read from Run Manager's store" in (planted.message or "")


@every_store
def test_what_cannot_be_read_is_ended_by_a_stop_which_says_so(
    engines: Engines, store: Store
) -> None:
    idle = engines.open(at_once=0)
    view = submit(idle)
    with store.write() as connection:
        operations.change(connection, view.operation_id, spec="no JSON")
    engine = engines.open()
    assert engine.wait(view.operation_id).state is STATES.PAUSED
    engine.want(view.operation_id, Ending.STOP)
    wait_until(lambda: engine.view(view.operation_id).is_over)
    ended = engine.view(view.operation_id)
    assert (ended.summary["was_stopped"], ended.wanted) == (True, None)
    assert "cannot be read from Run Manager's store" in ended.summary["broken"]
    assert ended.message == ended.summary["broken"]


@every_store
def test_what_has_lost_its_files_is_ended_by_a_stop_where_it_had_come_to(engines: Engines) -> None:
    class Losing(Failing):
        def carry_out(self, task: Task) -> Finished | None:
            task.control.tell(2, 1)
            return super().carry_out(task)

    engine = engines.open(kinds=[Losing([FileMissingError(), FileMissingError()])])
    view = engine.wait(submit(engine).operation_id)
    assert view.state is STATES.PAUSED
    engine.want(view.operation_id, Ending.STOP)
    ended = engine.wait(view.operation_id)
    assert (ended.is_over, ended.done, ended.failed) == (True, 2, 1)


@every_store
def test_a_stop_does_not_give_up_what_is_kept_while_its_place_is_away(engines: Engines) -> None:
    kind = Failing([ArchiveError("Mount its disk again."), ArchiveError("Mount its disk again.")])
    engine = engines.open(kinds=[kind])
    view = engine.wait(submit(engine).operation_id)
    engine.want(view.operation_id, Ending.STOP)
    wait_until(lambda: kind.turns == 2 and engine.view(view.operation_id).state is STATES.PAUSED)
    assert "Mount its disk again." in (engine.view(view.operation_id).message or "")
    engine.want(view.operation_id, Ending.STOP)
    assert engine.wait(view.operation_id).is_over


@every_store
def test_nothing_unforeseen_ends_the_dispatcher(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = engines.open()
    tried = threading.Event()
    begin = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("operation ") and not tried.is_set():
            tried.set()
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    # Its lease lapses, and it is taken up anew.
    view = engine.wait(submit(engine).operation_id)
    assert (view.is_over, view.interruptions) == (True, 1)
    assert "No operation could begin: RuntimeError" in caplog.text


# The store away ----------------------------------------------------------------------------------


@every_store
def test_while_the_store_is_away_what_was_seen_is_shown_and_all_else_says_so(
    engines: Engines,
) -> None:
    gate = engines.journal.gate(1)
    engine = engines.open()
    view = submit(engine)
    assert engines.journal.arrived[1].wait(30)
    wait_until(lambda: engine.view(view.operation_id).state is STATES.RUNNING)
    reach = engines.reach(engine)
    reach.is_crashed = True
    shown = engine.view(view.operation_id)
    assert (shown.state, shown.done) == (STATES.RUNNING, 1)
    asks: list[Callable[[], object]] = [
        lambda: engine.view("unknown"), lambda: engine.views(PageRequest()), engine.running,
        lambda: submit(engine), lambda: engine.want(view.operation_id, Ending.STOP),
    ]  # fmt: skip
    for ask in asks:
        with pytest.raises(StoreError):
            ask()
    reach.is_crashed = False
    gate.set()
    assert engine.wait(view.operation_id).done == 3


@every_store
def test_an_end_that_the_store_does_not_take_is_written_when_it_is_back(engines: Engines) -> None:
    kind = Counting(engines.journal, lambda _task, _step: None)
    engine = engines.open(kinds=[kind], pace=replace(FAST, lease=60.0))
    reach = engines.reach(engine)
    do = engines.journal.do

    def cut_off_at_the_last(task: Task, step: int) -> None:
        do(task, step)
        reach.is_crashed = step == 2

    engines.journal.do = cut_off_at_the_last  # type: ignore[method-assign]
    view = submit(engine)
    wait_until(lambda: reach.is_crashed)
    wait_until(lambda: not engines.journal.at_work)
    assert not engine.view(view.operation_id).is_over
    reach.is_crashed = False
    ended = engine.wait(view.operation_id)
    assert (ended.is_over, ended.done, ended.summary["epoch"]) == (True, 3, 1)


@every_store
def test_a_batch_that_cannot_ask_for_its_lease_is_not_done_and_is_tried_again(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "FIRST_WAIT_SECONDS", 0.1)
    gate = engines.journal.gate(1)
    engine = engines.open()
    view = submit(engine)
    assert engines.journal.arrived[1].wait(30)
    reach = engines.reach(engine)
    reach.is_crashed = True
    gate.set()
    wait_until(lambda: not engines.journal.at_work)
    assert engines.journal.steps[view.operation_id] == [0]
    reach.is_crashed = False
    ended = engine.wait(view.operation_id)
    assert (ended.is_over, ended.interruptions) == (True, 1)
    assert engines.journal.steps[view.operation_id] == [0, 1, 2]


def test_the_log_says_once_that_the_store_is_away(
    engines: Engines, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    engine = engines.open()
    engines.reach(engine).is_crashed = True
    for _ in range(5):
        engine._workers.call()
        wait_until(lambda: not engine._workers._has_called)
    wait_until(lambda: "No operation can begin now" in caplog.text)
    assert len(caplog.records) == 1
