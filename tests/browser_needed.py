"""A browser for the tests: the one that is here, or one that Playwright fetches."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
WHAT_TO_DO = (
    "No browser: install Chromium (Debian: apt install chromium) or name one in "
    "RUNMANAGER_CHROMIUM; without it the browser tests are skipped."
)


def find_browser() -> Path | None:
    """The Chromium to test with, or None: the one that is named, on the PATH, or Playwright's."""
    if named := os.environ.get("RUNMANAGER_CHROMIUM"):
        return Path(named) if Path(named).is_file() else None
    for program in PROGRAMS:
        if found := shutil.which(program):
            return Path(found)
    try:
        with sync_playwright() as playwright:
            own = Path(playwright.chromium.executable_path)
    except Error:
        return None
    return own if own.is_file() else None


def main() -> int:
    """Make sure that there is a browser; the exit code is 1 where CI has none."""
    if find_browser():
        return 0
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(command, check=True, capture_output=True, timeout=600)  # noqa: S603  # Playwright's own
    if find_browser():
        return 0
    sys.stderr.write(f"{WHAT_TO_DO}\n")
    return 1 if os.environ.get("CI") else 0


if __name__ == "__main__":
    raise SystemExit(main())
