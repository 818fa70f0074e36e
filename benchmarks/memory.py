"""How much memory the process takes after one admin has seen 200 pages of 200 rows.

Run as ``python -m benchmarks.memory``. ``RUNS`` and ``BENCH_DIR`` say which database: see
``benchmarks.big_process``. The target: at most 250 MB in the end.
"""

from __future__ import annotations

import asyncio
import random
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.admin import admin_at
from benchmarks.big_process import RUNS, serving
from tests.processes import sign_in

if TYPE_CHECKING:
    from benchmarks.big_process import Serving

ROWS = 200
VIEWS = min(200, RUNS // ROWS)
FIRST_LOOK = 20
TARGET = 250


@dataclass
class Held:
    """Megabytes that the process held: in the end, at the most, and on the way, in words."""

    resident: int = 0
    peak: int = 0
    lines: list[str] = field(default_factory=list)

    @property
    def is_met(self) -> bool:
        """Whether the target is reached."""
        return self.resident <= TARGET


async def view_pages(process: Serving, held: Held) -> None:
    """Turn the pages one after the other, and note the memory on the way."""
    dice = random.Random(0)  # noqa: S311  no secret
    held.lines.append(f"{process.resident():>5} MB before the first page")
    seconds = []
    async with admin_at(
        process.url, sign_in(process.url, "ada"), dice, f"page_size={ROWS}"
    ) as admin:
        await admin.open()
        held.lines.append(f"{process.resident():>5} MB after 1 page ({admin.received:,} bytes)")
        for number in range(2, VIEWS + 1):
            seconds.append(await admin.next_page())
            assert admin.rows() == ROWS, admin.rows()  # noqa: S101  what is measured must be true
            if number in (FIRST_LOOK, VIEWS):
                sent = f"({admin.received:,} bytes)"
                held.lines.append(f"{process.resident():>5} MB after {number} pages {sent}")
    held.lines.append(f"{process.resident():>5} MB after the tab was closed")
    held.lines.append(f"a page turn took {1000 * statistics.median(seconds):.0f} ms (median)")


def measure() -> Held:
    """One admin and a process of their own."""
    held = Held()
    with serving() as process:
        asyncio.run(view_pages(process, held))
        held.resident, held.peak = process.resident(), process.peak()
    held.lines.append(f"{held.peak:>5} MB at the most")
    return held


def main() -> None:
    """Measure, and print what came of it."""
    print(f"one admin sees {VIEWS} pages of {ROWS} rows, {RUNS:,} runs")
    held = measure()
    print(*held.lines, sep="\n")
    verdict = "met" if held.is_met else "MISSED"
    print(f"target, at most {TARGET} MB after {VIEWS} pages: {verdict}")


if __name__ == "__main__":
    main()
