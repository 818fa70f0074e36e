"""A value of 200 MB is measured, never read: not by PostgreSQL, not into Python.

Only what a deletion keeps of it in the archive has to pass through, as PostgreSQL prints it.
"""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

from runmanager.paging import PageRequest
from tests.operations import delete

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

SIZE = 200_000_000
# Each byte is two characters in COPY's text, which is in memory once.
PRINTED = 2 * SIZE
CALLS: dict[str, Callable[[RunManager, Actor], object]] = {
    "run": lambda m, a: m.reviewing.run(a, "r"),
    "footprint": lambda m, a: m.reviewing.footprint(a, "r"),
    "blobs": lambda m, a: m.reviewing.blobs(a, "r", PageRequest()),
    "checkpoints": lambda m, a: m.reviewing.checkpoints(a, "r", PageRequest()),
    "checkpoint": lambda m, a: m.reviewing.checkpoint(a, "r", "", "c1"),
    "plan": lambda m, a: m.deleting.plan(a, ["r"]),
    "delete": lambda m, a: delete(m, a, ["r"]),
}


def test_a_blob_of_200_mb_is_measured_and_never_read(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    # Stored as it is: compressed, the value would be small and prove nothing.
    host.execute("ALTER TABLE checkpoint_blobs ALTER blob SET STORAGE EXTERNAL")
    host.execute("ALTER TABLE checkpoint_writes ALTER blob SET STORAGE EXTERNAL")
    host.add_run("r")
    host.add_traces("r")
    large = f"convert_to(repeat('x', {SIZE}), 'UTF8')"
    host.execute(f"UPDATE checkpoint_blobs SET blob = {large} WHERE version = '1'")  # noqa: S608
    # A time limit that reading the value would pass (it takes about a second).
    manager = open_manager(statement_timeout=0.25)
    manager.finding.usernames(admin)
    for name, call in CALLS.items():
        tracemalloc.start()
        try:
            found = call(manager, admin)
            _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 3_000_000 + (PRINTED if name == "delete" else 0), name
        assert len(repr(found)) < 100_000, name
    assert host.is_gone("r")


def test_a_large_state_is_cut_before_it_reaches_python(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run("r")
    host.add_traces("r", checkpoints=1)
    host.execute(
        "UPDATE checkpoints SET checkpoint = jsonb_build_object('ts', '2025', 'state',"
        " repeat('x', %s))",
        SIZE // 10,
    )
    tracemalloc.start()
    opened = manager.reviewing.checkpoint(admin, "r", "", "c1")
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert opened.state
    assert opened.state.is_cut
    assert opened.state.length > SIZE // 10
    assert peak < 10_000_000
