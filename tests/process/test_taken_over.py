"""Two instances on one store in PostgreSQL: one is killed in the middle of a deletion."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import httpx2

from runmanager import batches
from runmanager.api.application import PREFIX
from runmanager.work.workers import Pace
from tests.api.conftest import SECRET, bearer, token
from tests.hosts import SHAPES
from tests.operations import until
from tests.outage import deletions_wait_at, is_waiting
from tests.processes import AppProcess, address, settings_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Server
    from tests.hosts import HostWriter

# How long after the lease has lapsed the other may need to the end of so small a deletion.
PATIENCE = 30


def test_the_other_takes_over_and_each_run_goes_once(
    host: HostWriter, server: Server, tmp_path: Path
) -> None:
    runs = host.add_runs(batches.FIRST_BATCH_SIZE + 10)
    last = sorted(runs)[-1]
    store = server.create_empty()
    settings = settings_for(host.url) | {
        "RUNMANAGER_JWT_SECRET": SECRET,
        "RUNMANAGER_STATE_URL": address(server.url(store, SHAPES[0])),
        "RUNMANAGER_ARCHIVE": str(tmp_path / "archive"),
    }
    headers = bearer(token(host.admin.user_id, exp=int(time.time()) + 600))
    logs = [tmp_path / "one.log", tmp_path / "other.log"]
    one, other = (AppProcess(log, settings) for log in logs)
    try:
        calls, watches = (
            httpx2.Client(base_url=f"{app.ready().url}{PREFIX}", headers=headers, timeout=60)
            for app in (one, other)
        )
        with calls, watches:
            with deletions_wait_at(host, last):
                plan = calls.post("/deletion-plan", json={"thread_ids": runs}).json()
                started = calls.post("/operations", json={"plan_id": plan["plan_id"]})
                assert started.status_code == 202, started.text
                path = f"/operations/{started.json()['id']}"
                until(lambda: is_waiting(host))
                assert watches.get(path).json()["state"] == "running"
                one.kill()
            until(
                lambda: watches.get(path).json()["state"] == "finished",
                seconds=Pace().lease + PATIENCE,
            )
            found = watches.get(path).json()
            receipt = watches.get(f"{path}/receipt").json()
    finally:
        one.stop()
        other.stop()
        server.drop(store)
    assert {run.get("error") for run in receipt["runs"]} == {None}
    assert (found["done"], found["failed"], found["interruptions"]) == (len(runs), 0, 1)
    assert sorted(run["thread_id"] for run in receipt["runs"]) == sorted(runs)
    assert {run["outcome"] for run in receipt["runs"]} == {"deleted"}
    assert all(host.is_gone(run) for run in runs)
    events = [[line["event"] for line in audit_lines(log)] for log in logs]
    assert events == [["deletion started"], ["deletion resumed", "deletion ended"]]


def audit_lines(log: Path) -> list[dict[str, str]]:
    """What a process has written into the audit log."""
    lines = [line for line in log.read_text().splitlines() if "runmanager.audit" in line]
    return [json.loads(line[line.index("{") :]) for line in lines]
