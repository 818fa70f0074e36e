"""The command line ``python -m runmanager``."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tomllib
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.processes import ROOT, AppProcess, address, environment, free_port, settings_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts import HostWriter

COMMAND = (sys.executable, "-m", "runmanager")


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """What the command line answers, with these settings and no others."""
    return subprocess.run(  # noqa: S603  # our own program
        [*COMMAND, *arguments], cwd=ROOT, env=environment(free_port(), settings),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_version_is_that_of_the_checkout() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"Run Manager {project['version']}\n")


def test_help_names_what_can_be_asked_for() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: python -m runmanager")
    for word in ("--version", "advise", "docs/settings.md", "starts the dashboard"):
        assert word in " ".join(done.stdout.split())


@pytest.mark.parametrize("argument", ["advice", "--port", "advise now"])
def test_what_it_does_not_know_is_refused_and_nothing_starts(argument: str) -> None:
    done = run(*argument.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: python -m runmanager")
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_advice_without_a_database_is_refused_in_one_sentence() -> None:
    done = run("advise")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Run Manager: ")
    assert "DATABASE_URL" in done.stderr
    assert done.stderr.count("\n") == 1


def test_advice_is_printed_as_sql(host: HostWriter) -> None:
    done = run("advise", DATABASE_URL=address(host.url))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("--")


def test_without_a_command_it_serves_from_whatever_folder_it_is_started_in(
    host: HostWriter, tmp_path: Path
) -> None:
    started_in = tmp_path / "elsewhere"
    started_in.mkdir()
    settings = settings_for(host.url) | {"PYTHONPATH": str(ROOT)}
    app = AppProcess(tmp_path / "log", settings, COMMAND, started_in)
    try:
        app.ready()
        with urllib.request.urlopen(f"{app.url}/admin/run-manager/health", timeout=10) as answer:  # noqa: S310  # our own address
            assert json.load(answer) == {"status": "ok", "database": True}
    finally:
        app.stop()
    # It keeps its own configuration, not that of the folder; and it leaves nothing there.
    assert list(started_in.iterdir()) == []


def test_what_is_wrong_at_the_start_ends_it_with_one_sentence(tmp_path: Path) -> None:
    app = AppProcess(tmp_path / "log", {"DATABASE_URL": "nonsense"}, COMMAND)
    try:
        assert app.process.wait(60) == 1
    finally:
        app.kill()
    assert [line for line in app.said.splitlines() if line.startswith("Run Manager: DATABASE_URL")]
    assert "Traceback" not in app.said


def test_ctrl_c_ends_it_in_order_and_without_a_traceback(host: HostWriter, tmp_path: Path) -> None:
    app = AppProcess(tmp_path / "app.log", settings_for(host.url)).ready()
    app.process.send_signal(signal.SIGINT)
    # 0 where whoever started the tests ignores SIGINT, as a shell does for what runs behind it.
    assert app.process.wait(30) in {0, 128 + signal.SIGINT}
    assert "Traceback" not in app.said
