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
from tests.roles import READER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts import HostWriter
    from tests.roles import Roles

SECRET = "s3cret-pa55"
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
    for word in ("--version", "advise", "check", "docs/settings.md", "starts the dashboard"):
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


def test_a_check_of_a_host_that_lacks_nothing_ends_with_0(host: HostWriter) -> None:
    done = run("check", DATABASE_URL=address(host.url))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("DATABASE\n  PostgreSQL ")
    assert "\nRESULT\n  All is well" in done.stdout


def test_a_check_that_finds_something_lacking_ends_with_1_and_says_what(
    host: HostWriter, roles: Roles
) -> None:
    done = run("check", DATABASE_URL=address(roles.url(roles.of_the_page(READER))))
    assert (done.returncode, done.stderr) == (1, "")
    assert "\nWHAT IS LACKING\n  The database role may not delete runs\n" in done.stdout
    assert "\nGRANT DELETE, UPDATE (run_name) ON public.run_metadata TO " in done.stdout


def test_a_check_where_nothing_can_start_ends_with_1_and_says_why(host: HostWriter) -> None:
    host.execute("DROP TABLE users")
    done = run("check", DATABASE_URL=address(host.url))
    assert (done.returncode, done.stderr) == (1, "")
    assert "\nRUN MANAGER CANNOT START\n  The database has no table “users”" in done.stdout


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "DATABASE_URL is needed"),
        (
            {"DATABASE_URL": f"nonsense://kate:{SECRET}@db/host"},
            "DATABASE_URL is not the address of a PostgreSQL database",
        ),
        (
            {"DATABASE_URL": f"postgresql://kate:{SECRET}@localhost:1/host"},
            "The database cannot be reached.",
        ),
        ({"DATABASE_URL": "postgresql:///host", "RUNMANAGER_POOL_SIZE": "x"}, "RUNMANAGER_POOL_"),
    ],
    ids=["missing", "malformed", "away", "setting"],
)
def test_a_check_that_cannot_be_made_says_so_in_one_sentence(
    settings: dict[str, str], sentence: str
) -> None:
    done = run("check", **settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Run Manager: {sentence}")
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.stderr
    assert "kate" not in done.stderr


def test_a_start_that_the_database_prevents_points_to_the_check(
    host: HostWriter, tmp_path: Path
) -> None:
    host.execute("DROP TABLE users")
    app = AppProcess(tmp_path / "log", settings_for(host.url), COMMAND)
    try:
        assert app.process.wait(60) == 1
    finally:
        app.kill()
    (line,) = [one for one in app.said.splitlines() if one.startswith("Run Manager: ")]
    assert "no table “users”" in line
    assert line.endswith("`python -m runmanager check` says what was found there.")


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
