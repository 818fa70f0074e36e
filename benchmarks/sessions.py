"""Many admins at the dashboard at once, while scripts call the API.

Run as ``python -m benchmarks.sessions``. It starts the real process on a host's database and lets
``SESSIONS`` admins (50) turn pages, tick boxes, search and filter for ``SECONDS`` (60), each with
one to five seconds between two acts, while ``API_CLIENTS`` (2) list runs one after the other
without a pause. Nobody searches on: that takes a second at a time on purpose. So many browsers
would not fit beside the process: each session speaks Streamlit's protocol itself, and the time of
an act is from its message until the last run that it caused has ended. ``RUNS`` and ``BENCH_DIR``
say which database: see ``benchmarks.big_process``.

The target: 95 of 100 acts within half a second, and no wrong answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.admin import WrongAnswerError, admin_at
from benchmarks.big_process import RUNS, serving
from tests.processes import sign_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.big_process import Serving

SESSIONS = int(os.environ.get("SESSIONS", "50"))
# Fewer runs than that are there only to try the program.
SECONDS = float(os.environ.get("SECONDS", "60" if RUNS >= 1_000_000 else "15"))
API_CLIENTS = int(os.environ.get("API_CLIENTS", "2"))
THINK = (1.0, 5.0)
TARGET = 0.5
ADMIN_NAME = "ada"


@dataclass
class Measured:
    """The seconds of every act by its kind, and what went wrong."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: Counter[str] = field(default_factory=Counter)

    def all(self) -> list[float]:
        """The seconds of every act."""
        return [one for kind in self.seconds.values() for one in kind]


async def one_session(
    url: str, cookies: Mapping[str, str], number: int, until: float, measured: Measured
) -> None:
    """One admin, signed in before, who comes in the first seconds and works until the end."""
    dice = random.Random(number)  # noqa: S311  no secret
    await asyncio.sleep(dice.uniform(0, THINK[1]))
    async with admin_at(url, cookies, dice) as admin:
        act = "open"
        while time.monotonic() < until:
            try:
                measured.seconds[act].append(await admin.do(act))
            except WrongAnswerError as error:
                measured.wrong[f"{act}: {error}"] += 1
                act = "open"
            else:
                act = admin.likely_act()
            await asyncio.sleep(dice.uniform(*THINK))


async def all_sessions(
    url: str, signed_in: Sequence[Mapping[str, str]], measured: Measured
) -> None:
    """Every session at once; one that breaks is counted, and the others go on."""
    until = time.monotonic() + SECONDS
    sessions = (
        one_session(url, cookies, number, until, measured)
        for number, cookies in enumerate(signed_in)
    )
    for outcome in await asyncio.gather(*sessions, return_exceptions=True):
        if isinstance(outcome, BaseException):
            measured.wrong[f"session over: {outcome!r}"] += 1


async def first_visit(url: str) -> float:
    """The first page that the process draws: much of what it needs is only loaded then."""
    dice = random.Random(0)  # noqa: S311  no secret
    async with admin_at(url, sign_in(url, ADMIN_NAME), dice) as admin:
        return await admin.open()


def work_on(process: Serving, api_clients: int) -> tuple[Measured, Measured]:
    """Sessions and API clients at work on the process, until the time is over."""
    command = [sys.executable, "-m", "benchmarks.api_client", process.url]
    clients = [
        subprocess.Popen(  # noqa: S603  our own program
            [*command, str(number), str(SECONDS), str(RUNS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(api_clients)
    ]
    for client in clients:
        assert client.stdout is not None  # noqa: S101  piped above
        client.stdout.readline()
    signed_in = [sign_in(process.url, ADMIN_NAME) for _session in range(SESSIONS)]
    for client in clients:
        assert client.stdin is not None  # noqa: S101  piped above
        client.stdin.write(b"\n")
        client.stdin.flush()
    pages, api = Measured(), Measured()
    asyncio.run(all_sessions(process.url, signed_in, pages))
    for client in clients:
        found = json.loads(client.communicate()[0])
        api.seconds["API lists"] += found["seconds"]
        api.wrong.update(found["wrong"])
    return pages, api


def percentile(seconds: list[float], share: float) -> float:
    """The time within which this share of the answers came."""
    ordered = sorted(seconds) or [float("nan")]
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def line(kind: str, seconds: list[float]) -> str:
    """The times of one kind."""
    p50, p95, worst = (1000 * percentile(seconds, share) for share in (0.5, 0.95, 1.0))
    return (
        f"{kind:<14} {len(seconds):>6}   p50 {p50:>6.0f}   p95 {p95:>6.0f}   max {worst:>6.0f} ms"
    )


@dataclass
class Load:
    """What came of it: the 95th percentile of all acts in seconds, wrong answers, and the rest."""

    p95: float
    wrong: Counter[str]
    lines: list[str]

    @property
    def is_met(self) -> bool:
        """Whether the target is reached."""
        return self.p95 <= TARGET and not self.wrong


def measure(api_clients: int = API_CLIENTS) -> Load:
    """All sessions beside so many clients of the API, and a process of their own."""
    with serving() as process:
        at_start = process.resident()
        first = asyncio.run(first_visit(process.url))
        pages, api = work_on(process, api_clients)
        at_end = process.resident()
        complaints = process.log.read_text(errors="replace").splitlines()[-3:]
    every, lists = pages.all(), api.all()
    wrong = pages.wrong + api.wrong
    lines = [
        f"the first visit after the start, counted nowhere else: {1000 * first:.0f} ms",
        *(line(kind, seconds) for kind, seconds in sorted(pages.seconds.items())),
        line("all acts", every),
        *([line("API lists", lists)] if lists else []),
        f"{len(every) / SECONDS:.1f} acts and {len(lists) / SECONDS:.1f} API lists a second",
        f"memory of the process: {at_start} MB at first, {at_end} MB at the end",
        *(f"WRONG, {count} times: {what}" for what, count in wrong.most_common(5)),
    ]
    if wrong:
        lines += ["The process said last:", *(f"  {said}" for said in complaints)]
    return Load(percentile(every, 0.95), wrong, lines)


def main() -> None:
    """Measure, and print what came of it."""
    print(f"{SESSIONS} sessions and {API_CLIENTS} API clients, {RUNS:,} runs, {SECONDS:.0f} s")
    load = measure()
    print(*load.lines, sep="\n")
    verdict = "met" if load.is_met else "MISSED"
    print(f"target, p95 of all acts within {TARGET * 1000:.0f} ms and no wrong answer: {verdict}")


if __name__ == "__main__":
    main()
