"""An admin's page while strangers flood the process.

    python -m tests.security.floods [KIND ...]

Ten kinds of flood, from a process of its own. The page's time is from the message that asks for a
run until the run has ended; quiet and flooded stretches take turns, and medians are compared. 300
sockets try once a second each; requests, guesses and tokens come at up to 200 a second, so 2,000 in
ten seconds: as fast as they are answered, guesses would slow the page threefold. The target: no
more than 1.5 times the quiet time, and as many open files afterwards as before.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.processes import ROOT
from tests.security.flooder import KINDS
from tests.security.report import Report, leave
from tests.security.target import own_target

if TYPE_CHECKING:
    from tests.security.target import Instance
    from tests.sockets import Socket

ROUNDS = 3
STRETCH_SECONDS = 3.0
MOST = 1.5
_SETTLING = 0.7
_FILES_LEFT = 20


def page_seconds(tab: Socket, seconds: float) -> list[float]:
    """How long each run of the page took, one after the other for so long."""
    took, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        finished = tab.finished
        tab.rerun()
        tab.settle(quiet=0.0)
        assert tab.finished > finished, "the page was not drawn"
        took.append(time.perf_counter() - began)
    return took


def flooded(tab: Socket, instance: Instance, kind: str, seconds: float) -> tuple[list[float], str]:
    """The page's times during a flood, and what the flood did."""
    command = [sys.executable, "-m", "tests.security.flooder", kind, str(instance.port)]
    with subprocess.Popen(  # noqa: S603  our own program
        [*command, str(seconds + 2 * _SETTLING)], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as flooder:  # fmt: skip
        assert flooder.stdout is not None
        assert flooder.stdin is not None
        flooder.stdout.readline()
        flooder.stdin.write("\n")
        flooder.stdin.flush()
        time.sleep(_SETTLING)
        took = page_seconds(tab, seconds)
        return took, flooder.stdout.read().strip()


def open_files(instance: Instance) -> int:
    """How many files and sockets the process has open."""
    return len(list(Path(f"/proc/{instance.app.process.pid}/fd").iterdir()))


def compare(tab: Socket, instance: Instance, kind: str, report: Report) -> None:
    """Quiet and flooded in turn."""
    before = open_files(instance)
    quiet: list[float] = []
    during: list[float] = []
    did = ""
    for _round in range(ROUNDS):
        quiet += page_seconds(tab, STRETCH_SECONDS / 2)
        took, did = flooded(tab, instance, kind, STRETCH_SECONDS)
        during += took
        time.sleep(_SETTLING)
    one, other = statistics.median(quiet), statistics.median(during)
    report.count(f"page runs, {kind}", len(during))
    sys.stdout.write(
        f"  {kind:<22} quiet {1000 * one:6.0f} ms, flooded {1000 * other:6.0f} ms, "
        f"ratio {other / one:4.2f}  ({did})\n"
    )
    sys.stdout.flush()
    report.require(other / one <= MOST, f"{kind}: {other / one:.2f} times the quiet time")
    left = open_files(instance) - before
    report.require(left <= _FILES_LEFT, f"{kind}: {left} files are left open")


def main() -> None:
    """Flood, print, and exit 1 where the page became slow."""
    report = Report("floods")
    with own_target() as target:
        instance = target.serve()
        with instance.opened(instance.sign_in("ada")) as tab:
            page_seconds(tab, 2)
            for kind in sys.argv[1:] or KINDS:
                compare(tab, instance, kind, report)
        report.require("Traceback" not in target.logs, "a traceback in the log")
    leave(report)


if __name__ == "__main__":
    main()
