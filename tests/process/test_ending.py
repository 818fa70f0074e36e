"""A process that is told to end does so after its batch, and the next goes on from there."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2
import pytest

from runmanager.api.application import PREFIX
from tests.hosts import PASSWORD
from tests.polling import wait_until
from tests.processes import AppProcess, settings_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.hosts import HostWriter

RUNS = 600
# Of an endless deletion's process; the promise is 2 s, on a machine that is not busy.
END_SECONDS = 10


def slowed(host: HostWriter) -> None:
    """Let each run take 50 ms to delete: all of them half a minute."""
    host.add_trigger("run_metadata", "PERFORM pg_sleep(0.05); RETURN OLD;")


@contextmanager
def signed_in(app: AppProcess) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"{app.url}{PREFIX}", timeout=60) as client:
        answer = client.post("/token", data={"username": "ada", "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


def left(host: HostWriter) -> int:
    return int(host.execute("SELECT count(*) FROM run_metadata")[0][0])


@pytest.mark.parametrize("door", ["waiting", "operation"])
def test_a_deletion_ends_after_its_batch_when_the_process_is_told_to_end(
    host: HostWriter, tmp_path: Path, door: str
) -> None:
    runs = [host.add_run() for _number in range(RUNS)]
    slowed(host)
    settings = settings_for(host.url) | {
        "RUNMANAGER_STATE_DIR": str(tmp_path / "state"),
        "RUNMANAGER_JWT_SECRET": "a secret of the tests', of thirty-two bytes",
    }
    app = AppProcess(tmp_path / "first.log", settings).ready()
    answers: list[httpx2.Response] = []
    try:
        with signed_in(app) as client:
            if door == "operation":
                planned = client.post("/deletion-plan", json={"thread_ids": runs}).json()
                answers.append(client.post("/operations", json={"plan_id": planned["plan_id"]}))
                assert answers.pop().status_code == 202
            caller = threading.Thread(
                target=lambda: answers.append(
                    client.request("DELETE", "/runs", json={"thread_ids": runs})
                )
            )
            if door == "waiting":
                caller.start()
            wait_until(lambda: left(host) < RUNS)
            app.process.send_signal(signal.SIGTERM)
            app.process.wait(END_SECONDS)
            if door == "waiting":
                caller.join(10)
    finally:
        app.stop()
    assert app.process.returncode in {0, -signal.SIGTERM, 128 + signal.SIGTERM}
    if door == "waiting":
        (answer,) = answers
        assert answer.status_code == 503
        assert "has not come to its end yet" in answer.text
    there = left(host)
    assert 0 < there < RUNS
    assert "Traceback" not in app.said
    # The trigger itself stays: without it the schema were another than the plan's.
    host.execute(
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RETURN OLD; END $$"
    )
    assert_goes_on(host, tmp_path, settings, runs)


def assert_goes_on(
    host: HostWriter, tmp_path: Path, settings: dict[str, str], runs: list[str]
) -> None:
    """The next process goes on by itself, and its receipt has every run once."""
    app = AppProcess(tmp_path / "second.log", settings).ready()
    try:
        wait_until(lambda: left(host) == 0, 60)
        with signed_in(app) as client:

            def states() -> list[str]:
                return [one["state"] for one in client.get("/operations").json()["operations"]]

            wait_until(lambda: states() == ["finished"])
            (operation,) = client.get("/operations").json()["operations"]
            receipt = client.get(f"/operations/{operation['id']}/receipt").json()
    finally:
        app.stop()
    assert (receipt["deleted"], receipt["failed"]) == (RUNS, 0)
    assert sorted(run["thread_id"] for run in receipt["runs"]) == sorted(runs)
    assert receipt["interruptions"] == 1
