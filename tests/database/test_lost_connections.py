"""A deletion whose connection is lost goes on, and its receipt is true, whenever that happens."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.cutting import cutting
from tests.operations import deleted, errors, execute_here, in_batches_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.cutting import Cut
    from tests.hosts import HostWriter

RUNS = 6
# `make fuzz` tries every round.
SAMPLED = 12


@pytest.fixture
def cut_way(
    host: HostWriter, open_manager: OpenManager, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunManager, Cut]]:
    """Run Manager on a way that can be cut."""
    with cutting(host.url, tmp_path_factory.mktemp("way")) as (url, cut):
        yield open_manager(url), cut


def carried_out(
    host: HostWriter, manager: RunManager, admin: Actor, begin: Callable[[], object]
) -> None:
    """Delete some runs after ``begin``; all of them go, as the receipt has it."""
    runs = host.add_runs(RUNS)
    kept = host.add_runs(1)
    rows = {run: sum(host.counts(run).values()) for run in runs}
    plan = manager.deleting.plan(admin, runs)
    begin()
    receipt = execute_here(manager, admin, plan)
    assert errors(receipt) == {}
    assert deleted(receipt) == set(runs)
    assert {run.thread_id: sum(dict(run.rows).values()) for run in receipt.done} == rows
    assert receipt.came_back == ()
    assert all(host.is_gone(run) for run in runs)
    assert not any(host.is_gone(run) for run in kept)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_deletion_goes_on_whatever_round_its_connection_is_cut_at(
    host: HostWriter,
    cut_way: tuple[RunManager, Cut],
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
    every_point: bool,
    after: bool,
) -> None:
    in_batches_of(2, monkeypatch)
    manager, cut = cut_way
    carried_out(host, manager, admin, cut.begin)
    rounds = range(1, cut.rounds + 1)
    assert len(rounds) > 60
    for number in rounds if every_point else sorted(random.sample(rounds, SAMPLED)):
        carried_out(host, manager, admin, partial(cut.begin, number, after=after))


def test_a_deletion_goes_on_whatever_round_its_backend_is_ended_at(
    host: HostWriter,
    cut_way: tuple[RunManager, Cut],
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
    every_point: bool,
) -> None:
    in_batches_of(2, monkeypatch)
    manager, cut = cut_way

    def end_backends() -> None:
        host.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'runmanager'"
        )

    carried_out(host, manager, admin, cut.begin)
    rounds = range(1, cut.rounds + 1)
    for number in rounds if every_point else sorted(random.sample(rounds, SAMPLED)):
        begin = partial(cut.begin, number, instead=end_backends)
        carried_out(host, manager, admin, begin)
