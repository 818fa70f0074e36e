"""A restore that is killed at any moment and started again: each run comes back once, none half."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.deaths import KilledError, Life, MortalFolder
from tests.ledgers import believing, forgetting
from tests.restoring import CHILD, PARENT, Undo, undoing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.hosts import HostWriter

# `make fuzz` tries every step.
SAMPLED = 12


@pytest.fixture
def undo(host: HostWriter) -> Iterator[Undo]:
    """A deletion on a host whose runs refer to each other, and whose schema stays as it is."""
    host.execute(
        "ALTER TABLE run_metadata ADD FOREIGN KEY (parent_thread_id) REFERENCES run_metadata"
        " ON DELETE SET NULL"
    )
    with undoing(host.url) as undone:
        undone.known_host = undone.current_host()
        yield undone


def delete(undo: Undo, runs: list[str], size: int = 1) -> None:
    """Delete the runs anew, in batches of so many, into an empty archive."""
    undo.folders.clear()
    undo.batches = 0
    for start in range(0, len(runs), size):
        undo.delete(runs[start : start + size])


def live(host: HostWriter, undo: Undo, at: int | None) -> list[str]:
    """Carry the restore out in one life, which may end before that; its steps."""
    life = Life(at)
    with life.database(host.url) as database:
        mortal = Undo(database, known_host=undo.known_host)
        mortal.folders = {name: MortalFolder(undo.of(name), life) for name in (PARENT, CHILD)}
        with suppress(KilledError):
            mortal.carry_out(host.admin)
    return life.steps


def fault(host: HostWriter, undo: Undo, runs: list[str], before: dict[str, list[str]]) -> str:
    """What is not as it should be, once the restore has ended; "" where all is."""
    if host.contents() != before:
        return "the database is not as it was"
    head, lines = undo.receipt()
    if (head["restored"], head["failed"]) != (2, 0):
        return f"the receipt says {head['restored']} and {head['failed']}"
    said = {line["thread_id"]: (line["outcome"], line["rows"]) for line in lines}
    true = {run: ("restored", {t: n for t, n in host.counts(run).items() if n}) for run in runs}
    return "" if said == true else f"the receipt says {said}"


def half_runs(host: HostWriter, runs: list[str], whole: dict[str, dict[str, int]]) -> list[str]:
    """The runs of which some rows are there and others are not."""
    return [run for run in runs if host.counts(run) != whole[run] and not host.is_gone(run)]


def made(host: HostWriter) -> list[str]:
    """Two runs, of which the last was started from the first."""
    runs = host.add_runs(2)
    host.execute(
        "UPDATE run_metadata SET parent_thread_id = %s WHERE thread_id = %s", runs[0], runs[1]
    )
    return runs


@pytest.mark.parametrize("size", [1, 2])
def test_killed_before_every_step_and_started_again_it_ends_the_same(
    host: HostWriter, undo: Undo, every_point: bool, size: int
) -> None:
    runs = made(host)
    before, whole = host.contents(), {run: host.counts(run) for run in runs}
    delete(undo, runs, size)
    steps = live(host, undo, None)
    assert fault(host, undo, runs, before) == ""
    assert {"write 000001.json", "end receipt.json"} <= set(steps)
    moments = [at + 1 for at, step in enumerate(steps) if step != "round"]
    # With the COMMIT, and what comes after it. One batch is killed at every round to the server.
    moments += [at + more for at in moments if "write" in steps[at - 1] for more in (1, 2)]
    if size > 1:
        moments = list(range(1, len(steps) + 1))
    for at in moments if every_point else sorted(random.sample(moments, SAMPLED)):
        delete(undo, runs, size)
        live(host, undo, at)
        assert half_runs(host, runs, whole) == [], (at, steps[at - 1])
        live(host, undo, None)
        assert fault(host, undo, runs, before) == "", (at, steps[at - 1])


@pytest.mark.parametrize(("broken", "later"), [(believing, 1), (forgetting, 2)])
def test_a_ledger_that_did_not_ask_would_be_found_out(
    host: HostWriter,
    undo: Undo,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[pytest.MonkeyPatch], None],
    later: int,
) -> None:
    runs = made(host)
    before = host.contents()
    delete(undo, runs)
    steps = live(host, undo, None)
    delete(undo, runs)
    # Before the COMMIT, or after it.
    live(host, undo, steps.index("write 000001.json") + 1 + later)
    broken(monkeypatch)
    live(host, undo, None)
    assert fault(host, undo, runs, before) != ""
