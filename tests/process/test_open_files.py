"""The process may have as many files open as its supervisor allows, and says where that is few."""

from __future__ import annotations

import resource
import sys
from typing import TYPE_CHECKING

import pytest

from runmanager.open_files import WANTED
from tests.processes import AppProcess, settings_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts import HostWriter

WARNING = "files may be open"


def started(host: HostWriter, folder: Path, soft: int, hard: int) -> tuple[int, str]:
    """How many files a process may open that was started under these limits, and its log."""
    shell = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$0" app.py'
    state = {"RUNMANAGER_STATE_DIR": str(folder / "state")}
    app = AppProcess(
        folder / "log", settings_for(host.url) | state, ("/bin/sh", "-c", shell, sys.executable)
    )
    try:
        app.ready()
        found, _hard = resource.prlimit(app.process.pid, resource.RLIMIT_NOFILE)
    finally:
        app.stop()
    return found, app.said


_HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
HARD = 100_000 if _HARD == resource.RLIM_INFINITY else _HARD


@pytest.mark.parametrize("hard", [5_000, HARD], ids=["less", "all there is here"])
def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be(
    host: HostWriter, tmp_path: Path, hard: int
) -> None:
    found, log = started(host, tmp_path, 512, hard)
    assert found == min(hard, WANTED)
    assert WARNING not in log


def test_a_hard_limit_that_is_low_is_said_in_one_line(host: HostWriter, tmp_path: Path) -> None:
    found, log = started(host, tmp_path, 512, 1_024)
    assert found == 1_024
    (line,) = [line for line in log.splitlines() if WARNING in line]
    assert "WARNING" in line
    assert "Only 1024 files may be open, which is enough for about 256 pages" in line
    assert "LimitNOFILE=" in line
