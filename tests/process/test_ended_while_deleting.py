"""A caller waits for a deletion while the process is told to end."""

from __future__ import annotations

import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx2

from runmanager.api.application import PREFIX
from tests.api.conftest import SECRET, bearer, token
from tests.hosts import connect
from tests.operations import until
from tests.processes import AppProcess, settings_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts import HostWriter


def test_the_answer_names_the_operation_which_is_gone_on_with(
    host: HostWriter, tmp_path: Path
) -> None:
    runs = host.add_runs(3)
    headers = bearer(token(host.admin.user_id, exp=int(time.time()) + 600))
    settings = settings_for(host.url) | {
        "RUNMANAGER_JWT_SECRET": SECRET,
        "RUNMANAGER_LOCK_TIMEOUT": "0.5",
    }

    def process() -> AppProcess:
        return AppProcess(tmp_path / "app.log", settings).ready()

    first = process()
    try:
        # One run that somebody else works on: its deletion is tried again for a while.
        with (
            ThreadPoolExecutor(1) as threads,
            connect(host.url) as other,
            other.transaction(),
        ):
            other.execute("SELECT 1 FROM run_metadata WHERE thread_id = %s FOR UPDATE", [runs[1]])
            answering = threads.submit(
                httpx2.request, "DELETE", f"{first.url}{PREFIX}/runs",
                json={"thread_ids": runs}, headers=headers, timeout=60,
            )  # fmt: skip
            until(lambda: host.is_gone(runs[0]) and host.is_gone(runs[2]))
            first.process.send_signal(signal.SIGTERM)
            answer = answering.result(30)
            assert first.process.wait(30) is not None
    finally:
        first.stop()
    assert answer.status_code == 503, answer.text
    assert "retry-after" not in answer.headers
    named = re.search("Operation ([0-9a-f]{32}) ", answer.json()["detail"])
    assert named is not None
    assert not host.is_gone(runs[1])
    second = process()
    try:
        with httpx2.Client(base_url=f"{second.url}{PREFIX}", headers=headers) as client:
            path = f"/operations/{named[1]}"
            until(lambda: client.get(path).json()["state"] == "finished", seconds=40)
            found = client.get(path).json()
            receipt = client.get(f"{path}/receipt").json()
    finally:
        second.stop()
    assert (found["done"], found["failed"], found["stopped"]) == (3, 0, False)
    assert {one["thread_id"]: one["outcome"] for one in receipt["runs"]} == dict.fromkeys(
        runs, "deleted"
    )
    assert host.is_gone(runs[1])
