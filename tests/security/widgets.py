"""Each hostile value for each widget of each page, on a running process.

``python -m tests.security.widgets`` takes some minutes and prints what it counted. The exit code is
1 where a page ran again and again, or an error was not told by one line and one sentence.
"""

from __future__ import annotations

import sys

from tests.hostile_messages import PAGES, all_values, furnish, try_values
from tests.security.running import running_on


def main() -> int:
    """Try all of them, and print the counts."""
    wrong = 0
    with running_on(furnish) as (app, _nothing):
        for page in PAGES:
            values = all_values()
            tried = try_values(app, page, values)
            wrong += len(tried.wrong)
            sys.stdout.write(
                f"page {page}: {len(tried.widgets)} widgets x {len(values)} values, {tried.runs:,} "
                f"script runs, {len(tried.ids):,} errors told by their ids; tracebacks 0, wrong "
                f"{len(tried.wrong)}\n"
            )
            for one in tried.wrong:
                sys.stdout.write(f"  {one[:300]}\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
