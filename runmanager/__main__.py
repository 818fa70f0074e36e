"""The command line: ``python -m runmanager`` starts the dashboard.

``check`` says what it finds in a database, ``advise`` which indexes would help.
"""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from pathlib import Path

from runmanager.advice.checking import check_database
from runmanager.advice.sql import advice_for
from runmanager.errors import RunManagerError

_CHECKOUT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Do what the command line asks for; the process's exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m runmanager",
        description="Without a command, starts the dashboard. Settings are environment variables: "
        "see docs/settings.md.",
    )
    parser.add_argument("--version", action="version", version=f"Run Manager {version()}")
    commands = parser.add_subparsers(title="commands", dest="command")
    commands.add_parser(
        "advise",
        help="print SQL for indexes that would help; nothing is changed",
        description="Prints SQL for indexes that would help Run Manager on the database that "
        "DATABASE_URL names. Changes nothing.",
    )
    commands.add_parser(
        "check",
        help="print what is found in the database, and what is lacking; nothing is changed",
        description="Prints what Run Manager finds in the database that DATABASE_URL names: tables "
        "and views, what goes with a run, what is kept, what is left behind, what the role may do "
        "and lacks. Changes nothing. Exit code 0 where all is well, else 1.",
    )
    command = parser.parse_args().command
    if command == "advise":
        return _advise()
    return _check() if command == "check" else _start()


def version() -> str:
    """The version of this checkout."""
    with (_CHECKOUT / "pyproject.toml").open("rb") as file:
        found: str = tomllib.load(file)["project"]["version"]
    return found


def _advise() -> int:
    try:
        text = advice_for(os.environ)
    except RunManagerError as error:
        sys.stderr.write(f"Run Manager: {error.message}\n")
        return 1
    sys.stdout.write(text)
    return 0


def _check() -> int:
    try:
        text, is_well = check_database(os.environ)
    except RunManagerError as error:
        sys.stderr.write(f"Run Manager: {error.message}\n")
        return 1
    sys.stdout.write(text)
    return 0 if is_well else 1


def _start() -> int:
    # Streamlit reads its configuration from the folder it is started in.
    os.chdir(_CHECKOUT)
    os.execv(sys.executable, [sys.executable, "app.py"])  # noqa: S606  no shell, no input


if __name__ == "__main__":
    sys.exit(main())
