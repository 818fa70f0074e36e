"""How much memory the process takes after one admin has seen 200 pages of 200 rows.

Run as ``python -m benchmarks.memory``. ``RUNS`` and ``BENCH_DIR`` say which database: see
``benchmarks.big_process``. The target: at most 250 MB in the end.
"""

from __future__ import annotations

import asyncio
import random
import statistics
from typing import TYPE_CHECKING

from benchmarks.admin import admin_at
from benchmarks.big_process import RUNS, serving

if TYPE_CHECKING:
    from benchmarks.big_process import Serving

VIEWS, ROWS = 200, 200
FIRST_LOOK = 20
TARGET = 250


async def view_pages(process: Serving) -> None:
    """Turn the pages one after the other, and print the memory on the way."""
    dice = random.Random(0)  # noqa: S311  no secret
    print(f"{process.resident():>5} MB before the first page")
    seconds = []
    async with admin_at(process.url, "ada", dice, f"page_size={ROWS}") as admin:
        await admin.open()
        print(f"{process.resident():>5} MB after 1 page ({admin.received:,} bytes sent)")
        for number in range(2, VIEWS + 1):
            seconds.append(await admin.turn_page(number))
            assert admin.rows() == ROWS, admin.rows()  # noqa: S101  what is measured must be true
            if number in (FIRST_LOOK, VIEWS):
                print(f"{process.resident():>5} MB after {number} pages ({admin.received:,} bytes)")
    print(f"{process.resident():>5} MB after the tab was closed, {process.peak()} MB at the most")
    print(f"a page turn took {1000 * statistics.median(seconds):.0f} ms (median)")


def main() -> None:
    """Measure, and print what came of it."""
    print(f"one admin sees {VIEWS} pages of {ROWS} rows, {RUNS:,} runs")
    with serving() as process:
        asyncio.run(view_pages(process))
        resident = process.resident()
    verdict = "met" if resident <= TARGET else "MISSED"
    print(f"target, at most {TARGET} MB after {VIEWS} pages: {verdict}")


if __name__ == "__main__":
    main()
