"""Prints how many lines the tests reached, by room: ``python -m tests.coverage_by_room``.

It reads what ``pytest --cov`` left. Which lines were not reached, ``coverage report -m`` tells.
"""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from coverage import Coverage

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[1]
PRODUCT = ("app.py", "pages/", "runmanager/")


def room(path: str) -> str:
    """The room of a file: its folder, or the file itself where it stands at the top."""
    folder = PurePosixPath(path).parent
    return path if folder == PurePosixPath() else f"{folder}/"


def by_room(files: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Lines and reached lines by room, from those by file."""
    rooms: dict[str, tuple[int, int]] = {}
    for path, (lines, reached) in sorted(files.items()):
        before = rooms.get(room(path), (0, 0))
        rooms[room(path)] = (before[0] + lines, before[1] + reached)
    return {name: found for name, found in sorted(rooms.items()) if found[0]}


def as_table(rooms: Mapping[str, tuple[int, int]]) -> str:
    """The rooms as text: a line for each, and one for all."""
    total = (sum(lines for lines, _ in rooms.values()), sum(hit for _, hit in rooms.values()))
    width = max(map(len, (*rooms, "room")))
    rows = [f"{'room':<{width}}  lines  reached"]
    for name, (lines, reached) in (*rooms.items(), ("all", total)):
        # Rounded down: 100 % means every line.
        share = reached * 1000 // lines / 10 if lines else 100.0
        rows.append(f"{name:<{width}}  {lines:>5}  {reached:>5}  {share:5.1f} %")
    return "\n".join(rows) + "\n"


def measured() -> dict[str, tuple[int, int]]:
    """Lines and reached lines of every file of the product."""
    coverage = Coverage(data_file=str(ROOT / ".coverage"), config_file=str(ROOT / "pyproject.toml"))
    coverage.load()
    files = {}
    for path in coverage.get_data().measured_files():
        # A process that ran in another folder leaves out other files than those that are meant.
        name = Path(path).relative_to(ROOT).as_posix()
        if name.startswith(PRODUCT):
            _path, lines, _excluded, missing, _text = coverage.analysis2(path)
            files[name] = (len(lines), len(lines) - len(missing))
    return files


def main() -> int:
    """Print the table; the exit code is 1 where nothing was measured."""
    files = measured()
    if not files:
        sys.stderr.write("Nothing was measured: run 'make coverage'.\n")
        return 1
    sys.stdout.write(as_table(by_room(files)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
