"""Batches serve an operation of any kind: here one that changes a status, in its own words."""

from __future__ import annotations

import json
import logging
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from runmanager import batches as batches_module
from runmanager import database
from runmanager.batches import next_size, read_only, stopped, unexpected
from runmanager.errors import InterruptedOperationError, NotAdminError, SchemaChangedError
from runmanager.records import OperationState, Origin
from runmanager.tasks import Ending
from runmanager.work.engine import Engine
from tests.conftest import every_shape
from tests.engines import FAST
from tests.operations import in_batches_of
from tests.status_change import (
    NO_SUCH_RUN,
    REFUSED,
    STATUS_CHANGE,
    StatusChange,
    StatusStep,
    batches_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from runmanager.batches import Outcome
    from runmanager.records import Actor, OperationView
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter


def statuses(host: HostWriter) -> dict[str, str]:
    return dict(host.execute("SELECT thread_id::text, status FROM run_metadata"))


def on_update(host: HostWriter, body: str) -> None:
    """Let the host's database do ``body`` before each change of a run's row."""
    host.execute(
        f"CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
        "CREATE TRIGGER guard BEFORE UPDATE ON run_metadata FOR EACH ROW EXECUTE FUNCTION guard()"
    )


@pytest.fixture
def step(manager: RunManager, admin: Actor) -> StatusStep:
    return StatusStep(manager._access.host, admin, "archived")


@every_shape
def test_it_is_done_to_every_run_batch_by_batch(
    host: HostWriter, manager: RunManager, step: StatusStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(2, monkeypatch)
    runs = host.add_runs(5)
    (untouched,) = host.add_runs(1)
    told: list[tuple[int, int]] = []
    committed: list[list[str]] = []
    batches = batches_of(
        manager._access.database,
        step,
        on_progress=lambda done, failed: told.append((done, failed)),
        on_done=lambda ids: committed.append(sorted(ids)),
    )
    batches.run(runs)
    assert statuses(host) == dict.fromkeys(runs, "archived") | {untouched: "completed"}
    assert step.tried == [runs[:2], runs[2:4], runs[4:]]
    assert told == [(2, 0), (4, 0), (5, 0)]
    assert committed == step.tried
    assert sorted(batches.outcome.done) == runs
    assert batches.outcome.failed == {}


def test_runs_that_the_step_sets_apart_have_its_reason(
    host: HostWriter, manager: RunManager, step: StatusStep
) -> None:
    run = host.add_run()
    batches = batches_of(manager._access.database, step)
    batches.fail(["left out"], "Not wanted.")
    batches.run(sorted([run, "nobody"]))
    assert batches.outcome.failed == {"left out": "Not wanted.", "nobody": NO_SUCH_RUN}
    assert list(batches.outcome.done) == [run]


def test_a_refused_batch_is_halved_until_one_run_stands_alone(
    host: HostWriter, manager: RunManager, step: StatusStep
) -> None:
    runs = host.add_runs(16)
    on_update(host, f"IF old.thread_id = '{runs[5]}' THEN RAISE 'no'; END IF; RETURN new;")
    batches = batches_of(manager._access.database, step)
    batches.run(runs)
    assert batches.outcome.failed == {runs[5]: REFUSED}
    assert sorted(batches.outcome.done) == [*runs[:5], *runs[6:]]
    assert statuses(host)[runs[5]] == "completed"
    # All, then halves of what was refused, and their other halves.
    assert [len(batch) for batch in step.tried] == [16, 8, 4, 4, 2, 1, 1, 2, 8]


def test_what_may_pass_is_tried_a_second_time_and_no_more(
    host: HostWriter, manager: RunManager, step: StatusStep
) -> None:
    once, always = host.add_runs(2)
    # A sequence goes on though its transaction is undone.
    host.execute("CREATE SEQUENCE tries")
    on_update(
        host,
        f"IF old.thread_id = '{always}' OR nextval('tries') = 1"
        " THEN new.status = 'kept'; END IF; RETURN new;",
    )
    alone = batches_of(manager._access.database, step)
    alone.run([once])
    assert (list(alone.outcome.done), alone.outcome.failed) == ([once], {})
    assert step.tried == [[once], [once]]
    step.tried.clear()
    batches = batches_of(manager._access.database, step)
    batches.run([always])
    assert batches.outcome.failed == {always: REFUSED}
    assert step.tried == [[always], [always]]


def test_a_run_that_failed_and_then_succeeds_is_done(
    host: HostWriter, manager: RunManager, step: StatusStep
) -> None:
    run = host.add_run()
    on_update(host, "RAISE 'no';")
    batches = batches_of(manager._access.database, step)
    batches.run([run])
    assert batches.outcome.failed == {run: REFUSED}
    host.execute("DROP TRIGGER guard ON run_metadata")
    batches.run([run])
    assert (list(batches.outcome.done), batches.outcome.failed) == ([run], {})


def test_it_stops_between_two_batches_and_says_so_in_the_words_of_its_kind(
    host: HostWriter, manager: RunManager, step: StatusStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(2, monkeypatch)
    runs = host.add_runs(6)
    batches = batches_of(manager._access.database, step, should_stop=lambda: len(step.tried) == 2)
    batches.run(runs)
    assert batches.was_stopped
    assert sorted(batches.outcome.done) == runs[:4]
    assert batches.outcome.failed == dict.fromkeys(runs[4:], stopped(STATUS_CHANGE))
    assert stopped(STATUS_CHANGE) == ("Not changed: the status change was stopped before this run.")


def test_what_every_run_would_meet_ends_it_at_once(
    host: HostWriter, manager: RunManager, step: StatusStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(2, monkeypatch)
    runs = host.add_runs(6)
    on_update(host, f"IF old.thread_id = '{runs[2]}' THEN RAISE 'hopeless'; END IF; RETURN new;")
    batches = batches_of(manager._access.database, step)
    batches.run(runs)
    assert sorted(batches.outcome.done) == runs[:2]
    assert set(batches.outcome.failed.values()) == {"Nothing can be changed at all."}
    assert len(step.tried) == 2


def test_an_actor_who_is_no_admin_any_more_ends_it(
    host: HostWriter, manager: RunManager, step: StatusStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(2, monkeypatch)
    runs = host.add_runs(6)

    def take_the_right_away(_done: int, _failed: int) -> None:
        host.execute("UPDATE users SET is_admin = false")

    batches = batches_of(manager._access.database, step, on_progress=take_the_right_away)
    batches.run(runs)
    assert sorted(batches.outcome.done) == runs[:2]
    assert set(batches.outcome.failed.values()) == {NotAdminError().message}
    assert not batches.was_stopped


def test_a_database_that_takes_no_changes_ends_it(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    runs = host.add_runs(3)
    host.execute(f"ALTER DATABASE {host.url.database} SET default_transaction_read_only = on")
    manager = open_manager()
    step = StatusStep(manager._access.host, admin, "archived")
    batches = batches_of(manager._access.database, step)
    batches.run(runs)
    assert batches.outcome.failed == dict.fromkeys(runs, read_only(STATUS_CHANGE))
    assert read_only(STATUS_CHANGE).startswith("Not changed: the database accepts no changes")
    assert len(step.tried) == 1


def test_a_table_that_was_renamed_ends_it(
    host: HostWriter, manager: RunManager, step: StatusStep
) -> None:
    runs = host.add_runs(3)
    host.execute("ALTER TABLE run_metadata RENAME TO renamed")
    batches = batches_of(manager._access.database, step)
    batches.run(runs)
    reason = f"Not changed. {SchemaChangedError().message}"
    assert batches.outcome.failed == dict.fromkeys(runs, reason)
    assert len(step.tried) == 1


@pytest.fixture
def crowded(
    open_manager: OpenManager, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[RunManager, ExitStack]]:
    """A manager whose pool is waited for a moment, and what holds all of it once it is entered."""
    monkeypatch.setattr(database, "CONNECT_TIMEOUT_SECONDS", 1)
    with ExitStack() as held:
        yield open_manager(pool_size=2), held


def test_a_pool_that_is_full_for_a_while_is_waited_for(
    host: HostWriter,
    crowded: tuple[RunManager, ExitStack],
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manager, held = crowded
    in_batches_of(1, monkeypatch)
    runs = host.add_runs(3)
    asked: list[str] = []

    def should_stop() -> bool:
        asked.append("whether to stop")
        # Before each batch, the second of which finds no connection; then before it looks again.
        if len(asked) == 3:
            held.close()
        return False

    batches = batches_of(
        manager._access.database,
        StatusStep(manager._access.host, admin, "archived"),
        on_progress=lambda done, _failed: take_all(manager, held) if done == 1 else None,
        should_stop=should_stop,
    )
    batches.run(runs)
    assert (sorted(batches.outcome.done), batches.outcome.failed) == (runs, {})
    assert len(asked) == 4


def test_a_pool_that_stays_full_interrupts_it_and_fails_no_run(
    host: HostWriter,
    crowded: tuple[RunManager, ExitStack],
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manager, held = crowded
    monkeypatch.setattr(batches_module, "RECONNECT_SECONDS", 1.0)
    runs = host.add_runs(3)
    batches = batches_of(
        manager._access.database, StatusStep(manager._access.host, admin, "archived")
    )
    take_all(manager, held)
    with pytest.raises(InterruptedOperationError, match="Every connection to the database is in"):
        batches.run(runs)
    assert batches.outcome.failed == {}


def take_all(manager: RunManager, held: ExitStack) -> None:
    """Hold every connection that there is."""
    for _ in range(2):
        held.enter_context(manager._access.database.read())


def test_an_error_of_our_own_ends_it_and_only_its_type_is_logged(
    host: HostWriter,
    manager: RunManager,
    step: StatusStep,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def break_down(
        _step: StatusStep, _connection: sa.Connection, _batch: list[str], _number: int
    ) -> Outcome:
        raise RuntimeError("with a secret")

    runs = host.add_runs(3)
    monkeypatch.setattr(StatusStep, "do", break_down)
    batches = batches_of(manager._access.database, step)
    batches.run(runs)
    found = re.search(
        r"A status change met an error of its own: RuntimeError at \S+ \(error (\w{8})\)",
        caplog.text,
    )
    assert found is not None
    assert batches.outcome.failed == dict.fromkeys(runs, unexpected(STATUS_CHANGE, found[1]))
    assert unexpected(STATUS_CHANGE, found[1]).startswith("Not changed: ")
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("size", "seconds", "following"),
    [
        (50, 0.08, 50),
        (50, 0.04, 100),
        (50, 0.0001, 100),
        (50, 0.8, 10),
        (50, 4.0, 5),
        (50, 8.0, 2),
        (1, 60.0, 1),
        (200, 0, 200),
    ],
)
def test_the_next_batch_is_as_large_as_its_locks_may_last(
    size: int, seconds: float, following: int
) -> None:
    assert next_size(size, seconds) == following


# As an operation


@pytest.fixture
def kind(manager: RunManager) -> StatusChange:
    return StatusChange(manager._access.database, manager._access.host)


@pytest.fixture
def engine(manager: RunManager, kind: StatusChange) -> Iterator[Engine]:
    # Beside the manager's own, on the same store: that one leaves alone what it has no kind for.
    engine = Engine(manager._store, (kind,), "here", pace=FAST)
    engine.start()
    yield engine
    engine.close()


def submit(
    engine: Engine, actor: Actor, runs: list[str], origin: Origin = Origin.PAGE
) -> OperationView:
    spec = {"thread_ids": runs, "status": "archived", "total": len(runs)}
    return engine.submit(STATUS_CHANGE.name, actor, origin, spec)


def test_an_operation_of_this_kind_is_watched_and_ends_in_a_receipt_and_two_audit_lines(
    host: HostWriter,
    engine: Engine,
    kind: StatusChange,
    admin: Actor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "runmanager.audit")
    runs = host.add_runs(3)
    started = submit(engine, admin, [*runs, "nobody"], Origin.API)
    assert (started.kind, started.total) == (STATUS_CHANGE, 4)
    view = engine.wait(started.operation_id)
    assert (view.state, view.done, view.failed) == (OperationState.FINISHED, 3, 1)
    receipt = kind.receipts[started.operation_id]
    assert {run.thread_id for run in receipt.done} == set(runs)
    assert not receipt.removed(runs[0])
    first, last = (json.loads(one.getMessage()) for one in caplog.records)
    assert (first["event"], first["how"], first["to"], first["runs"]) == (
        "status change started", "api", "archived", 4,
    )  # fmt: skip
    assert (last["event"], last["how"], last["to"]) == ("status change ended", "api", "archived")
    assert first["operation"] == last["operation"] == started.operation_id
    assert (last["changed"], last["rows"]) == (3, {"run_metadata": 3})
    assert last["failed"] == 1
    assert last["first_failed"] == [{"thread_id": "nobody", "error": NO_SUCH_RUN}]
    assert "deleted" not in last


def test_an_operation_of_this_kind_is_stopped_in_its_own_words(
    host: HostWriter,
    engine: Engine,
    kind: StatusChange,
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_batches_of(1, monkeypatch)
    runs = host.add_runs(3)
    do = StatusStep.do

    def stop_meanwhile(
        step: StatusStep, connection: sa.Connection, batch: list[str], number: int
    ) -> Outcome:
        (running,) = engine.running()
        engine.want(running.operation_id, Ending.STOP)
        return do(step, connection, batch, number)

    monkeypatch.setattr(StatusStep, "do", stop_meanwhile)
    started = submit(engine, admin, runs)
    assert engine.wait(started.operation_id).was_stopped
    receipt = kind.receipts[started.operation_id]
    assert receipt.was_stopped
    assert [run.thread_id for run in receipt.done] == runs[:1]
    assert {run.error for run in receipt.failed} == {stopped(STATUS_CHANGE)}


def test_an_operation_of_this_kind_that_breaks_down_is_named_by_it_and_rests_until_it_is_resumed(
    host: HostWriter,
    engine: Engine,
    kind: StatusChange,
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def break_down(*_arguments: object, **_named: object) -> None:
        raise RuntimeError("with a secret")

    runs = host.add_runs(1)
    with monkeypatch.context() as broken:
        broken.setattr(StatusChange, "carry_out", break_down)
        started = submit(engine, admin, runs)
        view = engine.wait(started.operation_id)
    assert (view.kind, view.state, view.done) == (STATUS_CHANGE, OperationState.PAUSED, 0)
    found = re.search(
        rf"The status change {started.operation_id} met an error: "
        r"RuntimeError at \S+ \(error (\w{8})\)",
        caplog.text,
    )
    assert found is not None
    assert f"(error {found[1]})" in (view.message or "")
    assert "secret" not in caplog.text + (view.message or "")
    engine.resume(started.operation_id)
    assert engine.wait(started.operation_id).state is OperationState.FINISHED
    assert [run.thread_id for run in kind.receipts[started.operation_id].done] == runs
