"""Packages of npm that the tests use: each installed once, beside the lock file that names it."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

WHAT_TO_DO = (
    "No Node.js with npm: install both (Debian: apt install nodejs npm). The tests of single "
    "sign-on start a real provider, oidc-provider, which runs on it, and axe-core comes from npm."
)


def install(folder: Path) -> str:
    """The program node, once what the lock file in ``folder`` names is beside it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.fail(WHAT_TO_DO)
    lock = folder / "package-lock.json"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".installed"
    # Several workers may want it at once.
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(  # noqa: S603  the program that was found, on our own file
                command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
            )
            if done.returncode:
                pytest.fail(f"npm cannot install the tests' {folder.name}:\n{done.stderr}")
            stamp.write_text(wanted)
    return node
