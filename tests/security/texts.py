"""Each hostile text in each place by itself, in Chromium, with the policy of ours and without it.

``python -m tests.security.texts`` takes some minutes and prints what it counted. The exit code is 1
where a text became anything but text, a script ran, or anybody else was asked for anything.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from tests.browser.conftest import ARGUMENTS
from tests.browser.dashboard import Dashboard
from tests.browser.hostile import (
    Seen,
    look_at_address,
    look_at_deletion,
    look_at_list,
    look_at_run,
)
from tests.browser_needed import WHAT_TO_DO, find_browser
from tests.hostile_host import FAILS, add_hostile_runs, add_names
from tests.security.running import running_on
from tests.texts import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Browser

    from tests.hosts import HostWriter
    from tests.processes import AppProcess


def main() -> int:
    """Look at all of it, and print the counts."""
    program = find_browser()
    if program is None:
        sys.stderr.write(f"{WHAT_TO_DO}\n")
        return 1
    with running_on(furnish) as (app, runs), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        passed = [
            say(policy, look_everywhere(browser, app, runs, has_policy=has_policy))
            for policy, has_policy in (("with the policy", True), ("without the policy", False))
        ]
        browser.close()
    return int(not all(passed))


def furnish(host: HostWriter) -> list[str]:
    """Let the host have a run for each hostile text, and refuse to delete any; the runs' ids."""
    add_names(host)
    runs = add_hostile_runs(host, HOSTILE)
    host.add_trigger("run_metadata", FAILS)
    return runs


def look_everywhere(
    browser: Browser, app: AppProcess, runs: Sequence[str], *, has_policy: bool
) -> Seen:
    """All places with all texts, in one tab."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, bypass_csp=not has_policy
    )
    ada = Dashboard(context, app.url).signed_in_as("ada")
    seen = Seen()
    seen.watch(ada.page, app.url)
    look_at_list(ada, seen)
    for one, run in zip(HOSTILE, runs, strict=True):
        look_at_run(ada, seen, run)
        look_at_deletion(ada, seen, [run])
        look_at_address(ada, seen, one.text[:1500])
    context.close()
    return seen


def say(policy: str, seen: Seen) -> bool:
    """Print what was counted; whether it is as it must be."""
    places = len(set(seen.places))
    sys.stdout.write(
        f"{policy}: {len(HOSTILE)} hostile texts x {places} places, {len(seen.places):,} pages "
        f"looked at, {seen.shown:,} texts seen there; scripts {seen.scripts}, foreign requests "
        f"{len(seen.foreign)}, not text {len(seen.found)}\n"
    )
    for one in [*seen.found, *seen.foreign]:
        sys.stdout.write(f"  {one}\n")
    missing = {one.mark for one in HOSTILE} - seen.marks
    if missing:
        sys.stdout.write(f"  never seen: {', '.join(sorted(missing))}\n")
    return not (seen.found or seen.foreign or seen.scripts or missing)


if __name__ == "__main__":
    started = time.monotonic()
    code = main()
    sys.stdout.write(f"{time.monotonic() - started:.0f} s\n")
    sys.exit(code)
